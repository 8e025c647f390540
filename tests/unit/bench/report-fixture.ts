/**
 * A made-up result of three subjects, for reports and tables. Rule: every figure is invented by a
 * seeded generator in the shape that real runs have; the same call gives the same result.
 */
import { percentiles, summarise } from '../../../src/bench/failover/measure.ts'
import type {
  ClientKind,
  ClientRecord,
  FailoverResult,
  Fault,
  Gap,
  Round,
  Timeline,
} from '../../../src/bench/failover/result.ts'

/** Saturday, 21 November 2026, 08:00:00 UTC. */
export const BEGAN = Date.UTC(2026, 10, 21, 8)

const CROWD: readonly (readonly [ClientKind, number])[] = [
  ['writer', 40],
  ['transaction', 12],
  ['reader', 24],
  ['listener', 4],
  ['idle', 80],
]

interface Manner {
  readonly description: string
  /** Ms from the fault, but for the promotion; `-` for what it does not tell. */
  timeline(promoted: number, random: () => number): Timeline
  /** From the first reply to a client's own. */
  readonly spread: number
  readonly breaks: boolean
  readonly errors: readonly string[]
}

const MANNERS: Readonly<Record<string, Manner>> = {
  weir: {
    description: 'Weir 0.1.0, a process of its own, pools of 54; otherwise its defaults',
    timeline: (promoted, random) => ({
      suspected: 1 + 3 * random(),
      down: 9 + 8 * random(),
      observed: promoted + 1 + 4 * random(),
      retired: promoted + 5.2,
      'first-borrow': promoted + 8 + 5 * random(),
      'first-reply': promoted + 14 + 4 * random(),
    }),
    spread: 25,
    breaks: false,
    errors: ['08007', '40001'],
  },
  direct: {
    description: 'no proxy: each client has all hosts in its connection string',
    timeline: (promoted, random) => ({ 'first-reply': promoted + 30 + 40 * random() }),
    spread: 420,
    breaks: true,
    errors: ['57P02', 'connection-closed', '25006', 'client-timeout', 'ECONNREFUSED'],
  },
  pgbouncer: {
    description: 'PgBouncer 1.18.0 behind HAProxy 2.6.12 with Patroni’s usual role check',
    timeline: (_promoted, random) => ({
      suspected: 400 + 900 * random(),
      observed: 5_100 + 900 * random(),
      down: 7_900 + 900 * random(),
      'first-reply': 9_200 + 6_000 * random(),
    }),
    spread: 900,
    breaks: false,
    errors: ['08P01', '25006'],
  },
}

export function madeUpResult(
  options: { readonly faults?: readonly Fault[]; readonly rounds?: number } = {},
): FailoverResult {
  const { faults = ['kill'], rounds: count = 10 } = options
  const random = seeded(7)
  const rounds: Round[] = []
  let began = BEGAN + 5_000
  for (const fault of faults) {
    for (let number = 1; number <= count; number++) {
      for (const [subject, manner] of Object.entries(MANNERS)) {
        const round = roundOf(subject, manner, fault, number, began, random)
        rounds.push(round)
        began = round.ended + 4_000
      }
    }
  }
  const subjects = faults.flatMap((fault) =>
    Object.entries(MANNERS).map(([name, { description }]) =>
      summarise(name, fault, description, rounds),
    ),
  )
  const weir = subjects.find(({ subject }) => subject === 'weir')
  return {
    format: 1,
    version: '0.1.0',
    began: BEGAN,
    ended: began,
    command: `weir failover --rounds ${count} --fault ${faults.join(',')} --clients 80 --idle 80 --compare direct,pgbouncer`,
    settings: {
      promotion: 'by the lab, 0 ms after the fault',
      nodes: 3,
      synchronous: true,
      rate: '20 requests a second and client',
    },
    machine: { cpu: '2 cores', memory: '4 GiB', node: 'v20.20.0', postgres: '18.4' },
    subjects,
    rounds,
    expectations: faults.flatMap((fault) => [
      {
        text: 'gap_p99<1s',
        subject: 'weir',
        fault,
        actual: weir?.writeGap?.p99,
        met: (weir?.writeGap?.p99 ?? 9e9) < 1_000,
      },
      { text: 'lost=0', subject: 'weir', fault, actual: 0, met: true },
    ]),
  }
}

function roundOf(
  subject: string,
  manner: Manner,
  fault: Fault,
  number: number,
  began: number,
  random: () => number,
): Round {
  const at = began + 2_000
  const promoted = 330 + 120 * random()
  const told = { fault: 0, promoted, ...manner.timeline(promoted, random) }
  const timeline = Object.fromEntries(
    Object.entries(told).map(([name, ms]) => [name, at + ms]),
  ) as Timeline
  const reply = told['first-reply'] ?? promoted
  let id = 0
  const clients = CROWD.flatMap(([kind, n]) =>
    Array.from({ length: n }, () => clientOf(id++, kind, manner, { at, promoted, reply }, random)),
  )
  const acknowledged = clients.reduce((sum, c) => sum + (c.kind === 'writer' ? c.answered : 0), 0)
  const unknown = clients.reduce((sum, c) => sum + (c.errors['08007'] ?? 0), 0)
  return {
    subject,
    number,
    fault,
    victim: `node-${1 + (number % 3)}`,
    promoted: `node-${1 + ((number + 1) % 3)}`,
    began,
    ended: at + reply + 4_000,
    timeline,
    clients,
    verdict: {
      acknowledged,
      lost: 0,
      duplicates: 0,
      unknown,
      unknownThere: Math.floor(unknown / 2),
      contradicted: 0,
      notificationsLost: 0,
      notificationsTwice: 0,
    },
    invalid: subject === 'direct' && number === 4 ? 'the lab could not promote in 30 s' : undefined,
    instrument: {
      longestStallMs: 4 + 9 * random(),
      lateStallMs: 4,
      readsBlurred: false,
      promotedWithinMs: 1 + random(),
      promotionMs: promoted,
      ownWriteMs: 9 + 4 * random(),
    },
  }
}

function clientOf(
  id: number,
  kind: ClientKind,
  manner: Manner,
  { at, promoted, reply }: { at: number; promoted: number; reply: number },
  random: () => number,
): ClientRecord {
  const idle = kind === 'idle'
  const reads = kind === 'reader' || kind === 'listener'
  const hit = idle ? manner.breaks && random() < 0.4 : !reads || random() < 0.3
  const until = reads ? reply * 0.2 : reply + manner.spread * random() ** 2
  const failed = hit && random() < (manner.breaks ? 1 : 0.3)
  const code = manner.errors[Math.floor(random() * manner.errors.length)] ?? '08006'
  const from = at - 40 * random()
  const gaps: Gap[] = hit
    ? [{ from, to: at + until, end: failed ? 'error' : random() < 0.01 ? 'never' : 'answered' }]
    : []
  return {
    id,
    kind,
    due: idle ? 2 : 160,
    answered: (idle ? 2 : 160) - Number(failed),
    failed: Number(failed),
    longestGapMs: idle ? 0 : Math.max(60, ...gaps.map((gap) => gap.to - gap.from)),
    afterPromotionMs: kind === 'writer' ? Math.max(0.4, until - promoted) : undefined,
    dropped: Number(manner.breaks && hit),
    errors: failed ? { [code]: 1 + Math.floor(3 * random()) } : {},
    gaps,
  }
}

/** A linear congruential generator of numbers from 0 to 1. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return ((state ^ (state >>> 13)) >>> 0) / 4_294_967_296
  }
}

/** For tests that need figures of their own. */
export const some = (...values: number[]) => percentiles(values)
