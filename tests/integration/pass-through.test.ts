/**
 * Logins whose password Weir never sees: the node's own verifier checks the client, and what the client
 * proves itself with opens the server connection.
 */
import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { connect, endClients, failure, one } from '../support/clients.ts'
import { FRONT_PORTS, type Front, startFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'

let house: House
let front: Front

beforeAll(async () => {
  house = await startHouse({ ports: FRONT_PORTS })
  await house.ask(`create role thru login password 'first'`)
  await house.ask(`create role unproved login password 'first'`)
  await house.ask(
    `set scram_iterations = 12345; create role slow login password 'first'; reset scram_iterations`,
  )
  const { user, password, database } = house.cluster.login
  const users = ['thru', 'slow'].map((name) => ({ name, methods: ['scram-sha-256'] }))
  front = await startFront(house, {
    config: {
      auth: {
        secrets: [{ username: user, password }],
        query: { user, database },
        trust: true,
        users: [{ name: user, methods: ['scram-sha-256'] }, ...users],
      },
    },
  })
})

afterEach(() => endClients())

afterAll(async () => {
  endClients()
  await front?.end()
  await house?.end()
})

const url = (user: string, password: string): string =>
  `postgres://${user}:${password}@127.0.0.1:${front.port('writer')}/app`

/** All server connections of a user end, as at a failover. */
async function cut(user: string): Promise<void> {
  await house.ask(
    'select pg_terminate_backend(pid, 10000) from pg_stat_activity where usename = $1',
    [user],
  )
}

it.each(['thru', 'slow'])(
  'many clients at once get in as %s, whatever its iteration count',
  async (user) => {
    const clients = await Promise.all(Array.from({ length: 12 }, () => connect(url(user, 'first'))))
    // More at once than one server connection can do.
    const answers = await Promise.all(
      clients.map((client) => one(client, 'select current_user from pg_sleep(0.02)')),
    )
    expect(answers).toEqual(clients.map(() => user))
  },
)

it('a wrong password opens nothing, also where the right one was proved before', async () => {
  await connect(url('thru', 'first'))
  const error = await failure(connect(url('thru', 'wrong')))
  expect(error).toMatchObject({
    code: '28P01',
    message: 'password authentication failed for user "thru"',
  })
})

it('a client of a password that was changed waits for nobody, and is served again once the new one is proved', async () => {
  const old = await connect(url('thru', 'first'))
  await house.ask(`alter role thru password 'second'`)
  await cut('thru')
  const error = await failure(old.query('select 1'))
  expect(error).toMatchObject({ code: '28000' })
  expect(error.message).toContain('fit another salt than the node has')
  const fresh = await connect(url('thru', 'second'))
  expect(await one(fresh, 'select current_user')).toBe('thru')
  expect(await one(old, 'select current_user')).toBe('thru')
  expect((await failure(connect(url('thru', 'first')))).code).toBe('28P01')
  const again = await connect(url('thru', 'second'))
  await again.query('begin')
  expect(await one(fresh, 'select current_user')).toBe('thru')
})

it('a login that nobody has proved is refused with what to do about it', async () => {
  const error = await failure(connect(url('unproved', '')))
  expect(error).toBeInstanceOf(pg.DatabaseError)
  expect(error).toMatchObject({
    code: '28000',
    message: 'the node asks for a password of user "unproved", and none is held',
    hint: 'Add the user to the secrets; if only a SCRAM verifier is held, the user must log in first.',
  })
})
