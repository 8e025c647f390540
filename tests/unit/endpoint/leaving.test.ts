/** How far is far enough for a session that leaves its node: whose answers it takes, and whose not. */
import { expect, it } from 'vitest'
import { markOf, NOT_YET } from '../../../src/endpoint/leaving.ts'
import type { NodeState } from '../../../src/topology/topology.ts'
import { topology } from './states.ts'

const LEFT = 10_000
const NOW = 10_400
const OLD = { positionAt: LEFT }
const NEW = { positionAt: LEFT + 1 }

function mark(nodes: string, ...more: Partial<NodeState>[]) {
  const states = topology(nodes).nodes.map((node, i) => ({ ...node, ...more[i] }))
  return markOf(states, LEFT, NOW)
}

const suspect = (ms: number) => ({ ...OLD, since: NOW - ms })

const cases: [string, bigint | undefined, ReturnType<typeof mark>][] = [
  ['an answer of the same millisecond is none', NOT_YET, mark('W@200 R@100', OLD, NEW)],
  ['a writer that answered is ahead of all', 200n, mark('W@200 R@100', NEW, OLD)],
  ['the furthest of all that serve counts', 300n, mark('W@200 R@300', NEW, OLD)],
  ['with the writer away all readers must', NOT_YET, mark('W-@500 R@100 R@200', OLD, NEW, OLD)],
  ['and what it had is lost', 200n, mark('W-@500 R@100 R@200', OLD, NEW, NEW)],
  ['a suspect writer is waited for', NOT_YET, mark('W?@200 R@100', suspect(400), NEW)],
  ['but not for long', 200n, mark('W?@200 R@100', suspect(5_000), NEW)],
  ['and then its readers are', NOT_YET, mark('W?@200 R@100', suspect(5_000), OLD)],
  ['nobody waits for a node that is down', 200n, mark('W@200 R-@100', NEW, OLD)],
  [
    'nor for one that tells no position',
    undefined,
    mark('W R', { lsn: undefined }, { lsn: undefined }),
  ],
]
it.each(cases)('%s', (_name, wanted, is) => {
  expect(is).toBe(wanted)
})

it('nobody waits out the hour by which a wall clock was set back', () => {
  const states = topology('W@200 R@100').nodes
  expect(markOf(states, NOW + 3_600_000, NOW)).toBe(200n)
})
