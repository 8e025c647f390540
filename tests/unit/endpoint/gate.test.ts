/** Waiting at the router: behind a closed gate, in how great a number, and being told why. */
import { beforeEach, expect, test } from 'vitest'
import { FakeClock } from '../../../src/core/clock.ts'
import { silentLog } from '../../../src/core/log.ts'
import { TimerWheel } from '../../../src/core/timer-wheel.ts'
import { type Endpoint, endpointOf, type Route, Router } from '../../../src/endpoint/router.ts'
import { Waits } from '../../../src/endpoint/waits.ts'
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
let waits: Waits

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
  waits = new Waits()
  router = new Router({ store, pools, clock, wheel, random: () => 0, waits })
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
    stillWaits: ({ sqlstate, message }) => said.push(`${name}: ${sqlstate} ${message}`),
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
  pools.get({ node: 'node-1', database: 'app', user: 'weir' }).release(lent!)
  await settle()
  expect(said).toEqual(['holder on node-1', 'stranger on node-1'])
  expect(held.gate.waiting).toBe(3)
  // It lies idle now, and still is not for them.
  expect(router.tryBorrow(route(held))).toBeUndefined()
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

test('beyond so many that wait the next one is refused at once, and those before wait on', async () => {
  put('W- R', 2)
  waits = new Waits({ most: 2 })
  router = new Router({ store, pools, clock, wheel, random: () => 0, waits })
  const first = borrow('first', endpoint('a'))
  borrow('second', endpoint('b'))
  borrow('third', endpoint('a'))
  expect(said).toHaveLength(1)
  expect(said[0]).toMatch(
    /^third: 53300 2 clients wait for a server connection already \(limits.maxWaitingClients\): endpoint a: /,
  )
  // One leaves, one may come.
  first.cancel()
  first.cancel()
  borrow('fourth', endpoint('a'))
  put('R W', 3)
  await settle()
  expect(said.slice(1)).toEqual(['second on node-2', 'fourth on node-2'])
  expect(waits.now).toBe(0)
  // Who does not have to wait is never too many.
  waits = new Waits({ most: 1 })
  borrow('fifth', endpoint('a'))
  expect(said.at(-1)).toBe('fifth on node-2')
})

test('one that waits long is told why, again and again, and no more once it is served', async () => {
  waits = new Waits({ noticeEveryMs: 5_000 })
  router = new Router({ store, pools, clock, wheel, random: () => 0, waits })
  let lent: FakeMember | undefined
  borrow('holder', endpoint('a'), (member) => {
    lent = member
  })
  await settle()
  const to = endpoint('a')
  borrow('one', to)
  const pass = (ms: number): void => {
    for (let left = ms; left > 0; left -= 100) {
      clock.advance(100)
      wheel.turn()
    }
  }
  pass(4_900)
  expect(said).toEqual(['holder on node-1'])
  pass(200)
  to.gate.close()
  pass(5_000)
  to.gate.open()
  pass(4_800)
  pools.get({ node: 'node-1', database: 'app', user: 'weir' }).release(lent!)
  pass(10_000)
  const lentOut =
    'pool node-1/app/weir has 1 server connections lent, 0 being opened, and 1 waiting'
  expect(said.slice(1)).toEqual([
    `one: 01000 waiting for a server connection since 5.0 s: ${lentOut}`,
    'one: 01000 waiting for a server connection since 10.0 s: endpoint a is paused',
    'one on node-1',
  ])
  expect(wheel.armed).toBe(0)
})

test('those who lost their writer are served by the next in the order in which they came', async () => {
  const logins: { node: string; done: (member: FakeMember) => void }[] = []
  pools = new PoolSet<FakeMember>({
    open: ({ node }) => new Promise((done) => logins.push({ node, done })),
    settings: () => DEFAULT_POOL_SETTINGS,
    clock,
    wheel,
    random: () => 0,
    observer: silentObserver,
    log: silentLog,
  })
  router = new Router({ store, pools, clock, wheel, random: () => 0 })
  const to = endpoint('writer')
  // Half of them stand in the line of the old pool, half come when it is gone.
  for (let i = 0; i < 100; i++) borrow(`${i}`, to)
  put('W- R', 2)
  pools.retireNode('node-1', 'it went')
  for (let i = 100; i < 200; i++) borrow(`${i}`, to)
  put('R W', 3)
  await settle()
  expect(said).toEqual([])
  const fresh = logins.filter(({ node }) => node === 'node-2')
  expect(fresh).toHaveLength(DEFAULT_POOL_SETTINGS.openingsAtOnce)
  fresh[0]!.done(new FakeMember())
  await settle()
  expect(said).toEqual(Array.from({ length: 200 }, (_, i) => `${i} on node-2`))
})
