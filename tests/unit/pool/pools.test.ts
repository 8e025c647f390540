import { expect, test } from 'vitest'
import { silentLog } from '../../../src/core/log.ts'
import { PoolSet } from '../../../src/pool/pools.ts'
import { DEFAULT_POOL_SETTINGS, silentObserver } from '../../../src/pool/settings.ts'
import { Borrower, FakeMember, House, settle } from './fake-pool.ts'

const key = { node: 'node-1', database: 'app', user: 'weir' }

function make(): { house: House; set: PoolSet<FakeMember>; opened: string[] } {
  const house = new House()
  const opened: string[] = []
  const set = new PoolSet<FakeMember>({
    open: async (k) => {
      opened.push(`${k.node}/${k.database}/${k.user}`)
      return new FakeMember()
    },
    settings: () => ({ ...DEFAULT_POOL_SETTINGS, maxIdlePercent: 0 }),
    clock: house.clock,
    wheel: house.wheel,
    random: () => 0,
    observer: silentObserver,
    log: silentLog,
    emptyAfterMs: 60_000,
  })
  return { house, set, opened }
}

async function lend(set: PoolSet<FakeMember>, k = key): Promise<FakeMember> {
  const borrower = new Borrower()
  set.get(k).borrow(borrower, 'unlimited')
  await settle()
  return borrower.member!
}

test('one pool for each node, database and user, and one budget for each node', async () => {
  const { set, opened } = make()
  expect(set.get({ ...key })).toBe(set.get(key))
  for (const other of [{ user: 'x' }, { database: 'x' }, { node: 'node-2' }]) {
    expect(set.get({ ...key, ...other })).not.toBe(set.get(key))
    await lend(set, { ...key, ...other })
  }
  expect(opened).toEqual(['node-1/app/x', 'node-1/x/weir', 'node-2/app/weir'])
  expect(
    set
      .ofNode('node-1')
      .map((p) => p.name)
      .sort(),
  ).toEqual(['node-1/app/weir', 'node-1/app/x', 'node-1/x/weir'])
  expect(set.budget('node-1').taken).toBe(2)
  expect(set.budget('node-2').taken).toBe(1)
  expect(set.find({ ...key, node: 'node-3' })).toBeUndefined()
})

test('retiring a node makes way for fresh pools, while leased members still count', async () => {
  const { set, house } = make()
  const member = await lend(set)
  const old = set.get(key)
  set.retireNode('node-1', 'writer moved')
  expect(old.state).toBe('retired')
  expect(set.get(key)).not.toBe(old)
  expect(set.budget('node-1').taken).toBe(1)
  const seen: string[] = []
  set.forEach((pool) => {
    seen.push(pool.state)
  })
  expect(seen).toEqual(['serving', 'retired'])
  old.release(member)
  expect(set.budget('node-1').taken).toBe(0)
  set.janitor(house.clock.monotonic())
  expect(set.ofNode('node-1')).toEqual([set.get(key)])
})

test('forcing a node cuts what is lent of its retired pools too, and leaves other nodes alone', async () => {
  const { set } = make()
  const retired = await lend(set)
  set.retireNode('node-1', 'it is silent')
  const lent = await lend(set)
  const other = await lend(set, { ...key, node: 'node-10' })
  set.forceNode('node-1')
  expect([retired.ended, lent.ended, other.ended]).toEqual(['forced', 'forced', undefined])
})

test('a pool with nothing in it is forgotten after a while', async () => {
  const { set, house } = make()
  const pool = set.get(key)
  pool.release(await lend(set))
  house.clock.advance(5 * 60_000)
  set.janitor(house.clock.monotonic())
  expect(pool.empty).toBe(true)
  house.clock.advance(59_000)
  set.janitor(house.clock.monotonic())
  expect(set.find(key)).toBe(pool)
  house.clock.advance(1_000)
  set.janitor(house.clock.monotonic())
  expect(set.find(key)).toBeUndefined()
  expect(pool.state).toBe('closed')
})

test('while the set drains nobody gets a pool that lends', async () => {
  const { set } = make()
  const member = await lend(set)
  let done = false
  const draining = set.drain().then(() => {
    done = true
  })
  expect(set.get(key).lends).toBe(false)
  expect(set.get({ ...key, user: 'late' }).lends).toBe(false)
  await settle()
  expect(done).toBe(false)
  set.get(key).release(member)
  await draining
  expect(done).toBe(true)
})

test('a node paused for clients alone still lends to whoever listens for many', async () => {
  const { set } = make()
  const listens = { ...key, purpose: 'listen' as const }
  set.get(key)
  set.pauseNode('node-1', 'clients')
  expect([set.get(key).state, set.get(listens).state]).toEqual(['paused', 'serving'])
  expect(set.get({ ...key, user: 'new' }).state).toBe('paused')
  set.resumeNode('node-1')
  expect(set.get(key).state).toBe('serving')
})

test('a paused node lends nothing, not even in pools made meanwhile, and goes on in order', async () => {
  const { set, opened } = make()
  const member = await lend(set)
  set.pauseNode('node-1')
  set.get(key).release(member)
  expect(set.get(key).tryBorrow()).toBeUndefined()
  // A failover in the middle of a pause.
  set.retireNode('node-1', 'node-1 is down')
  const before = opened.length
  const served: string[] = []
  for (const name of ['first', 'second', 'third']) {
    const borrower = new Borrower()
    borrower.onGranted = (m) => {
      served.push(name)
      set.get(key).release(m)
    }
    set.get(key).borrow(borrower, 'unlimited')
  }
  set.get({ ...key, node: 'node-2' }).borrow(new Borrower(), 'unlimited')
  await settle()
  expect(opened.slice(before)).toEqual(['node-2/app/weir'])
  expect(set.get(key)).toMatchObject({ state: 'paused' })
  set.resumeNode('node-1')
  await settle()
  expect(served).toEqual(['first', 'second', 'third'])
  expect(set.get(key).state).toBe('serving')
})
