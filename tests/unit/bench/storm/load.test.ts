/** The load itself, against a server that does as it is told: who comes, what is counted, what ends. */
import { afterEach, describe, expect, it } from 'vitest'
import { runFleet } from '../../../../src/bench/storm/fleet.ts'
import type { SliceWord } from '../../../../src/bench/storm/load-words.ts'
import { momentsOf, totalsOf } from '../../../../src/bench/storm/merge.ts'
import { DEFAULT_STORM, type StormPlan } from '../../../../src/bench/storm/plan.ts'
import { addressOf } from '../../../../src/bench/storm/target-address.ts'
import { until } from '../../../../src/core/until.ts'
import {
  type StormServer,
  type StormServerOptions,
  startStormServer,
} from '../../../support/storm-server.ts'

let server: StormServer | undefined

afterEach(async () => {
  await server?.close()
  server = undefined
})

/** Long enough for any machine; nothing waits for it but what shall never be answered. */
const PATIENCE = 30_000

interface Circumstances {
  readonly threads?: number
  readonly tls?: string
  /** Ends the storm, which would otherwise go on for very long. */
  readonly until?: (server: StormServer) => boolean
}

async function storm(
  plan: Partial<StormPlan>,
  options: StormServerOptions = {},
  { threads = 1, tls = 'disable', until: enough }: Circumstances = {},
) {
  const mine = await startStormServer(options)
  server = mine
  const slices: SliceWord[] = []
  const abort = new AbortController()
  const holdMs = enough === undefined ? 200 : 120_000
  const running = runFleet({
    plan: {
      ...DEFAULT_STORM,
      ...{ clients: 40, rate: 400, holdMs, everyMs: 50, timeoutMs: PATIENCE, warmUp: 0 },
      ...plan,
    },
    address: addressOf(`postgres://app:secret@127.0.0.1:${mine.port}/shop?sslmode=${tls}`),
    threads,
    onSlice: (word) => slices.push(word),
    onStart: () => {},
    signal: abort.signal,
  })
  if (enough !== undefined) {
    await until(() => enough(mine), PATIENCE).finally(() => abort.abort())
  }
  const words = await running
  return { server: mine, words, ...totalsOf(words), moments: momentsOf(slices) }
}

/** Everybody has asked so many times on average. */
const asked =
  (times: number) =>
  ({ statements, logins }: StormServer): boolean =>
    statements.length >= logins * times && logins >= 40

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)

describe('A burst', () => {
  it('brings everybody in, keeps them asking, and says goodbye', async () => {
    const came = await storm({ shape: 'burst' }, {}, { until: asked(6) })
    expect(came).toMatchObject({ arrived: 40, loggedIn: 40, answered: 40, errors: {}, dropped: 0 })
    expect(came.server).toMatchObject({ logins: 40, peak: 40 })
    expect(new Set(came.server.statements)).toEqual(new Set(['select 1']))
    expect(came.server.statements.length).toBe(40 + came.statements)
    const { amid, statement } = came.spans
    expect((amid?.figures.n ?? 0) + (statement?.figures.n ?? 0)).toBe(
      came.statements + came.overdue,
    )
    expect(came.spans.firstReply?.figures.n).toBe(40)
  })

  it('is the same when several threads share it', async () => {
    const came = await storm({ shape: 'burst', clients: 41 }, {}, { threads: 3 })
    expect(came).toMatchObject({ arrived: 41, loggedIn: 41, answered: 41, errors: {} })
    expect(came.server.logins).toBe(41)
    expect(came.words).toHaveLength(3)
    expect(came.spans.firstReply?.figures.n).toBe(41)
  })

  it('loses nothing between the slices and the whole', async () => {
    const came = await storm({ shape: 'burst' }, {}, { until: asked(15) })
    expect(sum(came.moments.map(({ arrived }) => arrived))).toBe(40)
    expect(sum(came.moments.map(({ answered }) => answered))).toBe(40)
    expect(sum(came.moments.map(({ statements }) => statements))).toBe(came.statements)
    expect(Math.max(...came.moments.map(({ open }) => open))).toBe(40)
  })

  it('leaves its clients idle when they shall ask only once', async () => {
    const came = await storm({ shape: 'burst', everyMs: 0 })
    expect(came.server.statements).toHaveLength(40)
    expect(came).toMatchObject({ statements: 0, overdue: 0, answered: 40 })
  })
})

describe('Functions', () => {
  it('come in waves, carry out one transaction each, and go', async () => {
    const came = await storm({ shape: 'waves', clients: 10, waves: 3, pauseMs: 50 })
    expect(came).toMatchObject({ arrived: 30, answered: 30, statements: 30, errors: {} })
    expect(came.server.logins).toBe(30)
    const counted = ['begin', 'select 1', 'commit'].map(
      (text) => came.server.statements.filter((one) => one === text).length,
    )
    expect(counted).toEqual([30, 30, 30])
  })
})

describe('A warm-up', () => {
  it('comes before, goes again, and is not counted', async () => {
    const came = await storm({ shape: 'burst', clients: 5, warmUp: 12 }, {}, { threads: 2 })
    expect(came.server.logins).toBe(17)
    expect(came.server.statements.slice(0, 36).filter((text) => text === 'commit')).toHaveLength(12)
    expect(came).toMatchObject({ arrived: 5, loggedIn: 5, answered: 5, errors: {} })
    expect(came.spans.connect?.figures.n).toBe(5)
  })
})

describe('A reconnect', () => {
  it('cuts everybody off and measures how they come back', async () => {
    const came = await storm({ shape: 'reconnect', clients: 20, rate: 400 })
    // Who is cut off cannot say goodbye.
    await until(() => came.server.goodbyes === 20, PATIENCE)
    expect(came.server.logins).toBeGreaterThan(20)
    expect(came).toMatchObject({ arrived: 20, loggedIn: 20, answered: 20, errors: {}, dropped: 0 })
  })
})

describe('What goes wrong', () => {
  it('at the door is counted by its SQLSTATE, with the first words of the server', async () => {
    const all = { until: ({ refused }: StormServer) => refused === 30 }
    const came = await storm({ shape: 'burst' }, { most: 10 }, all)
    expect(came.errors).toEqual({ '53300': 30 })
    expect(came.texts).toEqual({ '53300': 'sorry, too many clients already' })
    expect(came).toMatchObject({ arrived: 40, loggedIn: 10, answered: 10, dropped: 0 })
  })

  it('with a statement is an error of that statement only', async () => {
    const onQuery = (_: string, nth: number) => (nth === 60 ? 'error' : undefined)
    const came = await storm({ shape: 'burst' }, { onQuery }, { until: asked(3) })
    expect(came.errors).toEqual({ '57014': 1 })
    expect(came.dropped).toBe(0)
  })

  it('with a connection drops its client, which comes again when it may', async () => {
    const onQuery = (_: string, nth: number) => (nth === 60 ? 'close' : undefined)
    const stays = await storm({ shape: 'burst' }, { onQuery }, { until: asked(3) })
    expect(stays).toMatchObject({ dropped: 1 })
    expect(Object.values(stays.errors)).toEqual([1])
    expect(stays.server.logins).toBe(40)
    await stays.server.close()
    const back = { until: ({ logins }: StormServer) => logins > 40 }
    const again = await storm({ shape: 'burst', retryMs: 10 }, { onQuery }, back)
    expect(again.server.logins).toBe(41)
  })

  it('by silence is given up after a while, and what was due meanwhile is not forgotten', async () => {
    const onQuery = (_: string, nth: number) => (nth === 2 ? 'silence' : undefined)
    const plan = { shape: 'burst', clients: 1, timeoutMs: 600 } as const
    const gone = { until: (mine: StormServer) => mine.statements.length === 2 && mine.there === 0 }
    const came = await storm(plan, { onQuery }, gone)
    expect(came.errors).toEqual({ 'answer-timeout': 1 })
    expect(came.overdue).toBeGreaterThanOrEqual(1)
    // They count for as long as they waited.
    expect(came.spans.statement?.figures.max).toBeGreaterThan(300)
  })

  it('by a server that never lets anybody in', async () => {
    const came = await storm({ shape: 'burst', clients: 3, timeoutMs: 300 }, { mute: true })
    expect(came.errors).toEqual({ 'login-timeout': 3 })
    expect(came.loggedIn).toBe(0)
  })

  it('where nobody listens', async () => {
    const gone = await startStormServer()
    await gone.close()
    const words = await runFleet({
      plan: { ...DEFAULT_STORM, clients: 5, rate: 500, holdMs: 10, warmUp: 0 },
      address: addressOf(`postgres://app:secret@127.0.0.1:${gone.port}/shop?sslmode=disable`),
      threads: 1,
      onSlice: () => {},
      onStart: () => {},
    })
    expect(totalsOf(words).errors).toEqual({ ECONNREFUSED: 5 })
  })
})

describe('TLS', () => {
  it('is asked for first when it is preferred, and done without where there is none', async () => {
    const came = await storm({ shape: 'burst', clients: 5 }, {}, { tls: 'prefer' })
    expect(came.server.sslRequests).toBe(5)
    expect(came).toMatchObject({ answered: 5, errors: {} })
  })

  it('that is required and not there is an error', async () => {
    const came = await storm({ shape: 'burst', clients: 5 }, {}, { tls: 'require' })
    expect(came).toMatchObject({ answered: 0, errors: { 'no-tls': 5 } })
  })
})
