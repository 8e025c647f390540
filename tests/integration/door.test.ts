/** Storms at the door, against a real node: everybody comes in, and the node hardly notices. */
import { connect } from 'node:net'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { PROTOCOL_3_0 } from '../../src/wire/postgres/codes.ts'
import { startupMessage } from '../../src/wire/postgres/frontend.ts'
import { type House, startHouse } from '../support/house.ts'

const STORM = 100
/** A source that the other tests do not use. */
const ELSEWHERE = '127.0.0.77'

let house: House

beforeAll(async () => {
  house = await startHouse({
    pool: 3,
    ports: [16_951, 16_999],
    config: { limits: { maxLoginsInFlight: 4, connectRate: '1/m', connectBurst: STORM + 10 } },
  })
})

afterAll(async () => {
  await house?.end()
})

const opened = (): number =>
  house.app.snapshot().pools.reduce((sum, { total, opening }) => sum + total + opening, 0)

/** Comes from an address that is its own, and says who it is; resolves to what it was told. */
function knock(localAddress: string): Promise<string> {
  return new Promise((resolve) => {
    let told = ''
    const socket = connect({ port: house.port, host: '127.0.0.1', localAddress })
    socket.on('data', (chunk) => {
      told += chunk.toString('latin1')
      socket.destroy()
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(told))
    socket.write(
      startupMessage(PROTOCOL_3_0, [
        ['user', 'weir'],
        ['database', 'app'],
      ]),
    )
  })
}

it('a storm of clients, each with a name of its own, asks the node one question', async () => {
  const clients = Array.from({ length: STORM }, (_, i) => {
    const client = new pg.Client({
      connectionString: house.writer,
      application_name: `worker ${i}`,
    })
    client.on('error', () => {})
    const told: string[] = []
    const { connection } = client as unknown as { connection: NodeJS.EventEmitter }
    connection.on('parameterStatus', (message: Record<string, string>) => {
      if (message.parameterName === 'application_name') told.push(message.parameterValue!)
    })
    return { client, told }
  })
  await Promise.all(clients.map(({ client }) => client.connect()))
  expect(opened()).toBe(1)
  expect(clients.map(({ told }) => told)).toEqual(clients.map((_, i) => [`worker ${i}`]))
  const asked = clients.map(({ client }) => client.query('show application_name'))
  const names = (await Promise.all(asked)).map(({ rows }) => rows[0].application_name)
  expect(names).toEqual(clients.map((_, i) => `worker ${i}`))
  expect(opened()).toBeLessThanOrEqual(3)
  await Promise.all(clients.map(({ client }) => client.end()))
  await until(() => house.app.snapshot().clients.total === 0, 20_000)
})

it('an address that comes too often is refused in the words of the protocol', async () => {
  for (let i = 0; i < STORM + 10; i++) {
    const told = await knock(ELSEWHERE)
    if (!told.startsWith('E')) continue
    expect(told).toContain('C53300')
    expect(told).toContain('too many new clients from this address')
    return
  }
  // The burst is used up by now.
  expect(await knock(ELSEWHERE)).toContain('C53300')
})
