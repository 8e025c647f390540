/** `weir up` from outside: however it ends, nothing is left running that the next one cannot use. */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openCluster } from '../../src/cluster/cluster.ts'
import { until } from '../../src/core/until.ts'
import { connect, connectAll, endClients, failure, one } from '../support/clients.ts'
import { FRONT_PORTS, startFront } from '../support/front.ts'
import { startHouse } from '../support/house.ts'
import { family, isAlive, type WeirChild, weir } from '../support/weir-child.ts'

/** Endpoints from 15932, admin 15980, nodes from 15001. */
const OFFSET = 9_500
const WRITER = 6_432 + OFFSET
const URL = `postgres://weir:weir@127.0.0.1:${WRITER}/app`

let directory: string
const started: WeirChild[] = []

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'weir-shutdown-'))
})

afterAll(async () => {
  endClients()
  for (const child of started) child.process.kill('SIGKILL')
  const cluster = await openCluster(directory).catch(() => undefined)
  await cluster?.destroy()
  await rm(directory, { recursive: true, force: true })
})

function up(...more: string[]): WeirChild {
  const child = weir(
    ...['up', '--dir', directory, '--nodes', '2', '--port-offset', String(OFFSET)],
    ...more,
  )
  started.push(child)
  return child
}

const isUp = (child: WeirChild) => child.says('Ctrl-C stops everything.')

async function postmasters(): Promise<number[]> {
  const cluster = await openCluster(directory)
  const status = await cluster.status()
  return status.flatMap(({ pid }) => (pid === undefined ? [] : [pid]))
}

async function noneLeft(pids: number[]): Promise<void> {
  expect(pids.length).toBeGreaterThan(0)
  await until(() => !pids.some(isAlive), 10_000, { what: `none of ${pids} to be left` })
}

describe('weir up', () => {
  it('on SIGTERM exits with 0, leaves no server process and keeps the data', async () => {
    const child = up()
    await isUp(child)
    const client = await connect(URL)
    await client.query('create table notes (word text)')
    await client.query(`insert into notes values ('kept')`)
    const servers = (await postmasters()).flatMap(family)
    expect(servers.length).toBeGreaterThan(10)
    child.process.kill('SIGTERM')
    expect(await child.ended).toBe(0)
    await noneLeft([child.pid, ...servers])
    expect(client.strays[0]).toMatchObject({ severity: 'FATAL', code: '57P01' })
    expect((await failure(connect(URL))).message).toContain('ECONNREFUSED')
  })

  it('on a taken port ends with 1, names port and setting, and leaves nothing running', async () => {
    const squatter = createServer().listen(WRITER, '127.0.0.1')
    try {
      const child = up()
      expect(await child.ended).toBe(1)
      expect(child.output()).toContain(`127.0.0.1:${WRITER} is taken by another program`)
      expect(child.output()).toContain('endpoints[].port')
      expect(child.output()).toContain('--port-offset N')
      expect(await postmasters()).toEqual([])
    } finally {
      await new Promise((resolve) => squatter.close(resolve))
    }
  })

  it('killed with -9 can be started again and goes on with what is there', async () => {
    const first = up()
    await isUp(first)
    const client = await connect(URL)
    await client.query(`insert into notes values ('too')`)
    first.process.kill('SIGKILL')
    expect(await first.ended).toBe('SIGKILL')
    const second = up()
    await isUp(second)
    const again = await connect(URL)
    expect(await one(again, `select string_agg(word, ' ') from notes`)).toBe('kept too')
    const servers = (await postmasters()).flatMap(family)
    second.process.kill('SIGINT')
    expect(await second.ended).toBe(0)
    await noneLeft([second.pid, ...servers])
  })

  it('on a second Ctrl-C ends at once, and the next one still works', async () => {
    const hasty = up()
    await isUp(hasty)
    // Holds the polite way up: its transaction is given some seconds to end.
    const client = await connect(URL)
    await client.query('begin')
    hasty.process.kill('SIGINT')
    await hasty.says('stopping on SIGINT')
    hasty.process.kill('SIGINT')
    // The polite way ends with 0.
    expect(await hasty.ended).toBe(130)
    const next = up()
    await isUp(next)
    expect(await one(await connect(URL), 'select count(*)::int from notes')).toBe(2)
    const servers = (await postmasters()).flatMap(family)
    next.process.kill('SIGTERM')
    expect(await next.ended).toBe(0)
    await noneLeft(servers)
  })

  it('stopped while it comes up leaves nothing running', async () => {
    const child = up()
    await child.says(/node-1/)
    child.process.kill('SIGTERM')
    expect([0, 130]).toContain(await child.ended)
    expect(await postmasters()).toEqual([])
  })
})

describe('A stop', () => {
  it('lets transactions end within the grace, cuts those that do not, and tells everybody', async () => {
    const house = await startHouse({ ports: FRONT_PORTS })
    try {
      const front = await startFront(house, { pool: { maxConnections: 4 } })
      await house.ask('create table ended (n int)')
      const [idle, quick, slow] = await connectAll(3, front.url())
      await idle!.query('select 1')
      await quick!.query('begin')
      await slow!.query('begin')
      await slow!.query('insert into ended values (2)')
      const stopping = front.end()
      await until(() => idle!.strays.length > 0, 10_000)
      await quick!.query('insert into ended values (1)')
      await quick!.query('commit')
      await stopping
      await until(() => [quick!, slow!].every((c) => c.strays.length > 0), 10_000)
      for (const client of [idle!, quick!, slow!]) {
        expect(client.strays[0]).toMatchObject({ severity: 'FATAL', code: '57P01' })
      }
      const left = async () =>
        (
          await house.ask(`select 1 from pg_stat_activity where query like '%ended%'
          and pid <> pg_backend_pid()`)
        ).length
      await until(async () => (await left()) === 0, 10_000, { what: 'no server connection left' })
      expect(await house.ask('select n from ended')).toEqual([{ n: 1 }])
    } finally {
      await house.end()
    }
  })
})
