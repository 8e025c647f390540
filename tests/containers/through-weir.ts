/**
 * What holds through Weir in front of any replicated Postgres, whoever runs it. The order counts:
 * the last test takes the primary away.
 */
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../../src/core/until.ts'
import type { Servers } from './images.ts'
import { startWeir, type WeirProcess } from './weir-process.ts'

export function throughWeir(start: () => Promise<Servers>): void {
  let servers: Servers
  let weir: WeirProcess

  beforeAll(async () => {
    servers = await start()
    weir = await startWeir({ primary: servers.primary, replica: servers.replica })
  })
  afterAll(async () => {
    const code = await weir?.stop()
    await servers?.stop()
    expect(code).toBe(0)
  })

  test('the writer endpoint writes and the reader endpoint reads it from the replica', async () => {
    await using(weir.writer, async (client) => {
      await client.query('create table t (id serial primary key, text text)')
      await client.query('insert into t (text) values ($1)', ['first'])
      expect(await recovering(client)).toBe(false)
    })
    await using(weir.reader, async (client) => {
      expect(await recovering(client)).toBe(true)
      const seen = async () => (await client.query("select * from t where text = 'first'")).rows[0]
      expect(await until(() => seen().catch(() => undefined), 10_000)).toMatchObject({ id: 1 })
    })
  })

  test('the reader endpoint refuses a write with the words of Postgres', async () => {
    await using(weir.reader, async (client) => {
      await expect(client.query("insert into t (text) values ('x')")).rejects.toMatchObject({
        code: '25006',
      })
    })
  })

  test('many clients share few server connections, prepared statements included', async () => {
    const clients = await Promise.all(Array.from({ length: 40 }, () => connected(weir.writer)))
    try {
      const sums = clients.map(async (client, i) => {
        for (const turn of [0, 1, 2]) {
          const values = [i, turn]
          const named = { name: 'sum', text: 'select $1::int + $2::int as n', values }
          expect((await client.query(named)).rows).toEqual([{ n: i + turn }])
        }
      })
      await Promise.all(sums)
      const { rows } = await clients[0]!.query(
        "select count(*)::int as n from pg_stat_activity where backend_type = 'client backend' and datname = 'app'",
      )
      // Five of the pool and the control connection.
      expect(rows[0].n).toBeLessThanOrEqual(6)
    } finally {
      await Promise.all(clients.map((client) => client.end()))
    }
  })

  test('a wrong password is refused as Postgres refuses it', async () => {
    const url = weir.writer.replace('weir:weir@', 'weir:wrong@')
    await expect(connected(url)).rejects.toMatchObject({ code: '28P01' })
  })

  test('status names writer and reader', async () => {
    const status: unknown = await (await fetch(`${weir.admin}/status`)).json()
    expect(status).toMatchObject({
      nodes: [
        { name: 'primary', role: 'writer', health: 'up' },
        { name: 'replica', role: 'reader', health: 'up' },
      ],
    })
  })

  test('a client goes on writing, on its old connection, after the replica was promoted', async () => {
    await using(weir.writer, async (client) => {
      await client.query("insert into t (text) values ('before')")
      await servers.killPrimary()
      const { host, port } = servers.replica
      await using(`postgres://weir:weir@${host}:${port}/app`, (direct) =>
        direct.query('select pg_promote()'),
      )
      const write = async () =>
        (await client.query("insert into t (text) values ('after')")).rowCount
      expect(await until(() => write().catch(() => undefined), 30_000)).toBe(1)
    })
  })
}

async function recovering(client: Client): Promise<boolean> {
  return (await client.query('select pg_is_in_recovery() as yes')).rows[0].yes
}

async function connected(url: string): Promise<Client> {
  const client = new Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  return client
}

async function using<T>(url: string, work: (client: Client) => Promise<T>): Promise<void> {
  const client = await connected(url)
  try {
    await work(client)
  } finally {
    await client.end()
  }
}
