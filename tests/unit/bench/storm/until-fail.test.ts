/** A storm that is raised until something breaks, against targets that break where they are told to. */
import { describe, expect, it } from 'vitest'
import { parseExpectations } from '../../../../src/bench/storm/expect.ts'
import { DEFAULT_STORM, type StormPlan } from '../../../../src/bench/storm/plan.ts'
import type { TargetResult } from '../../../../src/bench/storm/result.ts'
import { warningsOf } from '../../../../src/bench/storm/trust.ts'
import { raiseUntilFail } from '../../../../src/bench/storm/until-fail.ts'
import { madeUpTarget } from './fixture.ts'

const plan: StormPlan = { ...DEFAULT_STORM, clients: 100, rate: 50 }

function raise(storm: (plan: StormPlan) => TargetResult, most = 10_000) {
  const plans: StormPlan[] = []
  const said: string[] = []
  const raised = raiseUntilFail({
    target: 'weir',
    plan,
    expected: parseExpectations('errors=0 direct:errors=7'),
    most,
    storm: async (step) => {
      plans.push(step)
      return storm(step)
    },
    say: (sentence) => said.push(sentence),
  })
  return raised.then((all) => ({ ...all, plans, said }))
}

const breaksAt =
  (limit: number) =>
  ({ clients }: StormPlan): TargetResult =>
    madeUpTarget({ clients, errors: clients > limit ? { '53300': 4 } : {} })

describe('A storm raised until it fails', () => {
  it('closes in on the number at which it breaks, with a rate that grows along', async () => {
    const { limit, plans, said } = await raise(breaksAt(400))
    // 100, 150, 225, 338, 507 breaks; then between 338 and 507.
    expect(plans.map(({ clients }) => clients)).toEqual([100, 150, 225, 338, 507, 423, 381])
    for (const { clients, rate } of plans) expect(rate).toBeCloseTo(clients / 2)
    expect(limit).toMatchObject({ held: 381, broke: 423 })
    expect(limit.verdict).toContain('broke at 423 clients (errors=0 was 4), held with 381')
    expect(said).toHaveLength(7)
  })

  it('shows the result of the greatest that held', async () => {
    const { result } = await raise(breaksAt(400))
    expect(result.clients).toBe(381)
  })

  it('ends at what the machine can make', async () => {
    const { limit } = await raise(breaksAt(Number.POSITIVE_INFINITY), 200)
    expect(limit).toMatchObject({ held: 200, broke: undefined })
    expect(limit.verdict).toContain('as many as this machine can make; nothing broke')
  })

  it('is lowered when already the first breaks', async () => {
    const { limit, plans } = await raise(breaksAt(40))
    expect(plans.map(({ clients }) => clients)).toEqual([100, 50, 25, 38, 44])
    expect(limit).toMatchObject({ held: 38, broke: 44 })
  })

  it('says so when it never held', async () => {
    const { limit, plans } = await raise(breaksAt(0))
    expect(plans.map(({ clients }) => clients)).toEqual([100, 50, 25, 13, 7])
    expect(limit).toMatchObject({ held: undefined, broke: 7 })
    expect(limit.verdict).toContain('it never held')
  })

  it('doubts a limit at which the instrument itself was late', async () => {
    const instrument = madeUpTarget().instrument
    const warnings = warningsOf({
      ...instrument,
      late: { n: 9, p50: 1, p90: 40, p99: 90, max: 400 },
    })
    const { limit } = await raise((step) => ({
      ...breaksAt(200)(step),
      instrument: { ...instrument, warnings: step.clients > 200 ? warnings : [] },
    }))
    expect(limit.verdict).toContain('that may be the instrument’s limit'.replace('’', "'"))
    const sure = await raise(breaksAt(200))
    expect(sure.limit.verdict).not.toContain('instrument')
  })
})

describe('The instrument', () => {
  const good = {
    threads: 1,
    derivations: 1,
    cpuSeconds: 1,
    longestStallMs: 20,
    busiest: 0.7,
    machineBusiest: 0.8,
  }
  const late = { n: 9, p50: 1, p90: 2, p99: 10, max: 30 }

  it('has nothing to say against itself when it kept up', () => {
    expect(warningsOf({ ...good, late })).toEqual([])
  })

  it('says when it was late, stood still, was busy all the time, or shared a full machine', () => {
    const first = (changes: object): string | undefined =>
      warningsOf({ ...good, late, ...changes })[0]?.text
    expect(first({ late: { ...late, p99: 51 } })).toContain('the instrument was the bottleneck')
    expect(first({ longestStallMs: 251 })).toContain('stood still for 251 ms')
    expect(first({ busiest: 0.99 })).toContain('busy all the time')
    expect(first({ machineBusiest: 0.99 })).toContain('all cores were busy')
    expect(first({ machineBusiest: undefined })).toBeUndefined()
  })
})
