/** Where a reader session goes that has to leave its node, and what it must not wait for. */
import { expect, it } from 'vitest'
import { FakeClock } from '../../../src/core/clock.ts'
import { silentLog } from '../../../src/core/log.ts'
import { TimerWheel } from '../../../src/core/timer-wheel.ts'
import type { Choice } from '../../../src/endpoint/choose.ts'
import { endpointOf, type Route, Router } from '../../../src/endpoint/router.ts'
import { PoolSet } from '../../../src/pool/pools.ts'
import { DEFAULT_POOL_SETTINGS, silentObserver } from '../../../src/pool/settings.ts'
import { emptyTopology } from '../../../src/topology/observed.ts'
import { TopologyStore } from '../../../src/topology/store.ts'
import type { NodeState } from '../../../src/topology/topology.ts'
import { FakeMember } from '../pool/fake-pool.ts'
import { topology } from './states.ts'

function house() {
  const clock = new FakeClock()
  const wheel = new TimerWheel(100, () => clock.monotonic())
  const store = new TopologyStore(silentLog)
  const pools = new PoolSet<FakeMember>({
    open: async () => new FakeMember(),
    settings: () => DEFAULT_POOL_SETTINGS,
    clock,
    wheel,
    random: () => 0,
    observer: silentObserver,
    log: silentLog,
  })
  const route: Route<FakeMember> = {
    endpoint: endpointOf({
      name: 'reader',
      kind: 'reader',
      customType: 'ANY',
      staticMembers: undefined,
      excludedMembers: undefined,
      node: undefined,
      balance: 'roundRobin',
      maxLagMs: undefined,
      noReader: 'wait',
      borrowTimeout: 1_000,
      pooling: 'transaction',
      pinning: 'follow',
      verify: false,
    }),
    database: 'app',
    user: 'weir',
    node: 'node-2',
    seenLsn: undefined,
    prefer: () => true,
  }
  const router = new Router({ store, pools, clock, wheel, random: () => 0 })
  const look = (nodes: string) => {
    store.put({ ...emptyTopology, ...(topology(nodes) as object) } as typeof emptyTopology, [])
    return router.choose(route)
  }
  /** The same, each node with what is said of it. */
  const lookAt = (nodes: string, ...more: Partial<NodeState>[]) => {
    const { epoch, nodes: plain } = topology(nodes)
    const now = { epoch, nodes: plain.map((node, i) => ({ ...node, ...more[i] })) }
    store.put({ ...emptyTopology, ...(now as object) } as typeof emptyTopology, [])
    return router.choose(route)
  }
  /** As a borrow does it: the session moves to where it was sent. */
  const move = (choice: Choice) => {
    if ('node' in choice && choice.node !== route.node) {
      Object.assign(route, { node: choice.node, seenLsn: undefined })
    }
    return choice
  }
  return { clock, route, look, lookAt, move }
}

it('it does not wait for what only a node that is away had', () => {
  const { look } = house()
  expect(look('U-@500 R-@100 R@100 W@100')).toMatchObject({ node: 'node-3' })
})

it('it waits for what the writer that serves has', () => {
  const { look } = house()
  expect(look('W@200 R-@150 R@100')).toMatchObject({ none: 'behind' })
  expect(look('W@300 R-@150 R@200')).toMatchObject({ node: 'node-3' })
})

it('a mark of where it might have been is dropped when it stays after all', () => {
  const { look } = house()
  expect(look('W@200 R-@150 R@100')).toMatchObject({ none: 'behind' })
  expect(look('W@300 R@300 R@200')).toMatchObject({ node: 'node-2' })
  expect(look('W@400 R-@390 R@250')).toMatchObject({ none: 'behind' })
})

it('it waits until the writer has answered after the node it was on went down', () => {
  const { lookAt, route, clock } = house()
  const since = clock.wall()
  const before = lookAt('W@100 R- R@100', { positionAt: since - 1 }, { since })
  expect(before).toMatchObject({ none: 'behind', wait: true, wakeOn: 'news' })
  expect(lookAt('W@100 R- R@100', { positionAt: since }, { since })).toEqual(before)
  expect(route.seenLsn).toBeUndefined()
  const after = { positionAt: since + 1 }
  expect(lookAt('W@200 R- R@100', after, { since })).toMatchObject({ none: 'behind' })
  expect(route.seenLsn).toBe(200n)
  expect(lookAt('W@300 R- R@200', after, { since })).toMatchObject({ node: 'node-3' })
})

it('it goes to the writer at once where the endpoint says so, and comes back no earlier than that', () => {
  const { lookAt, route, clock, move } = house()
  const since = clock.wall()
  route.endpoint.rule = { ...route.endpoint.rule, noReader: 'writer' }
  const stands = { node: 'node-1', why: 'no-reader' }
  const [early, late] = [{ positionAt: since }, { positionAt: since + 1 }]
  expect(move(lookAt('W@100 R- R@100', early, { since }))).toMatchObject(stands)
  expect(move(lookAt('W@100 R- R@100', early, { since }))).toMatchObject(stands)
  expect(move(lookAt('W@200 R- R@100', late, { since }))).toMatchObject(stands)
  expect(move(lookAt('W@200 R- R@200', late, { since }))).toMatchObject({ node: 'node-3' })
})

it('it takes up one turn when it leaves, so the sessions of a dead node are spread', () => {
  const { lookAt, route, clock } = house()
  const since = clock.wall()
  const nodes = ['W@100 R- R@100 R@100', { positionAt: since + 1 }, { since }] as const
  const went = [1, 2, 3, 4].map(() => {
    Object.assign(route, { node: 'node-2', seenLsn: undefined })
    return lookAt(...nodes)
  })
  expect(went.map((choice) => ('node' in choice ? choice.node : choice.none))).toEqual([
    'node-3',
    'node-4',
    'node-3',
    'node-4',
  ])
})

it('it asks nobody anew where its node only fell behind, or where nobody tells positions', () => {
  const { lookAt, route, clock } = house()
  const since = clock.wall()
  route.endpoint.rule = { ...route.endpoint.rule, maxLagMs: 100 }
  expect(lookAt('W@100 R~500@90 R@100')).toMatchObject({ node: 'node-3' })
  route.seenLsn = undefined
  const mute = { lsn: undefined, positionAt: undefined }
  expect(lookAt('W R- R', mute, { since }, mute)).toMatchObject({ node: 'node-3' })
})
