/**
 * The status snapshot as text for a terminal. Rule: pure; colour is a parameter, because a pipe
 * must get plain text.
 */
import { beganAt, outcomesText, STEP_WORDS, stepsOf, wholeOf } from '../admin/failover-steps.ts'
import type {
  EndpointStatus,
  FailoverStatus,
  NodeStatus,
  PoolStatus,
  StatusSnapshot,
} from '../admin/snapshot.ts'
import {
  fineSpan,
  healthWord,
  lag,
  mebibytes,
  orDash,
  outOf,
  poolNode,
  sourceLine,
  span,
} from '../admin/words.ts'
import { alignedTable, type Cell, type Paint } from './table.ts'

export interface Colours {
  readonly good: Paint
  readonly warn: Paint
  readonly bad: Paint
  readonly heading: Paint
}

const same: Paint = (text) => text
const sgr =
  (code: number): Paint =>
  (text) =>
    `\x1b[${code}m${text}\x1b[0m`

export const NO_COLOURS: Colours = { good: same, warn: same, bad: same, heading: same }
export const COLOURS: Colours = { good: sgr(32), warn: sgr(33), bad: sgr(31), heading: sgr(1) }

/** The whole report, ending in a newline. */
export function statusText(s: StatusSnapshot, colours: Colours): string {
  const { clients } = s
  const counts = `${clients.total} connected: ${clients.active} with a server connection, ${clients.waiting} waiting, ${clients.pinned} pinned`
  const sections = [
    [`Weir ${s.version}, up ${span(s.uptimeMs)}, topology epoch ${s.epoch}`],
    ...(s.pauses.length === 0 ? [] : [section('Paused', pauses(s), colours)]),
    section('Nodes', [...nodes(s.nodes, colours), ...source(s, colours)], colours),
    section('Endpoints', endpoints(s.endpoints), colours),
    section('Pools', pools(s.pools, colours), colours),
    section('Clients', [counts, ...reasons(s)], colours),
    ...(s.workers.length < 2 ? [] : [section('Workers', workers(s, colours), colours)]),
    ...(s.failovers.length === 0 ? [] : [section('Failovers', failovers(s.failovers), colours)]),
  ]
  return `${sections.map((lines) => lines.join('\n')).join('\n\n')}\n`
}

function section(title: string, lines: readonly string[], colours: Colours): string[] {
  return [colours.heading(title), ...lines.map((line) => `  ${line}`)]
}

function source({ source: from }: StatusSnapshot, colours: Colours): string[] {
  const line = sourceLine(from)
  if (line === undefined) return []
  return [from.ok === false ? colours.bad(line) : line]
}

function pauses(s: StatusSnapshot): string[] {
  const now = s.startedAt + s.uptimeMs
  return alignedTable(
    ['WHAT', 'FOR', 'ENDS IN', 'STILL LENT', 'WAITING'],
    s.pauses.map((p) => [
      text(p.what),
      number(span(Math.max(0, now - p.since))),
      number(span(Math.max(0, p.until - now))),
      number(p.lent),
      number(p.waiting),
    ]),
  )
}

function nodes(all: readonly NodeStatus[], colours: Colours): string[] {
  if (all.length === 0) return ['none known']
  const paint = {
    up: colours.good,
    suspect: colours.warn,
    unknown: colours.warn,
    down: colours.bad,
  }
  return alignedTable(
    ['NAME', 'ADDRESS', 'ROLE', 'HEALTH', 'LAG', 'TIMELINE', 'LENT', 'CONNECTIONS', 'BECAUSE'],
    all.map((n) => [
      text(n.name),
      text(`${n.host}:${n.port}`),
      text(n.role),
      { text: healthWord(n), paint: paint[n.health] },
      number(lag(n.lagMs)),
      number(orDash(n.timeline)),
      number(n.leases),
      number(outOf(n.connections, n.budget)),
      text(n.because),
    ]),
  )
}

function endpoints(all: readonly EndpointStatus[]): string[] {
  if (all.length === 0) return ['none configured']
  return alignedTable(
    ['NAME', 'KIND', 'ADDRESS', 'CLIENTS', 'A NEW SESSION GETS'],
    all.map((e) => [
      text(e.name),
      text(e.kind),
      text(e.address),
      number(e.clients),
      text(e.chooses),
    ]),
  )
}

function pools(all: readonly PoolStatus[], colours: Colours): string[] {
  if (all.length === 0) return ['none yet: nobody has asked for a server connection']
  return alignedTable(
    ['NODE', 'DATABASE', 'USER', 'LENT', 'IDLE', 'OPENING', 'WAITING', 'LONGEST WAIT'],
    all.map((p) => [
      text(poolNode(p)),
      text(p.database),
      text(p.user),
      number(outOf(p.active, p.maximum)),
      number(p.idle),
      number(p.opening),
      { ...number(p.waiting), paint: p.waiting > 0 ? colours.warn : undefined },
      number(p.waiting > 0 ? span(p.longestWaitMs) : '-'),
    ]),
  )
}

/** Nothing of them while Weir is one process. */
function workers(s: StatusSnapshot, colours: Colours): string[] {
  const now = s.startedAt + s.uptimeMs
  return alignedTable(
    ['NO', 'PROCESS', 'STATE', 'FOR', 'CLIENTS', 'CPU', 'MEMORY'],
    s.workers.map((w) => [
      number(w.number),
      number(w.pid),
      { text: w.state, paint: w.state === 'serving' ? colours.good : colours.warn },
      number(span(Math.max(0, now - w.since))),
      number(w.clients),
      number(span(w.cpuSeconds * 1_000)),
      number(mebibytes(w.memoryBytes)),
    ]),
  )
}

/** The last few; `/status` has more of them, and the moments themselves. */
const FAILOVERS_SHOWN = 5

function failovers(all: readonly FailoverStatus[]): string[] {
  return alignedTable(
    [
      'NO',
      'SINCE (UTC)',
      'FROM',
      'TO',
      ...STEP_WORDS.map((w) => w.toUpperCase()),
      'WHOLE',
      'WAITED',
      'TOLD',
    ],
    all.slice(-FAILOVERS_SHOWN).map((f) => {
      const spans = new Map<string, string>(
        stepsOf(f).map(({ word, ms }) => [word, `+${fineSpan(ms)}`]),
      )
      return [
        number(f.number),
        text(new Date(beganAt(f)).toISOString().slice(0, 19)),
        text(f.from),
        text(f.to),
        ...STEP_WORDS.map((word) => number(spans.get(word) ?? '-')),
        number(fineSpan(wholeOf(f))),
        number(f.waitingPeak),
        text(orDash(outcomesText(f))),
      ]
    }),
  )
}

function reasons(s: StatusSnapshot): string[] {
  const states = Object.entries(s.clients.byState).map(([state, n]) => `${state} ${n}`)
  const pins = s.pins.map((p) => `${p.reason} ${p.count}`)
  return [
    ...(states.length > 0 ? [`by state: ${states.join(', ')}`] : []),
    ...(pins.length > 0 ? [`pins since the start: ${pins.join(', ')}`] : []),
  ]
}

function text(value: string): Cell {
  return { text: value }
}

function number(value: number | string): Cell {
  return { text: String(value), right: true }
}
