import { describe, expect, it } from 'vitest'
import { Turns } from '../../../src/endpoint/balance.ts'
import { type ChoiceView, choose } from '../../../src/endpoint/choose.ts'
import type { EndpointRule } from '../../../src/endpoint/endpoint.ts'
import { topology } from './states.ts'

const base: EndpointRule = {
  name: 'app',
  kind: 'reader',
  customType: 'ANY',
  staticMembers: undefined,
  excludedMembers: undefined,
  node: undefined,
  balance: 'leastLeases',
  maxLagMs: undefined,
  noReader: 'error',
  borrowTimeout: 1_000,
  pooling: 'transaction',
  pinning: 'follow',
  verify: false,
}

/** `2 balanced`, or `none behind wait news`. */
function chosen(
  rule: Partial<EndpointRule>,
  nodes: string,
  view: Partial<ChoiceView> = {},
): string {
  const full = { leases: () => 0, budget: () => 10, random: () => 0, turns: new Turns(), ...view }
  const choice = choose({ ...base, ...rule }, topology(nodes), full)
  if ('node' in choice) return `${choice.node.replace('node-', '')} ${choice.why}`
  return `none ${choice.none} ${choice.wait ? `wait ${choice.wakeOn}` : 'refuse'}`
}

type Case = [string, Partial<EndpointRule>, string, Partial<ChoiceView>, string]

function table(kind: EndpointRule['kind'], cases: Case[]): void {
  it.each(cases)('%s', (_name, rule, nodes, view, expected) => {
    expect(chosen({ kind, ...rule }, nodes, view)).toBe(expected)
  })
}

describe('a writer endpoint', () => {
  table('writer', [
    ['goes to the writer', {}, 'R W R', {}, '2 writer'],
    ['never to one that is fenced', {}, 'U! W R', {}, '2 writer'],
    ['not even when there is nobody else', {}, 'U! R- R', {}, 'none no-writer wait epoch'],
    ['still goes to a suspect writer', {}, 'R W? R', {}, '2 writer'],
    ['waits while the writer is down', {}, 'R W- R', {}, 'none writer-down wait epoch'],
    ['waits while there is none', {}, 'R U- R', {}, 'none no-writer wait epoch'],
    ['waits for the first probes', {}, 'R* U* U*', {}, 'none unknown wait epoch'],
    ['never waits for news, whatever its other rules', { maxLagMs: 1 }, 'W~900', {}, '1 writer'],
  ])
})

describe('a reader endpoint', () => {
  const writer = { noReader: 'writer' } as const
  const wait = { noReader: 'wait' } as const
  const limit = { maxLagMs: 1_000 }
  const on3 = { sticky: 'node-3' }
  table('reader', [
    ['goes to a reader', {}, 'W R', {}, '2 only-one'],
    ['balances over readers', {}, 'W R R', {}, '2 balanced'],
    ['asks for leases', {}, 'W R R', { leases: (n) => (n === 'node-2' ? 5 : 1) }, '3 balanced'],
    ['keeps its reader', {}, 'W R R', on3, '3 sticky'],
    ['keeps its reader while that is suspect', {}, 'W R R?', on3, '3 sticky'],
    ['leaves its reader when that is down', {}, 'W R R-', on3, '2 only-one'],
    ['leaves its reader when that becomes the writer', {}, 'U- R W', on3, '2 only-one'],
    ['leaves its reader when that lags', limit, 'W R R~2000', on3, '2 only-one'],
    ['keeps its lagging reader without a limit', {}, 'W R R~2000', on3, '3 sticky'],
    ['prefers readers that are up', {}, 'W R? R', {}, '3 only-one'],
    ['takes a suspect one when there is no other', {}, 'W R? R-', {}, '2 only-one'],
    ['skips laggards', limit, 'W R~1001 R~1000', {}, '3 only-one'],
    ['skips unknown lag when there is a limit', limit, 'W R~ R', {}, '3 only-one'],
    ['does not mind unknown lag without a limit', {}, 'W R~', {}, '2 only-one'],
    ['moves only to a reader not behind', {}, 'W R@90 R@110', { seenLsn: 100n }, '3 only-one'],
    [
      'keeps its own reader, which cannot be behind itself',
      {},
      'W R R@90',
      { ...on3, seenLsn: 100n },
      '3 sticky',
    ],
    [
      'waits for news when all are behind, even if told to refuse',
      {},
      'W R@90',
      { seenLsn: 100n },
      'none behind wait news',
    ],
    [
      'goes to the writer when all are behind and it may',
      writer,
      'W R@90',
      { seenLsn: 100n },
      '1 no-reader',
    ],
    ['refuses without a reader by policy error', {}, 'W R-', {}, 'none no-reader refuse'],
    ['waits without a reader by policy wait', wait, 'W R-', {}, 'none no-reader wait epoch'],
    ['goes to the writer by policy writer', writer, 'W R-', {}, '1 no-reader'],
    [
      'comes back from the writer when a reader is up',
      writer,
      'W R',
      { sticky: 'node-1' },
      '2 only-one',
    ],
    [
      'waits by policy writer when that is away too',
      writer,
      'W- R-',
      {},
      'none no-reader wait epoch',
    ],
    ['refuses when all lag by policy error', limit, 'W R~5000', {}, 'none lagging refuse'],
    [
      'waits for news when all lag by policy wait',
      { ...limit, ...wait },
      'W R~5000',
      {},
      'none lagging wait news',
    ],
    [
      'goes to the writer when all lag by policy writer',
      { ...limit, ...writer },
      'W R~5000',
      {},
      '1 no-reader',
    ],
    [
      'waits for the first probes even by policy error',
      {},
      'U* U* U*',
      {},
      'none unknown wait epoch',
    ],
    ['never gives a node of unknown role', {}, 'W U', {}, 'none no-reader refuse'],
  ])

  it('spreads consecutive new connections', () => {
    const turns = new Turns()
    const nodes = Array.from({ length: 4 }, () => chosen({}, 'W R R', { turns }).charAt(0))
    expect(nodes).toEqual(['2', '3', '2', '3'])
  })
})

describe('a custom endpoint', () => {
  const on = (...members: number[]) => ({ staticMembers: members.map((n) => `node-${n}`) })
  const but = (...members: number[]) => ({ excludedMembers: members.map((n) => `node-${n}`) })
  const reader = { customType: 'READER' } as const
  const writer = { customType: 'WRITER' } as const
  table('custom', [
    ['goes only to its members', on(3), 'W R R', {}, '3 only-one'],
    ['of any type never a fenced one', on(1, 3), 'U! W R', {}, '3 only-one'],
    ['of any type takes the writer too', on(1), 'W R R', {}, '1 only-one'],
    [
      'of readers drops a member that was promoted',
      { ...on(1, 2), ...reader },
      'W R R',
      {},
      '2 only-one',
    ],
    ['of writers takes only the writer', { ...on(1, 2), ...writer }, 'W R R', {}, '1 only-one'],
    ['by exclusion takes all others', but(1, 2), 'W R R', {}, '3 only-one'],
    ['by exclusion takes new nodes by itself', but(1, 2, 3), 'W R R R', {}, '4 only-one'],
    ['without any list takes every node', reader, 'W R', {}, '2 only-one'],
    ['keeps its node for the session', on(2, 3), 'W R R', { sticky: 'node-3' }, '3 sticky'],
    [
      'skips laggards but never the writer',
      { ...on(1, 2), maxLagMs: 5 },
      'W R~9',
      {},
      '1 only-one',
    ],
    ['refuses when its members are down', on(2), 'W R- R', {}, 'none members-down refuse'],
    [
      'waits instead when told so',
      { ...on(2), noReader: 'wait' },
      'W R- R',
      {},
      'none members-down wait epoch',
    ],
    [
      'never leaves its list',
      { ...on(2), noReader: 'writer' },
      'W R- R',
      {},
      'none members-down wait epoch',
    ],
    [
      'has no members when no role fits',
      { ...on(1), ...reader },
      'W R',
      {},
      'none no-members refuse',
    ],
  ])
})

describe('an instance endpoint', () => {
  const on2 = { node: 'node-2' }
  table('instance', [
    ['goes to its node', on2, 'W R R', {}, '2 instance'],
    ['whatever its role', on2, 'R W R', {}, '2 instance'],
    ['still while suspect', on2, 'W R? R', {}, '2 instance'],
    ['waits while it is down', on2, 'W R- R', {}, 'none node-down wait epoch'],
    ['refuses one that is fenced', on2, 'W U! R', {}, 'none fenced refuse'],
    ['even while another is not probed yet', on2, 'W U! U*', {}, 'none fenced refuse'],
    ['refuses a node that is not there', { node: 'node-9' }, 'W R', {}, 'none no-such-node refuse'],
    [
      'refuses it even before the first probes',
      { node: 'node-9' },
      'U*',
      {},
      'none no-such-node refuse',
    ],
    ['waits for the first probe of its node', on2, 'W U*', {}, 'none unknown wait epoch'],
  ])
})

describe('the sentence of a choice that found nobody', () => {
  it('names the endpoint and what is wrong', () => {
    const view = { leases: () => 0, budget: () => 1, random: () => 0, turns: new Turns() }
    expect(choose({ ...base, kind: 'writer' }, topology('R W-'), view)).toMatchObject({
      sentence: 'endpoint app: the writer is away (node-2 is in a test)',
    })
  })
})
