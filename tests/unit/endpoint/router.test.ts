/** The router's picks as sessions see them: one borrow is one pick, idle connection at hand or not. */
import { expect, test } from 'vitest'
import { FakeClock } from '../../../src/core/clock.ts'
import { silentLog } from '../../../src/core/log.ts'
import { TimerWheel } from '../../../src/core/timer-wheel.ts'
import type { Balance, EndpointRule } from '../../../src/endpoint/endpoint.ts'
import { type Endpoint, endpointOf, type Route, Router } from '../../../src/endpoint/router.ts'
import { PoolSet } from '../../../src/pool/pools.ts'
import { DEFAULT_POOL_SETTINGS, silentObserver } from '../../../src/pool/settings.ts'
import { emptyTopology } from '../../../src/topology/observed.ts'
import { TopologyStore } from '../../../src/topology/store.ts'
import { FakeMember, settle } from '../pool/fake-pool.ts'
import { topology } from './states.ts'

function rule(balance: Balance): EndpointRule {
  return {
    name: 'reader',
    kind: 'reader',
    customType: 'ANY',
    staticMembers: undefined,
    excludedMembers: undefined,
    node: undefined,
    balance,
    maxLagMs: undefined,
    noReader: 'writer',
    borrowTimeout: 1_000,
    pooling: 'transaction',
    pinning: 'follow',
    verify: false,
  }
}

function house() {
  const clock = new FakeClock()
  const wheel = new TimerWheel(100, () => clock.monotonic())
  const store = new TopologyStore(silentLog)
  store.put({ ...emptyTopology, ...(topology('W R R') as object) } as typeof emptyTopology, [])
  const pools = new PoolSet<FakeMember>({
    open: async () => new FakeMember(),
    settings: () => DEFAULT_POOL_SETTINGS,
    clock,
    wheel,
    random: () => 0,
    observer: silentObserver,
    log: silentLog,
  })
  return { pools, router: new Router({ store, pools, clock, wheel, random: () => 0 }) }
}

function routeTo(endpoint: Endpoint): Route<FakeMember> {
  return {
    endpoint,
    database: 'app',
    user: 'weir',
    node: undefined,
    seenLsn: undefined,
    prefer: () => true,
  }
}

/** One new session as a client session borrows: an idle connection first, else it waits. */
async function newSession({ router, pools }: ReturnType<typeof house>, endpoint: Endpoint) {
  const route = routeTo(endpoint)
  let member = router.tryBorrow(route)
  if (member === undefined) {
    router.borrow(route, {
      granted: (m) => {
        member = m
      },
      refused: (error) => {
        throw error
      },
    })
    await settle()
  }
  const node = route.node!
  pools.get({ node, database: 'app', user: 'weir' }).release(member!)
  return node
}

test.each(['leastLeases', 'roundRobin', 'fastestResponse'] as const)(
  'under %s new sessions take turns at the readers, though no connection was open at first',
  async (balance) => {
    const rooms = house()
    const endpoint = endpointOf(rule(balance))
    const nodes: string[] = []
    for (let i = 0; i < 4; i++) nodes.push(await newSession(rooms, endpoint))
    expect(nodes.slice(0, 2).sort()).toEqual(['node-2', 'node-3'])
    expect(nodes.slice(2)).toEqual(nodes.slice(0, 2))
  },
)

test('under leastLeases sessions that wait count as load, so a burst is spread evenly', async () => {
  const rooms = house()
  const endpoint = endpointOf(rule('leastLeases'))
  // One reader has a connection open already and lends it at once, the other has to open its first.
  await newSession(rooms, endpoint)
  const routes = Array.from({ length: 16 }, () => routeTo(endpoint))
  for (const route of routes) {
    if (rooms.router.tryBorrow(route) === undefined) {
      rooms.router.borrow(route, { granted: () => {}, refused: () => {} })
    }
  }
  const nodes = routes.map((route) => route.node)
  expect(nodes.filter((node) => node === 'node-2')).toHaveLength(8)
  expect(nodes.filter((node) => node === 'node-3')).toHaveLength(8)
})
