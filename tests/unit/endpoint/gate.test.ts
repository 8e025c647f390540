/** A closed gate holds everybody of its endpoint, in the order of arrival, and nobody else. */
import { beforeEach, expect, test } from 'vitest'
import { FakeClock } from '../../../src/core/clock.ts'
import { silentLog } from '../../../src/core/log.ts'
import { TimerWheel } from '../../../src/core/timer-wheel.ts'
import { type Endpoint, endpointOf, type Route, Router } from '../../../src/endpoint/router.ts'
import type { BorrowTimeout } from '../../../src/pool/member.ts'
import { PoolSet } from '../../../src/pool/pools.ts'
import { DEFAULT_POOL_SETTINGS, silentObserver } from '../../../src/pool/settings.ts'
import { emptyTopology } from '../../../src/topology/observed.ts'
import { TopologyStore } from '../../../src/topology/store.ts'
import { FakeMember, settle } from '../pool/fake-pool.ts'
import { topology } from './states.ts'

let clock: FakeClock
let wheel: TimerWheel
let store: TopologyStore
let pools: PoolSet<FakeMember>
let router: Router<FakeMember>
let said: string[]

beforeEach(() => {
  clock = new FakeClock()
  wheel = new TimerWheel(100, () => clock.monotonic())
  store = new TopologyStore(silentLog)
  put('W R', 1)
  pools = new PoolSet<FakeMember>({
    open: async () => new FakeMember(),
    settings: () => ({ ...DEFAULT_POOL_SETTINGS, maximum: 1 }),
    clock,
    wheel,
    random: () => 0,
    observer: silentObserver,
    log: silentLog,
  })
  router = new Router({ store, pools, clock, wheel, random: () => 0 })
  said = []
})

function put(shorthand: string, epoch: number): void {
  const nodes = topology(shorthand) as object as typeof emptyTopology
  store.put({ ...emptyTopology, ...nodes, epoch }, [])
}

function endpoint(name: string, borrowTimeout: BorrowTimeout = 'unlimited'): Endpoint {
  return endpointOf({
    name,
    kind: 'writer',
    customType: 'ANY',
    staticMembers: undefined,
    excludedMembers: undefined,
    node: undefined,
    balance: 'leastLeases',
    maxLagMs: undefined,
    noReader: 'wait',
    borrowTimeout,
    pooling: 'transaction',
    pinning: 'follow',
    verify: false,
  })
}

function route(to: Endpoint): Route<FakeMember> {
  const at = { database: 'app', user: 'weir', node: undefined, seenLsn: undefined }
  return { ...at, endpoint: to, prefer: () => true }
}

/** One that says its name when it is served, and gives back at once. */
function borrow(name: string, to: Endpoint, keeps?: (member: FakeMember) => void) {
  return router.borrow(route(to), {
    granted: (member, node) => {
      said.push(`${name} on ${node}`)
      if (keeps === undefined) pools.get({ node, database: 'app', user: 'weir' }).release(member)
      else keeps(member)
    },
    refused: (error) => said.push(`${name}: ${error.sqlstate} ${error.message}`),
  })
}

test('who stands in the line of a pool steps out when the gate closes and goes on in order', async () => {
  const held = endpoint('held')
  let lent: FakeMember | undefined
  borrow('holder', endpoint('other'), (member) => {
    lent = member
  })
  await settle()
  borrow('first', held)
  borrow('second', held)
  borrow('stranger', endpoint('other'))
  held.gate.close()
  borrow('third', held)
  expect(router.tryBorrow(route(held))).toBeUndefined()
  pools.get({ node: 'node-1', database: 'app', user: 'weir' }).release(lent!)
  await settle()
  expect(said).toEqual(['holder on node-1', 'stranger on node-1'])
  expect(held.gate.waiting).toBe(3)
  held.gate.open()
  await settle()
  expect(said.slice(2)).toEqual(['first on node-1', 'second on node-1', 'third on node-1'])
  expect(held.gate.waiting).toBe(0)
})

test('the writer may move behind a closed gate, and those who wait find the new one', async () => {
  const held = endpoint('held')
  held.gate.close()
  borrow('one', held)
  put('W- R', 2)
  borrow('two', held)
  put('R W', 3)
  await settle()
  expect(said).toEqual([])
  held.gate.open()
  await settle()
  expect(said).toEqual(['one on node-2', 'two on node-2'])
})

test('a pause counts against the borrow timeout, and the error says that it was one', async () => {
  const held = endpoint('held', 1_000)
  held.gate.close()
  borrow('patient', held)
  const impatient = endpoint('held', 'nowait')
  impatient.gate.close()
  borrow('impatient', impatient)
  await settle()
  clock.advance(1_100)
  wheel.turn()
  expect(said).toEqual([
    'impatient: 08001 endpoint held is paused',
    'patient: 08001 timed out after 1.1 s waiting for a node: endpoint held is paused',
  ])
  held.gate.open()
  await settle()
  expect(said).toHaveLength(2)
})

test('whoever leaves while the gate is closed is not served when it opens', async () => {
  const held = endpoint('held')
  held.gate.close()
  const wait = borrow('gone', held)
  wait.cancel()
  held.gate.open()
  await settle()
  expect(said).toEqual([])
  expect(held.gate.waiting).toBe(0)
})

test('who waits for a writer waits for the gate too when it closes meanwhile', async () => {
  put('W- R', 2)
  const held = endpoint('held')
  borrow('one', held)
  held.gate.close()
  put('R W', 3)
  await settle()
  expect(said).toEqual([])
  expect(store.waiting).toBe(0)
  held.gate.open()
  await settle()
  expect(said).toEqual(['one on node-2'])
})
