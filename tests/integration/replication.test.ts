/**
 * Replication through Weir: the programs that copy and follow a server, and drivers that ask for it.
 * Rule: a program that is missing skips its tests with a clear word on a person's machine and fails
 * them with CI=true.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { cancelRequest } from '../../src/wire/postgres/frontend.ts'
import {
  cancelKeyOf,
  connect,
  endClients,
  failure,
  later,
  one,
  wireOf,
} from '../support/clients.ts'
import { startFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'
import { scrape, sumOf } from '../support/scrape.ts'

const run = promisify(execFile)
const bin = '/usr/lib/postgresql/15/bin'
const PROGRAMS = ['pg_basebackup', 'pg_receivewal', 'pg_recvlogical', 'pgbench', 'psql', 'postgres']
const installed = PROGRAMS.every((name) => existsSync(join(bin, name)))
if (!installed) {
  const missing = `${PROGRAMS.join(', ')} are not all installed in ${bin}`
  if (process.env.CI === 'true') throw new Error(missing)
  console.log(`replication: skipped, because ${missing}`)
}

const env = { PATH: process.env.PATH ?? '', LC_ALL: 'C', PGCONNECT_TIMEOUT: '20' }
const USERS = [
  { username: 'streamer', password: 'streams' },
  { username: 'plain', password: 'plainly' },
]

interface Running {
  readonly child: ChildProcess
  /** All it has said to standard error so far. */
  said(): string
  /** Resolves with its exit code. */
  readonly ended: Promise<number | null>
}

describe.skipIf(!installed)('Replication', () => {
  let house: House
  const started: ChildProcess[] = []

  beforeAll(async () => {
    house = await startHouse({
      ports: [7_300, 7_399],
      users: USERS,
      // Longer than a client waits for its login: who is told why was told at once.
      config: { pool: { borrowTimeout: '60s' } },
      cluster: { postgresBin: bin, settings: { wal_level: 'logical', max_wal_senders: '6' } },
    })
    await house.ask(`create role streamer login replication password 'streams'`)
    await house.ask(`create role plain login password 'plainly'`)
  })

  afterEach(async () => {
    endClients()
    for (const child of started.splice(0)) child.kill('SIGKILL')
    await until(async () => (await walsenders()).length === 0, 15_000, { what: 'walsenders to go' })
    await house.ask('select pg_drop_replication_slot(slot_name) from pg_replication_slots')
  })

  afterAll(async () => {
    await house?.end()
  })

  const url = (base: string, user: string, more = ''): string => {
    const { password } = USERS.find((u) => u.username === user)!
    return base.replace('weir:weir@', `${user}:${password}@`) + more
  }
  const through = (user = 'streamer', more = ''): string => url(house.writer, user, more)
  const physical = { replication: 'true' } as object
  const logical = { replication: 'database' } as object

  async function program(name: string, args: readonly string[], input = ''): Promise<string> {
    const running = run(join(bin, name), args, { env, maxBuffer: 64 * 1024 ** 2 })
    running.child.stdin?.end(input)
    const { stdout, stderr } = await running
    return stdout + stderr
  }

  function start(name: string, args: readonly string[]): Running {
    const child = spawn(join(bin, name), args, { env, stdio: ['ignore', 'ignore', 'pipe'] })
    started.push(child)
    let text = ''
    child.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    return { child, said: () => text, ended: once(child, 'close').then(([code]) => code) }
  }

  const walsenders = () =>
    house.ask(
      `select pid, application_name, usename from pg_stat_activity where backend_type = 'walsender'`,
    )

  const pinned = () => house.app.snapshot().clients.pinned

  it('is identified by psql as it is directly, physical and logical', async () => {
    for (const mode of ['true', 'database']) {
      const [directly, passed] = await Promise.all(
        [house.direct, house.writer].map((base) =>
          program('psql', [
            ...['-X', '-A', '-t', '-d', `${url(base, 'streamer')}?replication=${mode}`],
            ...['-c', 'IDENTIFY_SYSTEM', '-c', 'SHOW wal_level'],
          ]),
        ),
      )
      const fixed = (text: string) => text.replace(/[0-9A-F]+\/[0-9A-F]+/, 'LSN')
      expect(fixed(passed!)).toBe(fixed(directly!))
      expect(passed).toContain('logical')
    }
  })

  it('has a server connection of its own, with the settings its client asked for', async () => {
    const before = house.app.snapshot().pools.map((pool) => pool.total)
    const options = '-c statement_timeout=4321 -c search_path=elsewhere'
    const client = await connect(through(), { ...logical, application_name: 'copy cat', options })
    expect(await one(client, 'show statement_timeout')).toBe('4321ms')
    expect(await one(client, 'show search_path')).toBe('elsewhere')
    const [sender] = await walsenders()
    expect(sender).toMatchObject({ application_name: 'copy cat', usename: 'streamer' })
    expect(house.app.snapshot().pools.map((pool) => pool.total)).toEqual(before)
    await client.end()
    await until(async () => (await walsenders()).length === 0, 10_000)
    expect(house.app.snapshot().pools.map((pool) => pool.total)).toEqual(before)
  })

  it('is refused in the words of the node: no right to it, no such database', async () => {
    const same = async (path: string, user: string, mode: object): Promise<pg.DatabaseError> => {
      const [directly, passed] = await Promise.all(
        [house.direct, house.writer].map((base) => {
          const wanted = url(base, user).replace(/\/app$/, path)
          return failure(connect(wanted, mode))
        }),
      )
      const { code, message, detail, hint, severity } = directly!
      expect(passed).toMatchObject({ code, message, severity })
      expect([passed!.detail, passed!.hint]).toEqual([detail, hint])
      return passed!
    }
    expect((await same('/app', 'plain', physical)).code).toBe('42501')
    expect((await same('/app', 'plain', logical)).code).toBe('42501')
    expect((await same('/nowhere', 'streamer', logical)).code).toBe('3D000')
    const wrong = { code: '22023', message: 'parameter "work_mem" cannot be that' }
    const error = await failure(connect(through(), { ...logical, options: '-c work_mem=much' }))
    expect(error).toMatchObject({ code: wrong.code, message: expect.stringContaining('work_mem') })
    expect(pinned()).toBe(0)
  })

  it('makes a base backup that pg_verifybackup accepts', async () => {
    const target = join(house.directory, 'backup')
    await program('pg_basebackup', [
      ...['-D', target, '-d', through(), '-X', 'stream', '-c', 'fast', '--no-sync'],
    ])
    expect(await program('pg_verifybackup', [target])).toContain('backup successfully verified')
  })

  it('streams WAL to pg_receivewal while others write, byte for byte', async () => {
    await program('pgbench', ['-i', '-s', '2', '-q', '-d', house.writer])
    const directory = join(house.directory, 'wal')
    mkdirSync(directory)
    await program('pg_receivewal', ['-d', through(), '--slot', 'wal', '--create-slot'])
    const receiving = start('pg_receivewal', [
      ...['-D', directory, '-d', through(), '--slot', 'wal', '--no-loop', '--no-sync'],
    ])
    await until(async () => (await walsenders()).length === 1, 10_000)
    await program('pgbench', ['-n', '-c', '4', '-t', '200', '-d', house.writer])
    for (let i = 0; i < 3; i++) {
      await house.ask(
        `insert into pgbench_history (filler) select 'x' from generate_series(1, 20000)`,
      )
      await house.ask('select pg_switch_wal()')
    }
    const received = (): string[] =>
      readdirSync(directory)
        .filter((name) => /^[0-9A-F]{24}$/.test(name))
        .sort()
    await until(() => received().length >= 3, 15_000)
    for (const name of received()) {
      const [there] = await house.ask(
        `select encode(sha256(pg_read_binary_file('pg_wal/' || $1)), 'hex') as sum`,
        [name],
      )
      const here = createHash('sha256').update(readFileSync(join(directory, name)))
      expect(here.digest('hex')).toBe(there!.sum)
    }
    receiving.child.kill('SIGINT')
    expect(await receiving.ended).toBe(0)
    expect(receiving.said()).not.toContain('error')
  })

  /** pg_recvlogical with test_decoding into a file; streaming when this resolves. */
  async function decode(base: string, slot: string, file: string): Promise<Running> {
    const at = ['-d', base, '--slot', slot]
    await program('pg_recvlogical', [...at, '--create-slot', '-P', 'test_decoding'])
    const more = ['-f', file, '--start', '--no-loop', '-o', 'include-xids=0', '-F', '0']
    const running = start('pg_recvlogical', [...at, ...more])
    await until(async () => {
      const [slotNow] = await house.ask(
        'select active from pg_replication_slots where slot_name = $1',
        [slot],
      )
      return slotNow?.active === true
    }, 10_000)
    return running
  }

  it('decodes every row for pg_recvlogical', async () => {
    await house.ask('create table followed (id int primary key, text text)')
    const file = join(house.directory, 'decoded')
    const running = await decode(through(), 'decoded', file)
    expect(house.app.snapshot().pins).toContainEqual({
      reason: 'replication',
      count: expect.anything(),
    })
    expect(pinned()).toBe(1)
    const rows = 5_000
    for (let i = 0; i < 10; i++) {
      await house.ask(
        `insert into followed select i, repeat(chr(97 + i % 26), 1 + i % 300)
         from generate_series($1::int, $2::int) i`,
        [(i * rows) / 10, ((i + 1) * rows) / 10 - 1],
      )
    }
    const inserts = (): string[] =>
      readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line.includes('INSERT'))
    await until(() => inserts().length >= rows, 15_000)
    const expected = Array.from({ length: rows }, (_, i) => {
      const text = String.fromCharCode(97 + (i % 26)).repeat(1 + (i % 300))
      return `table public.followed: INSERT: id[integer]:${i} text[text]:'${text}'`
    })
    expect(inserts()).toEqual(expected)
    running.child.kill('SIGINT')
    expect(await running.ended).toBe(0)
    await until(() => pinned() === 0, 10_000)
  })

  it('can be cancelled with the key that Weir gave, and goes on', async () => {
    const client = await connect(through(), logical)
    const { pid, secret } = cancelKeyOf(client)
    expect(pid).not.toBe((await walsenders())[0]!.pid)
    const sleeping = failure(client.query('select pg_sleep(60)'))
    await until(async () => {
      const [row] = await house.ask(
        `select count(*)::int as n from pg_stat_activity where wait_event = 'PgSleep'`,
      )
      return row!.n === 1
    }, 10_000)
    const key = Buffer.alloc(4)
    key.writeInt32BE(secret)
    connectTcp(house.port, '127.0.0.1').end(cancelRequest(pid, key))
    expect((await sleeping).code).toBe('57014')
    expect(await one(client, 'select 42')).toBe(42)
  })

  it('keeps little in memory of what a slow client does not read', async () => {
    await house.ask(`create table large as select i, md5(i::text) || repeat('x', 1000) as text
      from generate_series(1, 80000) i`)
    const front = await startFront(house, { users: USERS, admin: true })
    const written = async (): Promise<number> =>
      sumOf(await scrape(front.adminPort), 'weir_client_sent_bytes_total', { endpoint: 'writer' })
    const client = await connect(front.url('writer', 'streamer'), physical)
    const { stream } = wireOf(client)
    let bytes = 0
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > 1_000_000 && bytes - chunk.length <= 1_000_000) stream.pause()
    })
    const whole = later(client.query(`BASE_BACKUP (CHECKPOINT 'fast')`))
    await until(() => stream.isPaused(), 20_000)
    const before = process.memoryUsage().arrayBuffers
    let taken = -1
    await until(
      async () => {
        const now = await written()
        const still = now === taken
        taken = now
        return still
      },
      10_000,
      { everyMs: 300 },
    )
    expect(taken).toBeLessThan(24_000_000)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16_000_000)
    // Somebody else is served meanwhile.
    expect(await one(await connect(house.writer), 'select 1')).toBe(1)
    stream.resume()
    await whole
    expect(bytes).toBeGreaterThan(90_000_000)
    expect(await written()).toBeGreaterThanOrEqual(bytes)
    await front.end()
  })

  it('does not time out, is seen by who watches, and ends politely when Weir stops', async () => {
    const front = await startFront(house, {
      users: USERS,
      admin: true,
      config: { limits: { idleClientTimeout: '1s' } },
    })
    const file = join(house.directory, 'until-stopped')
    const running = await decode(front.url('writer', 'streamer'), 'stopped', file)
    const idle = await connect(front.url())
    await until(() => idle.strays.length > 0, 10_000, { what: 'the idle client to be sent away' })
    expect(running.said()).toBe('')
    const answer = await fetch(`http://127.0.0.1:${front.adminPort}/clients`)
    expect(JSON.stringify(await answer.json())).toContain('"pins":["replication"]')
    const series = await scrape(front.adminPort)
    const labels = { endpoint: 'writer', reason: 'replication' }
    expect(sumOf(series, 'weir_session_pins_total', labels)).toBe(2)
    await front.end()
    expect(await running.ended).toBe(1)
    expect(running.said()).toContain('terminating connection due to administrator command')
  })

  it('is served where nobody may wait for a lease, and refused where nobody may be pinned', async () => {
    const writer = { kind: 'writer' }
    const front = await startFront(house, {
      users: USERS,
      admin: true,
      endpoints: [
        { ...writer, name: 'hasty', borrowTimeout: 'nowait' },
        { ...writer, name: 'strict', pinning: 'strict' },
        { ...writer, name: 'aws', pinning: 'aws' },
        { ...writer, name: 'session', pooling: 'session' },
      ],
    })
    const hint = 'Connect to an endpoint with pinning: follow, or to the node itself.'
    try {
      for (const name of ['hasty', 'session']) {
        const client = await connect(front.url(name, 'streamer'), logical)
        expect(await one(client, 'select 1')).toBe(1)
      }
      const strict = await failure(connect(front.url('strict', 'streamer'), logical))
      const message =
        'endpoint strict refuses sessions that would pin a server connection (replication)'
      expect(strict).toMatchObject({ code: '0A000', message, hint })
      const aws = await failure(connect(front.url('aws', 'streamer'), logical))
      const text = 'endpoint aws refuses sessions that RDS Proxy does not serve (replication)'
      expect(aws).toMatchObject({ code: '0A000', message: text, hint })
      const series = await scrape(front.adminPort)
      const labels = { reason: 'replication' }
      expect(sumOf(series, 'weir_client_connections_refused_total', labels)).toBe(2)
    } finally {
      endClients()
      await front.end()
    }
  })

  it('is told at once, in the words of the node, when it has as many as it may have', async () => {
    await Promise.all(Array.from({ length: 6 }, () => connect(through(), logical)))
    const [directly, passed] = await Promise.all(
      [house.direct, house.writer].map((base) => failure(connect(url(base, 'streamer'), logical))),
    )
    const { code, message } = directly!
    expect(passed).toMatchObject({ code, message })
    expect(code).toBe('53300')
  })

  it('gives every place back after a crowd of clients that stay, leave at once, or are refused', async () => {
    const connections = () => house.app.snapshot().nodes[0]!.connections
    const before = connections()
    // Those who are refused have a place of the node's until it says so: no more than its six at once.
    const crowd = Array.from({ length: 9 }, async (_, i) => {
      if (i % 3 === 0) return failure(connect(through('plain'), physical))
      const socket = connectTcp(house.port, '127.0.0.1')
      if (i % 3 === 1) return socket.on('connect', () => socket.destroy())
      return connect(through(), logical)
    })
    await Promise.all(crowd)
    expect(connections()).toBe(before + 3)
    expect(pinned()).toBe(3)
    endClients()
    await until(() => connections() === before, 10_000)
    expect(house.app.snapshot().clients.total).toBe(0)
  })

  it('ends when its node freezes, and a client that gave up waiting leaves nothing behind', async () => {
    const file = join(house.directory, 'until-frozen')
    const running = await decode(through(), 'frozen', file)
    const connections = () => house.app.snapshot().nodes[0]!.connections
    await house.cluster.pause('node-1')
    try {
      const impatient = failure(connect(through(), { ...logical, connectionTimeoutMillis: 300 }))
      expect(await running.ended).toBe(1)
      expect(running.said()).toContain('the session was pinned to it (replication)')
      await impatient
      await until(() => connections() === 0, 15_000)
    } finally {
      await house.cluster.resume('node-1')
    }
    await house.app.whenReady(20_000)
    expect(await one(await connect(through(), logical), 'select 1')).toBe(1)
  })

  it('waits for a node that is away, within the borrow timeout', async () => {
    await house.cluster.kill('node-1')
    await until(() => house.app.snapshot().nodes[0]!.health === 'down', 10_000)
    const waiting = later(connect(through(), logical))
    await house.cluster.start('node-1')
    expect(await one(await waiting, 'select 1')).toBe(1)
    await house.app.whenReady(20_000)
  })

  it('leaves the last place of a node to everybody else', async () => {
    const front = await startFront(house, {
      users: USERS,
      // Two of the 97 that are not reserved.
      pool: { maxConnectionsPercent: 3 },
    })
    try {
      const first = await connect(front.url('writer', 'streamer'), logical)
      const error = await failure(connect(front.url('writer', 'streamer'), logical))
      expect(error).toMatchObject({
        code: '53300',
        message: 'replication connections hold all but one of the 2 server connections for node-1',
      })
      expect(await one(await connect(front.url()), 'select 1')).toBe(1)
      expect(await one(first, 'select 2')).toBe(2)
      await first.end()
      await until(async () => (await walsenders()).length === 0, 10_000)
      const next = await connect(front.url('writer', 'streamer'), logical)
      expect(await one(next, 'select 3')).toBe(3)
    } finally {
      endClients()
      await front.end()
    }
  })

  it('ends when its node is killed, naming the pin', async () => {
    const client = await connect(through(), logical)
    const file = join(house.directory, 'until-killed')
    const running = await decode(through(), 'killed', file)
    await house.cluster.kill('node-1')
    expect(await running.ended).toBe(1)
    expect(running.said()).toContain('the session was pinned to it (replication)')
    await until(() => client.strays.length > 0, 10_000)
    // A walsender that waits for a command may have the time to say why.
    expect(client.strays[0]).toMatchObject({
      severity: 'FATAL',
      code: expect.stringMatching(/^(08006|57P01)$/),
    })
    expect(pinned()).toBe(0)
    await house.cluster.start('node-1')
    await house.app.whenReady(20_000)
  })
})
