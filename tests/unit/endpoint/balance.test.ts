import { describe, expect, it } from 'vitest'
import { type Load, pick, Turns } from '../../../src/endpoint/balance.ts'
import type { Balance } from '../../../src/endpoint/endpoint.ts'
import type { NodeState } from '../../../src/topology/topology.ts'
import { node } from './states.ts'

const idle: Load = { leases: () => 0, budget: () => 10, random: () => 0 }

/** Names of `times` picks in a row, without `node-`: `1 2 3`. */
function picks(balance: Balance, nodes: NodeState[], times: number, load: Partial<Load> = {}) {
  const turns = new Turns()
  const full = { ...idle, ...load }
  return Array.from({ length: times }, () =>
    pick(balance, nodes, full, turns).spec.name.replace('node-', ''),
  ).join(' ')
}

const three = [node(1), node(2), node(3)]

describe('balance', () => {
  it.each(['leastLeases', 'roundRobin', 'fastestResponse'] as const)(
    '%s goes round when there is nothing to tell nodes apart',
    (balance) => expect(picks(balance, three, 6)).toBe('1 2 3 1 2 3'),
  )

  it('leastLeases takes the node with the smallest share of its budget in use', () => {
    const leases = { 'node-1': 3, 'node-2': 10, 'node-3': 4 }
    const budget = { 'node-1': 10, 'node-2': 100, 'node-3': 10 }
    const load = {
      leases: (n: string) => leases[n as keyof typeof leases],
      budget: (n: string) => budget[n as keyof typeof budget],
    }
    expect(picks('leastLeases', three, 2, load)).toBe('2 2')
  })

  it('leastLeases avoids a node with no budget, unless no node has any', () => {
    expect(picks('leastLeases', three, 3, { budget: (n) => (n === 'node-2' ? 0 : 5) })).toBe(
      '1 3 1',
    )
    expect(picks('leastLeases', three, 3, { budget: () => 0 })).toBe('1 2 3')
  })

  it('roundRobin follows weights smoothly', () => {
    const nodes = [node(1, { weight: 3 }), node(2, { weight: 1 })]
    expect(picks('roundRobin', nodes, 8)).toBe('1 1 2 1 1 1 2 1')
  })

  it('roundRobin gives weight 0 nothing beside others', () => {
    const nodes = [node(1, { weight: 0 }), node(2)]
    expect(picks('roundRobin', nodes, 3)).toBe('2 2 2')
  })

  it('roundRobin does not make a node that was away catch up', () => {
    const turns = new Turns()
    for (let i = 0; i < 100; i++) pick('roundRobin', [three[0]!, three[1]!], idle, turns)
    const after = Array.from({ length: 9 }, () => pick('roundRobin', three, idle, turns).spec.name)
    expect(after.filter((n) => n === 'node-3')).toHaveLength(3)
  })

  it.each([
    [0, '1'],
    [0.24, '1'],
    [0.26, '2'],
    [0.74, '2'],
    [0.76, '3'],
    [0.999999, '3'],
  ])('random lays the dice %d along the weights', (dice, expected) => {
    const nodes = [node(1), node(2, { weight: 2 }), node(3)]
    expect(picks('random', nodes, 1, { random: () => dice })).toBe(expected)
  })

  it('random treats nodes alike when no weight is left', () => {
    const nodes = [node(1, { weight: 0 }), node(2, { weight: 0 })]
    expect(picks('random', nodes, 1, { random: () => 0.6 })).toBe('2')
  })

  it('fastestResponse goes round among those about as fast', () => {
    const nodes = [
      node(1, {}, { responseMs: 1.1 }),
      node(2, {}, { responseMs: 5 }),
      node(3, {}, { responseMs: 1 }),
    ]
    expect(picks('fastestResponse', nodes, 4)).toBe('1 3 1 3')
  })

  it('over nobody is our mistake', () => {
    expect(() => pick('random', [], idle, new Turns())).toThrow(/^BUG/)
  })
})
