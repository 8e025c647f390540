/** Server connections for one client each: where they are opened, and what becomes of their places. */
import { beforeEach, expect, test } from 'vitest'
import { DedicatedServers } from '../../../src/app/dedicated.ts'
import type { OwnOpening } from '../../../src/app/servers.ts'
import { FakeClock } from '../../../src/core/clock.ts'
import { WeirError } from '../../../src/core/errors.ts'
import { silentLog } from '../../../src/core/log.ts'
import { TimerWheel } from '../../../src/core/timer-wheel.ts'
import { endpointOf, type Route, Router } from '../../../src/endpoint/router.ts'
import type { BorrowTimeout } from '../../../src/pool/member.ts'
import { PoolSet } from '../../../src/pool/pools.ts'
import { DEFAULT_POOL_SETTINGS, silentObserver } from '../../../src/pool/settings.ts'
import type { Introduction } from '../../../src/protocol/contract.ts'
import type { ServerConnection } from '../../../src/server/server-connection.ts'
import { emptyTopology } from '../../../src/topology/observed.ts'
import { TopologyStore } from '../../../src/topology/store.ts'
import { topology } from '../endpoint/states.ts'
import { FakeMember, settle } from '../pool/fake-pool.ts'

const WHO = { user: 'weir', database: 'app', replication: 'true' } as unknown as Introduction

interface Opening {
  readonly node: string
  readonly own: OwnOpening
  succeed(member: FakeMember): void
  fail(error: Error): void
}

let openings: Opening[]
let store: TopologyStore
let pools: PoolSet<ServerConnection>
let dedicated: DedicatedServers
let outcomes: unknown[]

function put(shorthand: string): void {
  const { epoch } = store.current
  const nodes = topology(shorthand) as object as typeof emptyTopology
  store.put({ ...emptyTopology, ...nodes, epoch: epoch + 1 }, [])
}

beforeEach(() => {
  const clock = new FakeClock()
  const common = {
    clock,
    wheel: new TimerWheel(100, () => clock.monotonic()),
    random: () => 0,
    observer: silentObserver,
    log: silentLog,
    settings: () => DEFAULT_POOL_SETTINGS,
  }
  openings = []
  outcomes = []
  store = new TopologyStore(silentLog)
  pools = new PoolSet<ServerConnection>({
    ...common,
    open: () => Promise.reject(new Error('nobody borrows here')),
  })
  dedicated = new DedicatedServers({
    ...common,
    store,
    pools,
    router: new Router({ ...common, store, pools }),
    open: ({ node }, _signal, own) =>
      new Promise((resolve, reject) => {
        const succeed = (member: FakeMember): void => resolve(member as unknown as ServerConnection)
        openings.push({ node, own, succeed, fail: reject })
      }),
  })
  put('W R')
})

function open(borrowTimeout: BorrowTimeout = 1_000) {
  const route: Route<ServerConnection> = {
    endpoint: endpointOf({
      name: 'writer',
      kind: 'writer',
      customType: 'ANY',
      staticMembers: undefined,
      excludedMembers: undefined,
      node: undefined,
      balance: 'random',
      maxLagMs: undefined,
      noReader: 'wait',
      borrowTimeout,
      pooling: 'transaction',
      pinning: 'follow',
      verify: false,
    }),
    database: 'app',
    user: 'weir',
    node: undefined,
    seenLsn: undefined,
    prefer: () => true,
  }
  const wait = dedicated.open(WHO, route, {
    granted: (server) => outcomes.push(server),
    refused: (error) => outcomes.push(error),
  })
  return { wait, route }
}

const taken = (node: string): number => pools.budget(node).taken

test('one that is opened takes a place of its node until its home has it back', async () => {
  open()
  expect(openings.map(({ node, own }) => [node, own.who])).toEqual([['node-1', WHO]])
  expect([dedicated.places('node-1'), taken('node-1')]).toEqual([1, 1])
  const member = new FakeMember()
  openings[0]!.succeed(member)
  await settle()
  expect(outcomes).toEqual([member])
  expect([dedicated.places('node-1'), taken('node-1')]).toEqual([1, 1])
  openings[0]!.own.home.discard(member as unknown as ServerConnection, 'broken')
  expect(member.destroyed).toBe(true)
  expect([dedicated.places('node-1'), taken('node-1')]).toEqual([0, 0])
})

test('one that waits for a node that goes is opened at the next', async () => {
  const { route } = open()
  put('R- W')
  dedicated.retireNode('node-1', 'it went')
  openings[0]!.fail(new WeirError('WEIR_OPEN_FAILED', 'given up'))
  await settle()
  expect(openings.map(({ node }) => node)).toEqual(['node-1', 'node-2'])
  openings[1]!.succeed(new FakeMember())
  await settle()
  expect(outcomes).toHaveLength(1)
  expect(route.node).toBe('node-2')
  expect([taken('node-1'), taken('node-2')]).toEqual([0, 1])
})

test('one whose client left while it was opened is closed unseen', async () => {
  const { wait } = open()
  wait.cancel()
  const member = new FakeMember()
  openings[0]!.succeed(member)
  await settle()
  expect(outcomes).toEqual([])
  expect(member.ended).toBeDefined()
  expect(taken('node-1')).toBe(0)
})

test('a cancel that comes after it was granted changes nothing', async () => {
  const { wait } = open()
  const member = new FakeMember()
  openings[0]!.succeed(member)
  await settle()
  wait.cancel()
  expect(member.ended).toBeUndefined()
  expect(dedicated.places('node-1')).toBe(1)
})

test('a node with too many walsenders is not asked again', async () => {
  open('unlimited')
  const said = { sqlstate: '53300', retryable: true }
  openings[0]!.fail(new WeirError('WEIR_OPEN_FAILED', 'too many of them', said))
  await settle()
  expect(openings).toHaveLength(1)
  expect(outcomes[0]).toMatchObject({ code: 'WEIR_OPEN_REFUSED', sqlstate: '53300' })
  expect([dedicated.places('node-1'), taken('node-1')]).toEqual([0, 0])
})

test('the last place of a node is never taken', async () => {
  pools.budget('node-1').setLimit(2)
  open()
  openings[0]!.succeed(new FakeMember())
  await settle()
  open()
  await settle()
  expect(openings).toHaveLength(1)
  expect(outcomes[1]).toMatchObject({
    sqlstate: '53300',
    message: expect.stringContaining('all but one'),
  })
  expect(taken('node-1')).toBe(1)
})

test('on a paused node none is opened until it goes on', async () => {
  pools.pauseNode('node-1')
  open()
  await settle()
  expect(openings).toEqual([])
  pools.resumeNode('node-1')
  dedicated.resumeNode('node-1')
  expect(openings.map(({ node }) => node)).toEqual(['node-1'])
})
