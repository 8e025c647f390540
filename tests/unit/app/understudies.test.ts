import { expect, it } from 'vitest'
import { Understudies } from '../../../src/app/understudies.ts'
import { silentLog } from '../../../src/core/log.ts'
import { PoolSet } from '../../../src/pool/pools.ts'
import { DEFAULT_POOL_SETTINGS, silentObserver } from '../../../src/pool/settings.ts'
import { topology } from '../endpoint/states.ts'
import { Borrower, FakeMember, House, settle } from '../pool/fake-pool.ts'

const writing = { node: 'node-1', database: 'app', user: 'weir' }

async function poolsWith(writers: number): Promise<PoolSet<FakeMember>> {
  const house = new House()
  const pools = new PoolSet<FakeMember>({
    open: async () => new FakeMember(),
    settings: () => ({ ...DEFAULT_POOL_SETTINGS, openingsAtOnce: 4 }),
    clock: house.clock,
    wheel: house.wheel,
    random: () => 0,
    observer: silentObserver,
    log: silentLog,
  })
  for (const node of ['node-1', 'node-2', 'node-3']) pools.budget(node).setLimit(20)
  for (let i = 0; i < writers; i++) {
    pools.get(writing).borrow(new Borrower(), 'unlimited')
    await settle()
  }
  return pools
}

const idle = (pools: PoolSet<FakeMember>, node: string) =>
  pools.find({ ...writing, node })?.stats().idle ?? 0

it('when the writer goes, each reader that is up gets connections for those who wrote', async () => {
  const pools = await poolsWith(2)
  new Understudies({ pools, most: 4 }).look(topology('W- R R-'), topology('W? R R-'))
  await settle()
  expect(idle(pools, 'node-2')).toBe(2)
  expect(idle(pools, 'node-3')).toBe(0)
})

it('there are never more of them than one burst of openings', async () => {
  const pools = await poolsWith(9)
  new Understudies({ pools, most: 3 }).look(topology('W- R R'), topology('W R R'))
  await settle()
  expect([idle(pools, 'node-2'), idle(pools, 'node-3')]).toEqual([3, 3])
})

it('those that a reader has already are enough', async () => {
  const pools = await poolsWith(3)
  for (let i = 0; i < 2; i++) {
    new Understudies({ pools, most: 3 }).look(topology('W- R'), topology('W R'))
    await settle()
  }
  expect(idle(pools, 'node-2')).toBe(3)
})

it.each([
  ['W?', 'the writer is only suspect', 'W? R'],
  ['R-', 'a reader went', 'W R R-'],
  ['U- W', 'another writer is there already', 'U- W'],
])('nothing is opened when it is %s: %s', async (_picture, _why, now) => {
  const pools = await poolsWith(3)
  new Understudies({ pools, most: 3 }).look(topology(now), topology('W R R'))
  await settle()
  expect([idle(pools, 'node-2'), idle(pools, 'node-3')]).toEqual([0, 0])
})

it('counts what the writer had when it became suspect, because its connections may be gone first', async () => {
  const pools = await poolsWith(3)
  const understudies = new Understudies({ pools, most: 4 })
  understudies.look(topology('W? R'), topology('W R'))
  pools.forceNode('node-1')
  pools.retireNode('node-1', 'all are lost')
  understudies.look(topology('W- R'), topology('W? R'))
  await settle()
  expect(idle(pools, 'node-2')).toBe(3)
})

it('forgets what a writer had that recovered', async () => {
  const pools = await poolsWith(3)
  const understudies = new Understudies({ pools, most: 4 })
  understudies.look(topology('W? R'), topology('W R'))
  pools.retireNode('node-1', 'it was closed meanwhile')
  understudies.look(topology('W? R'), topology('W R'))
  understudies.look(topology('W- R'), topology('W? R'))
  await settle()
  expect(idle(pools, 'node-2')).toBe(0)
})
