/** Where a reader session goes that has to leave its node, and what it must not wait for. */
import { expect, it } from 'vitest'
import { FakeClock } from '../../../src/core/clock.ts'
import { silentLog } from '../../../src/core/log.ts'
import { TimerWheel } from '../../../src/core/timer-wheel.ts'
import { endpointOf, type Route, Router } from '../../../src/endpoint/router.ts'
import { PoolSet } from '../../../src/pool/pools.ts'
import { DEFAULT_POOL_SETTINGS, silentObserver } from '../../../src/pool/settings.ts'
import { emptyTopology } from '../../../src/topology/observed.ts'
import { TopologyStore } from '../../../src/topology/store.ts'
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
  return { route, look }
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
