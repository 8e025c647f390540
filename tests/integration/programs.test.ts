/**
 * The programs people use (psql, pgbench, pg_dump) through Weir. Rule: a program that is missing
 * skips its tests with a clear word on a person's machine and fails them with CI=true.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../../src/core/until.ts'
import { type House, rowsOf, startHouse } from '../support/house.ts'

const run = promisify(execFile)
const SERVERS = 5
const CLIENTS = 20

/** Directory of the newest installed Postgres that has all programs, or undefined. */
async function installed(): Promise<string | undefined> {
  const root = '/usr/lib/postgresql'
  const versions = existsSync(root) ? await readdir(root) : []
  const numbers = versions.map(Number).filter((n) => n > 0)
  return numbers
    .sort((a, b) => b - a)
    .map((version) => join(root, String(version), 'bin'))
    .find((bin) =>
      ['psql', 'pgbench', 'pg_dump', 'postgres'].every((name) => existsSync(join(bin, name))),
    )
}

const bin = await installed()
if (bin === undefined) {
  const missing = 'psql, pgbench, pg_dump and postgres are not installed in /usr/lib/postgresql'
  if (process.env.CI === 'true') throw new Error(missing)
  console.log(`programs: skipped, because ${missing}`)
}

let house: House

describe.skipIf(bin === undefined)('programs', () => {
  beforeAll(async () => {
    // Of the same version as the programs: pg_dump refuses a newer server.
    house = await startHouse({ pool: SERVERS, cluster: { postgresBin: bin! } })
  })

  afterAll(async () => {
    await house?.end()
  })

  /** Runs a program; rejects with what it said when it fails. */
  async function program(name: string, args: readonly string[], input?: string): Promise<string> {
    const env = { PATH: process.env.PATH ?? '', LC_ALL: 'C', PGCONNECT_TIMEOUT: '20' }
    const running = run(join(bin!, name), args, { env, maxBuffer: 64 * 1024 ** 2 })
    running.child.stdin?.end(input ?? '')
    const { stdout, stderr } = await running
    return stdout + stderr
  }

  describe('psql', () => {
    const both = async (script: string, ...more: string[]): Promise<string[]> => {
      const outputs = []
      for (const url of [house.direct, house.writer]) {
        await house.ask('drop table if exists people, few')
        outputs.push(await program('psql', ['-X', '-d', url, ...more], script))
      }
      return outputs
    }

    test('a script prints through Weir what it prints directly', async () => {
      const script = `
        \\set ON_ERROR_STOP off
        \\set who '''Ada'''
        create table people (id serial primary key, name text not null, born date);
        insert into people (name, born) values (:who, '1815-12-10'), ('Grace', '1906-12-09') returning *;
        select count(*) as n from people \\gset
        \\echo found :n
        select * from people where name = :who;
        \\d people
        \\d
        \\dt+ nothing*
        \\df now
        \\l template0
        select 1 as a, 'x' as b \\gdesc
        select * from people \\gx
        select 'select ' || generate_series(1, 3) \\gexec
        select id, born, name from people \\crosstabview
        begin;
        select 1/0;
        select 'ignored';
        rollback;
        select pg_notify('nobody', 'hears');
        \\timing off
        \\encoding
        show application_name;
        \\if true
        select 'yes' as branch;
        \\else
        select 'no' as branch;
        \\endif
        selec;
        \\errverbose
      `
      const [directly, through] = await both(script)
      expect(through).toBe(directly)
      expect(through).toContain('found 2')
      expect(through).toContain('Grace')
    })

    test('what it listens to is printed where it is printed directly', async () => {
      const script = `
        listen tidings;
        notify tidings, 'one';
        select 1;
        begin; notify tidings, 'two'; select 2; commit;
        notify tidings, 'by itself' \\; select 3;
        do $$begin perform pg_notify('tidings', 'three'); end$$;
        select pg_listening_channels();
        unlisten *;
        notify tidings, 'unheard';
        select pg_listening_channels();
      `
      const [directly, through] = await both(script)
      // The process is another one.
      const known = (text: string) => text.replaceAll(/with PID \d+/g, 'with PID n')
      expect(known(through!)).toBe(known(directly!))
      expect(through!.match(/Asynchronous notification/g)).toHaveLength(4)
      // Other tests count server connections.
      const listens = () =>
        house.app.snapshot().pools.some((p) => p.user.endsWith('(listen)') && p.total > 0)
      await until(() => !listens(), 15_000)
    })

    test('\\copy both ways', async () => {
      const file = join(house.directory, 'few.csv')
      await writeFile(file, Array.from({ length: 5_000 }, (_, i) => `${i},"row ${i}"\n`).join(''))
      const script = `
        create table few (id int, name text);
        \\copy few from '${file}' with (format csv)
        \\copy (select * from few where id < 3 order by id) to stdout
        \\copy few to '${file}.out' with (format csv, force_quote (name))
        copy few from stdin;
5000\tby hand
5001\t\\N
\\.
        select count(*), sum(id), count(name) from few;
        \\copy few from '${file}.none'
      `
      const [directly, through] = await both(script)
      expect(through).toBe(directly)
      expect(through).toContain('5002')
      expect(await readFile(`${file}.out`, 'utf8')).toBe(await readFile(file, 'utf8'))
    })

    test('one command, one transaction, in quiet and unaligned output', async () => {
      const url = house.writer
      const args = ['-X', '-q', '-t', '-A', '-d', url]
      const one = await program('psql', [...args, '-c', 'select 1', '-c', 'select 2'])
      expect(one).toBe('1\n2\n')
      const two = await program('psql', [...args, '-1', '-c', 'select txid_current() is not null'])
      expect(two).toBe('t\n')
      const prepared = 'select $1::int + $2::int \\bind 40 2 \\g\n'
      // \\bind is younger than some installed versions.
      const bound = await program('psql', args, prepared).catch(String)
      if (!bound.includes('invalid command')) expect(bound).toBe('42\n')
    })

    test('variables of the connection say what a person expects', async () => {
      const script = '\\echo :USER :DBNAME :PORT :SERVER_VERSION_NUM\n\\conninfo\n'
      const printed = await program('psql', ['-X', '-d', house.writer], script)
      expect(printed).toMatch(new RegExp(`^weir app ${house.port} \\d{6}\n`))
    })
  })

  describe('pgbench', () => {
    beforeAll(async () => {
      await program('pgbench', ['-i', '-s', '1', '-q', '-d', house.writer])
    })

    const modes = ['simple', 'extended', 'prepared']
    const kinds: [string, string[]][] = [
      ['select-only', ['-S']],
      ['TPC-B', []],
      ['TPC-B in one pipeline of its own', ['-b', 'simple-update']],
    ]
    test.each(modes.flatMap((mode) => kinds.map(([kind, args]) => ({ mode, kind, args }))))(
      '$kind, $mode: twenty clients on five server connections',
      async ({ mode, args }) => {
        const watcher = new pg.Client({ connectionString: house.direct })
        await watcher.connect()
        let running = true
        let most = 0
        const watching = (async () => {
          while (running) {
            const { rows } = await watcher.query(
              `select count(*)::int as n from pg_stat_activity where backend_type = 'client backend'
             and pid <> pg_backend_pid() and application_name <> 'probe'`,
            )
            most = Math.max(most, rows[0].n)
            await new Promise((resolve) => setTimeout(resolve, 20))
          }
        })()
        const transactions = 50
        const said = await program('pgbench', [
          ...['-n', '-M', mode, '-c', String(CLIENTS), '-j', '2', '-t', String(transactions)],
          ...[...args, '-d', house.writer],
        ]).finally(() => {
          running = false
        })
        await watching
        await watcher.end()
        const all = CLIENTS * transactions
        expect(said).toContain(`number of transactions actually processed: ${all}/${all}`)
        expect(said).not.toMatch(/error|aborted/i)
        // And the control connection.
        expect(most).toBeLessThanOrEqual(SERVERS + 1)
        expect(most).toBeGreaterThan(1)
      },
    )

    test('the books balance after all of it', async () => {
      const [sums] = await house.ask(`select
        (select sum(abalance) from pgbench_accounts) as a, (select sum(tbalance) from pgbench_tellers) as t,
        (select sum(bbalance) from pgbench_branches) as b`)
      expect(sums!.t).toBe(sums!.b)
    })
  })

  describe('pg_dump', () => {
    test('a dump through Weir is a direct dump, byte for byte, and restores', async () => {
      await house.ask(`create table if not exists mixed as
        select i as id, repeat('ü', i % 50) as text, now() + i * interval '1 hour' as at,
          decode(md5(i::text), 'hex') as bytes from generate_series(1, 2000) i`)
      await house.ask('select lo_from_bytea(515151, $1)', [Buffer.alloc(100_000, 7)])
      for (const format of [
        ['-Fp'],
        ['-Fp', '--inserts', '-t', 'mixed'],
        ['-Fp', '--schema-only'],
      ]) {
        const [directly, through] = await Promise.all(
          [house.direct, house.writer].map((url) => program('pg_dump', [...format, '-d', url])),
        )
        expect(plain(through!)).toBe(plain(directly!))
      }
      const dump = join(house.directory, 'dump.sql')
      await program('pg_dump', ['-f', dump, '-d', house.writer])
      await house.ask('create database restored')
      // The database is new, so its first connection through Weir opens a pool of its own.
      const restored = house.writer.replace(/\/app$/, '/restored')
      await program('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', restored, '-f', dump])
      const sums = `select count(*), sum(id), md5(string_agg(text || at || bytes::text, ',' order by id)) from mixed`
      const direct = house.direct.replace(/\/app$/, '/restored')
      expect(await rowsOf(direct, sums)).toEqual(await rowsOf(house.direct, sums))
      // A restore may put rows of different length into another order on their pages.
      const again = await program('pg_dump', ['-d', direct])
      const first = await program('pg_dump', ['-d', house.direct])
      expect(plain(again).split('\n').sort()).toEqual(plain(first).split('\n').sort())
    })
  })
})

/** Newer minor versions begin and end a dump with a random key. */
function plain(dump: string): string {
  return dump.replace(/^\\(un)?restrict .*$/gm, '\\$1restrict')
}
