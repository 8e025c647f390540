/** The audit log of several workers: one place for all of them, each line with the worker it is from. */
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { passwordLine } from '../../src/admin/password.ts'
import { until } from '../../src/core/until.ts'
import { writeFront } from '../support/front.ts'
import { freePorts, type House, startHouse } from '../support/house.ts'
import { type WeirChild, weir } from '../support/weir-child.ts'

const PASSWORD = 'an operator in the test'

let house: House
let child: WeirChild
let basePort: number
let adminPort: number
const clients: pg.Client[] = []

beforeAll(async () => {
  house = await startHouse({ pool: 3 })
  adminPort = await freePorts(1, [15_940, 15_949])
  const front = await writeFront(house, {
    endpoints: [{ name: 'writer', kind: 'writer' }],
    config: {
      workers: 2,
      audit: { to: 'stdout' },
      admin: {
        port: adminPort,
        open: ['readyz'],
        users: [{ name: 'operator', role: 'operate', password: await passwordLine(PASSWORD) }],
      },
    },
  })
  basePort = front.basePort
  child = weir('serve', '--config', front.file)
  await child.says('workers serve clients')
  await until(async () => (await fetch(`http://127.0.0.1:${adminPort}/readyz`)).ok, 20_000)
})

afterAll(async () => {
  for (const client of clients) await client.end().catch(() => {})
  child?.process.kill('SIGTERM')
  await child?.ended
  await house?.end()
})

interface Line {
  readonly event: string
  readonly worker?: number
  readonly [field: string]: unknown
}

function lines(event: string): Line[] {
  const text = child
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{"time":"20'))
  const all = text.flatMap((line) => {
    try {
      return [JSON.parse(line) as Line]
    } catch {
      return []
    }
  })
  return all.filter((line) => line.event === event)
}

async function connect(): Promise<pg.Client> {
  const { user, password, database } = house.cluster.login
  const client = new pg.Client({ host: '127.0.0.1', port: basePort, user, password, database })
  client.on('error', () => {})
  clients.push(client)
  await client.connect()
  return client
}

test('every login is there once, and from more than one worker', async () => {
  for (let i = 0; i < 24; i++) await connect()
  await until(() => lines('login').length === 24, 20_000)
  const sessions = new Set(lines('login').map(({ session }) => session))
  expect(sessions.size).toBe(24)
  const workers = new Set(lines('login').map(({ worker }) => worker))
  expect([...workers].every((worker) => worker === 1 || worker === 2)).toBe(true)
  expect(workers.size).toBeGreaterThan(0)
})

test('an order is told by the process that has the admin port, with who gave it', async () => {
  const authorization = `Basic ${Buffer.from(`operator:${PASSWORD}`).toString('base64')}`
  const answer = await fetch(`http://127.0.0.1:${adminPort}/pause`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: '{"endpoint":"writer","forMs":50}',
  })
  expect(answer.status).toBe(200)
  await until(() => lines('command').length === 1, 20_000)
  expect(lines('command')[0]).toMatchObject({ user: 'operator', outcome: 'done', command: 'pause' })
  expect(lines('command')[0]?.worker).toBeUndefined()
})

test('sessions that end are told of, and the start and the end of Weir', async () => {
  for (const client of clients.splice(0)) await client.end()
  await until(() => lines('logout').length === 24, 20_000)
  expect(lines('change')).toMatchObject([{ what: 'start', outcome: 'done' }])
  child.process.kill('SIGTERM')
  expect(await child.ended).toBe(0)
  expect(lines('change').at(-1)).toMatchObject({ what: 'stop', outcome: 'done' })
  expect(child.output()).not.toContain(PASSWORD)
})
