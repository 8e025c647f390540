/**
 * A client that asks once how the results of its statement look, and reads all later rows by that.
 * It must never get rows of another shape, whichever server connection runs the statement.
 */
import { afterAll, afterEach, beforeAll, expect, it, describe as suite } from 'vitest'
import { bind, describe, execute, parse, query, sync } from '../../src/wire/postgres/frontend.ts'
import { type Client, connect, endClients } from '../support/clients.ts'
import { FRONT_PORTS, type Front, startFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'
import { type RawSession, rawSession } from '../support/raw-session.ts'

let house: House
let front: Front
let direct: Client
/** Through Weir, which sees what it changes. */
let owner: Client

suite.each([
  ['of a pool that rotates', { rotate: true }],
  ['that are shared', { rotate: false, sharing: 'on' }],
])('on server connections %s', (_name, pool) => {
  beforeAll(async () => {
    house = await startHouse({ ports: FRONT_PORTS })
    front = await startFront(house, {
      config: { auth: { trust: true } },
      pool: { maxConnections: 3, ...pool },
    })
    direct = await connect(house.direct)
    owner = await connect(front.url('writer'))
  })

  afterEach(() => endClients(direct, owner))

  afterAll(async () => {
    endClients()
    await front?.end()
    await house?.end()
  })

  const SETTLED = { name: 'a', text: 'select v from shaped' }

  async function prepared(): Promise<RawSession> {
    await owner.query('drop table if exists shaped')
    await owner.query('create table shaped (v text)')
    await owner.query(`insert into shaped values ('1')`)
    const session = await rawSession(front.port('writer'))
    await session.take('Z')
    session.send(
      Buffer.concat([parse(SETTLED.name, SETTLED.text, []), describe('S', SETTLED.name), sync()]),
    )
    await session.take('T')
    await session.take('Z')
    return session
  }

  function run(session: RawSession): void {
    session.send(Buffer.concat([bind('', SETTLED.name), execute('', 0), sync()]))
  }

  it('runs a statement on every server connection without another description', async () => {
    const session = await prepared()
    for (let i = 0; i < 9; i++) {
      run(session)
      expect(await session.values()).toEqual(['1'])
    }
    session.vanish()
  })

  it('gives the error of Postgres where the table has changed behind its back', async () => {
    const session = await prepared()
    run(session)
    expect(await session.values()).toEqual(['1'])
    await direct.query('alter table shaped alter v type int using v::int')
    for (let i = 0; i < 6; i++) {
      run(session)
      const { code, message } = await session.error()
      expect([code, message]).toEqual(['0A000', 'cached plan must not change result type'])
      await session.take('Z')
    }
    session.vanish()
  })

  it('fails the transaction that the statement stands in', async () => {
    const session = await prepared()
    await owner.query('alter table shaped alter v type int using v::int')
    session.send(query('begin'))
    await session.take('Z')
    run(session)
    expect((await session.error()).code).toBe('0A000')
    expect((await session.take('Z')).body.toString()).toBe('E')
    session.vanish()
  })

  it('runs it again once the client has asked for a description', async () => {
    const session = await prepared()
    await owner.query('alter table shaped alter v type int using v::int')
    session.send(Buffer.concat([parse('b', SETTLED.text, []), describe('S', 'b'), sync()]))
    await session.take('Z')
    session.send(Buffer.concat([bind('', 'b'), execute('', 0), sync()]))
    expect(await session.values()).toEqual(['1'])
    session.vanish()
  })
})
