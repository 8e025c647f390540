/**
 * The torture: many clients on few server connections, somebody who cancels them, and perhaps somebody
 * who kills their servers. Rule: it knows nothing of what listens on the port, so the same crowd may be
 * sent straight to a server to find out whether the model is right.
 */
import pg from 'pg'
import { until } from '../../../src/core/until.ts'
import { judge, type Verdict } from '../../support/cancel-judge.ts'
import { randomOf } from '../../support/client-scripts.ts'
import { Book } from './book.ts'
import { Client } from './client.ts'
import type { Role } from './programs.ts'
import { CHANNEL, STAGE, TABLE } from './statements.ts'
import type { Login } from './wire.ts'

export interface TortureOptions {
  readonly login: Omit<Login, 'parameters'>
  /** Connection string past what is tortured. */
  readonly direct: string
  readonly seed: number
  readonly clients: number
  /** Units of each client, at least. */
  readonly units: number
  /** Goes on so long, at least. */
  readonly seconds: number
  /** Kills a server connection, now and then; how it did. */
  readonly kill?: (random: () => number) => Promise<string>
}

export interface Report {
  readonly wrong: readonly string[]
  readonly verdict: Verdict
  readonly counts: Readonly<Record<string, number>>
  readonly answers: number
  readonly seconds: number
  /** The longest time (ms) in which nobody had an answer, and after how many; nobody judges it. */
  readonly silence: { readonly ms: number; readonly after: number }
}

const CANCEL_HANDS = 2
/** Mostly readers, or what `WEIR_TORTURE_ROLES` says, e.g. `reads,reads,plain`. */
const ROLES = (
  process.env.WEIR_TORTURE_ROLES ??
  'listens,reads,reads,plain,reads,reads,marks,reads,plain,reads,reads,reads'
).split(',') as Role[]

export async function torture(options: TortureOptions): Promise<Report> {
  const { direct, login, seed, kill } = options
  const deaths = kill !== undefined
  const hand = new pg.Client({ connectionString: direct })
  await hand.connect()
  await hand.query(STAGE)
  const book = new Book()
  const began = performance.now()
  const goesOn = (units: number): boolean =>
    units < options.units || performance.now() - began < options.seconds * 1_000
  const clients = Array.from({ length: options.clients }, (_, i) => {
    const role = ROLES[i % ROLES.length]!
    const random = randomOf(seed * 1_000 + i)
    return new Client({ number: i + 1, login, book, random, role, deaths, goesOn })
  })
  await Promise.all(clients.map((client) => client.begin()))
  let living = clients.length
  const lives = clients.map((client) =>
    client
      .live()
      .catch((error: unknown) => book.amiss(`client ${client.number}: ${(error as Error).stack}`))
      .finally(() => {
        living--
        book.alone = living <= 1
      }),
  )
  const going = (): boolean => living > 0 && !book.over
  const random = randomOf(seed)
  const cancels = Array.from({ length: CANCEL_HANDS }, () => cancelThem(clients, random, going))
  const kills = kill === undefined ? undefined : killThem(kill, book, random, going)
  await Promise.all([...lives, ...cancels, kills])
  if (!book.over && !deaths) await judgeHeard(book, clients)
  for (const client of clients) client.end()
  if (!book.over) await judgeRows(book, hand)
  const verdict = judge(book.cancelled, book.requested)
  for (const { client, number } of verdict.strays) {
    book.amiss(`client ${client} was cancelled in its request ${number}, and nobody asked for it`)
  }
  await hand.end()
  const { wrong, counts, answers, silence } = book
  const seconds = (performance.now() - began) / 1_000
  return { wrong, verdict, counts: { ...counts, ...book.truth.count() }, answers, seconds, silence }
}

/** Cancel requests at random moments for random clients, mostly busy ones. */
async function cancelThem(
  clients: readonly Client[],
  random: () => number,
  going: () => boolean,
): Promise<void> {
  while (going()) {
    const served = clients.filter((client) => client.served)
    const busy = clients.filter((client) => client.busy)
    const kind = random()
    const among =
      kind < 0.6 && served.length > 0 ? served : kind < 0.9 && busy.length > 0 ? busy : clients
    await among[Math.floor(random() * among.length)]!.cancel(random() >= 0.05)
    await pause(random() * 40)
  }
}

async function killThem(
  kill: (random: () => number) => Promise<string>,
  book: Book,
  random: () => number,
  going: () => boolean,
): Promise<void> {
  while (going()) {
    book.count(await kill(random))
    await pause(random() * 100)
  }
}

/** What was notified arrives in its own time; nothing may be missing or come twice. */
async function judgeHeard(book: Book, clients: readonly Client[]): Promise<void> {
  const found = (): string[] => {
    const wrong: string[] = []
    for (const [listener, heard] of book.heard) {
      for (const { number } of clients) {
        wrong.push(...book.truth.judgeHeard(listener, number, heard.get(number) ?? []))
      }
    }
    return wrong
  }
  await until(() => found().length === 0, 30_000).catch(() => {
    for (const what of found().slice(0, 10)) book.amiss(what)
  })
  book.count(
    `heard on ${CHANNEL}`,
    [...book.heard.values()].flatMap((of) => [...of.values()]).flat().length,
  )
}

/** Compares when nobody works on anything any more. */
async function judgeRows(book: Book, hand: pg.Client): Promise<void> {
  const working = `select count(*)::int as n from pg_stat_activity
    where pid <> pg_backend_pid() and backend_type = 'client backend' and state <> 'idle'`
  await until(async () => (await hand.query(working)).rows[0].n === 0, 60_000, {
    what: 'the end of all work',
  })
  const { rows } = await hand.query(
    `select client || '.' || number as id, count(*)::int as times from ${TABLE} group by 1`,
  )
  const there = new Map(rows.map(({ id, times }) => [id as string, times as number]))
  for (const what of book.truth.judge(there).slice(0, 10)) book.amiss(what)
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
