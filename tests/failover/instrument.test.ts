/**
 * The instrument of `weir failover` itself: how wrong it is against outages of known length, what it
 * says of its own failures, and a whole run with its exit code.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectNode } from '../../src/bench/failover/control.ts'
import { DEFAULT_PLAN, splitClients } from '../../src/bench/failover/plan.ts'
import { silentProgress } from '../../src/bench/failover/progress.ts'
import type { FailoverResult, Round } from '../../src/bench/failover/result.ts'
import { runAll } from '../../src/bench/failover/run.ts'
import { selfTest } from '../../src/bench/failover/self-test.ts'
import { makeTables } from '../../src/bench/failover/sequence-table.ts'
import type { FaultDriver } from '../../src/bench/failover/subject.ts'
import { directSubject } from '../../src/bench/failover/subjects/direct.ts'
import { WallClock } from '../../src/bench/failover/wall-clock.ts'
import { labDriver } from '../../src/cli/failover-lab.ts'
import { until } from '../../src/core/until.ts'
import { connect } from '../support/clients.ts'
import { type FailoverHouse, startFailoverHouse } from '../support/failover-house.ts'
import { freePorts } from '../support/house.ts'
import { weir } from '../support/weir-child.ts'

/**
 * Far more than an answer may take on any machine, far less than the 30 s after which a client gives a
 * request up (ms): a gap that ended before was ended by the answer that the outage held back. How
 * exact the instrument is, is for it to measure on a quiet machine, not for a test on a busy one.
 */
const BY_ITS_ANSWER = 15_000

/** The event loop of the load, and of this test, stands still. */
const standFor = (ms: number): void => {
  const from = performance.now()
  while (performance.now() - from < ms) {
    // Nothing else happens.
  }
}

let lab: FailoverHouse
let directory: string
let ended = false

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'weir-instrument-'))
  lab = await startFailoverHouse({ cluster: { synchronous: true } })
})

afterAll(async () => {
  if (!ended) await lab?.end()
  rmSync(directory, { recursive: true, force: true })
})

describe('Against an outage of known length', () => {
  it('the instrument is never short of it, and sees its end when it ends', async () => {
    const { cluster } = lab.house
    const client = await connect(cluster.url())
    await makeTables(client as never)
    const node = cluster.writer()
    const test = { node, login: cluster.login, clients: 20, rate: 50 }
    const errors = await selfTest({ ...test, outages: [60, 500] })
    for (const { injectedMs, errorMs, noticedMs } of errors) {
      expect(errorMs.n).toBe(20)
      expect(errorMs.p50, `of ${injectedMs} ms`).toBeGreaterThanOrEqual(0)
      expect(errorMs.max, `of ${injectedMs} ms`).toBeLessThan(BY_ITS_ANSWER)
      // Noticed by a request that fell due, not by one that was given up.
      expect(noticedMs).toBeLessThan(BY_ITS_ANSWER)
    }
  })
})

describe('A round', () => {
  it('with a killed writer finds every acknowledged write, and what direct clients saw', async () => {
    const round = await oneRound(driver())
    expect(round.invalid).toBeUndefined()
    expect(round.victim).not.toBe(round.promoted)
    expect(round.verdict).toMatchObject({ lost: 0, duplicates: 0, contradicted: 0 })
    expect(round.verdict.acknowledged).toBeGreaterThan(0)
    // Nobody stands between them and the node that died.
    const idle = round.clients.filter(({ kind }) => kind === 'idle')
    expect(idle.map(({ dropped }) => dropped)).toEqual([1, 1, 1])
    for (const writer of round.clients.filter(({ kind }) => kind === 'writer')) {
      expect(writer.afterPromotionMs).toBeGreaterThan(0)
      expect(writer.answered).toBeGreaterThan(0)
    }
    const { fault, promoted, 'first-reply': reply } = round.timeline
    expect(fault).toBeLessThan(promoted!)
    expect(promoted).toBeLessThan(reply!)
  })

  it('in which the instrument itself stood still after the promotion does not count, and says why', async () => {
    const real = driver()
    const nodes = await real.nodes()
    const standStill: FaultDriver = {
      ...real,
      promote: async (fault) => {
        const writer = await real.writer()
        const heirs = await Promise.all(
          nodes.filter(({ name }) => name !== writer).map((node) => connectNode(node, real.login)),
        )
        const promotion = real.promote(fault)
        // Nobody has connected again in the few milliseconds since.
        const writes = 'select where not pg_is_in_recovery()'
        const promoted = async (): Promise<boolean> => {
          const answers = await Promise.all(heirs.map((heir) => heir.query(writes)))
          return answers.some(({ rowCount }) => rowCount === 1)
        }
        await until(promoted, 60_000, { everyMs: 1, what: 'the promotion' })
        standFor(3_000)
        for (const heir of heirs) await heir.end()
        return promotion
      },
    }
    const round = await oneRound(standStill, 800)
    expect(round.invalid).toMatch(/the instrument itself stood still for \d{3,} ms/)
    expect(round.instrument.lateStallMs).toBeGreaterThan(2_990)
  })

  it('in which it stood still before the promotion says that reading gaps are blurred', async () => {
    const real = driver()
    const standStill: FaultDriver = {
      ...real,
      promote: async (fault) => {
        standFor(3_000)
        return real.promote(fault)
      },
    }
    const round = await oneRound(standStill, 800)
    expect(round.instrument.longestStallMs).toBeGreaterThan(2_990)
    expect(round.instrument.lateStallMs).toBeLessThan(round.instrument.longestStallMs)
    expect(round.instrument.readsBlurred).toBe(true)
  })

  it('that cannot be promoted says so and does not count', async () => {
    const real = driver()
    const refuse = () => Promise.reject(new Error('no node would take over'))
    const round = await oneRound({ ...real, promote: refuse })
    expect(round.invalid).toBe('no node would take over')
  })
})

describe('weir failover', () => {
  // It makes a lab of its own, on the ports of the other.
  beforeAll(async () => {
    await lab.end()
    ended = true
  })

  it('measures Weir, writes its result, and ends with 1 when an expectation is not met', async () => {
    const file = join(directory, 'result.json')
    const report = join(directory, 'report.html')
    // Three nodes, and from the tenth on the twelve of a subject.
    const port = String(await freePorts(22, [16_900, 16_999]))
    const size = ['--rounds', '1', '--clients', '12', '--idle', '6', '--port', port]
    // The machine that tests may be busy with other things; figures are not judged here.
    size.push('--max-stall', '60s')
    const expectations = ['--expect', 'lost=0', '--expect', 'gap_max<1ms']
    const outputs = ['--json', file, '--html', report]
    const child = weir('failover', ...size, ...expectations, ...outputs)
    expect(await child.ended, child.output()).toBe(1)
    expect(existsSync(file), child.output()).toBe(true)
    const result = JSON.parse(readFileSync(file, 'utf8')) as FailoverResult
    expect(result.rounds.map(({ invalid }) => invalid)).toEqual([undefined])
    expect(result.expectations.map(({ met }) => met)).toEqual([true, false])
    const [summary] = result.subjects
    expect(summary).toMatchObject({ subject: 'weir', fault: 'kill', rounds: 1, invalid: 0 })
    expect(summary?.droppedByKind.idle).toBe(0)
    expect(summary?.verdict).toMatchObject({ lost: 0, duplicates: 0, contradicted: 0 })
    expect(readFileSync(report, 'utf8')).toContain('</html>')
  })

  it('ends with 2 for flags that cannot be, before it starts anything', async () => {
    const child = weir('failover', '--compare', 'something')
    expect(await child.ended).toBe(2)
    expect(child.output()).toContain('--compare something is not understood')
    expect(child.output()).not.toContain('starting the lab')
  })
})

function driver(): FaultDriver {
  const clock = new WallClock()
  return labDriver(lab.house.cluster, () => clock.now(), 'the lab of the test')
}

/** One round; unless told otherwise it counts however long the machine stood still meanwhile. */
async function oneRound(by: FaultDriver, maxStallMs = 60_000): Promise<Round> {
  const { rounds } = await runAll({
    faults: ['kill'],
    subjects: [directSubject()],
    rounds: 1,
    plan: {
      ...DEFAULT_PLAN,
      clients: splitClients(10, 3),
      rate: 20,
      beforeMs: 300,
      afterMs: 300,
      giveUpMs: 60_000,
      maxStallMs,
    },
    driver: by,
    firstPort: 15_990,
    nodeConnections: 100,
    directory,
    progress: silentProgress,
    signal: new AbortController().signal,
  })
  return rounds[0]!
}
