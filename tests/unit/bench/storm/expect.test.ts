/** What may be expected of a storm. */
import { describe, expect, it } from 'vitest'
import { FIGURES, figureOf, judge, parseExpectations } from '../../../../src/bench/storm/expect.ts'
import { DIRECT, madeUpTarget } from './fixture.ts'

const weir = madeUpTarget()
const met = (text: string, targets = [DIRECT, weir]): boolean[] =>
  judge(parseExpectations(text), targets).map((one) => one.met)

describe('Expectations', () => {
  it('stand several in one text, with their units', () => {
    const text = 'errors=0 first_reply_p99<2s server_connections<=20 pgbouncer:proxy_memory<1.5MiB'
    expect(parseExpectations(text)).toMatchObject([
      { figure: 'errors', comparison: '=', bound: 0, target: undefined },
      { figure: 'first_reply_p99', comparison: '<', bound: 2_000 },
      { figure: 'server_connections', comparison: '<=', bound: 20 },
      { figure: 'proxy_memory', target: 'pgbouncer', bound: 1_572_864 },
    ])
  })

  it('are of weir where no target is named, or of the first one when there is no weir', () => {
    expect(judge(parseExpectations('errors=0'), [DIRECT, weir])).toMatchObject([
      { target: 'weir', actual: 0, met: true },
    ])
    expect(judge(parseExpectations('errors=0'), [DIRECT])).toMatchObject([
      { target: 'direct', actual: 4_903, met: false },
    ])
  })

  it('are met or missed by what was measured', () => {
    expect(met('errors=0 direct:errors>0 server_connections<=20 answered=5000')).toEqual([
      ...[true, true, true, true],
    ])
    expect(met('server_connections<20 first_reply_p99<1ms weir:dropped>0')).toEqual([
      ...[false, false, false],
    ])
  })

  it('are missed when nothing was measured', () => {
    const nothing = madeUpTarget({ failure: 'it did not start' })
    expect(met('errors=0 proxy_memory<1GiB', [nothing])).toEqual([false, false])
    expect(met('nobody:errors=0')).toEqual([false])
    expect(met('direct:proxy_memory<1GiB')).toEqual([false])
  })

  it('know every figure they offer', () => {
    for (const figure of FIGURES) expect(figureOf(figure, weir), figure).toBeTypeOf('number')
  })

  it('that cannot be understood say what would be right', () => {
    for (const wrong of ['errors', 'errors=0 nonsense', 'errors==0', 'errors=0h']) {
      expect(() => parseExpectations(wrong), wrong).toThrow('is no expectation')
    }
    expect(() => parseExpectations('eror=0')).toThrow('there are connect_p50')
  })
})
