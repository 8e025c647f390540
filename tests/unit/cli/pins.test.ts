import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { registerPins } from '../../../src/cli/pins.ts'
import { formatOf } from '../../../src/cli/pins-log.ts'

const folder = mkdtempSync(join(tmpdir(), 'weir-pins-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
afterEach(() => vi.restoreAllMocks())

async function run(...args: string[]): Promise<string> {
  let out = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text
    return true
  })
  const program = new Command('weir').exitOverride()
  registerPins(program)
  await program.parseAsync(['pins', ...args], { from: 'user' })
  return out
}

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

interface Found {
  statements: number
  follow: { nothing: number; follows: number; mayPin: number; pins: number }
  strict: { refused: number }
  aws: { pins: number }
  unseen: number
  groups: { digest: string; count: number; line: number; follow: { verdict: string }[] }[]
}

async function found(...args: string[]): Promise<Found> {
  return JSON.parse(await run('--json', ...args)) as Found
}

/** Digest, count and line of each group. */
function shapes({ groups }: Found): [string, number, number][] {
  return groups.map(({ digest, count, line }) => [digest, count, line])
}

describe('weir pins', () => {
  it('explains a text, most frequent statement first', async () => {
    const text = `SELECT 1; SET search_path = 'a'; SET search_path = 'b';
      CREATE TEMP TABLE t (a int); SELECT pg_advisory_lock(1)`
    expect(await run('--sql', text)).toMatchInlineSnapshot(`
      "2 x  SET search_path = $1
          at      --sql:1
          follow  follows: the setting goes where the client goes
          strict  the same
          aws     pins (settings): setting or resetting a parameter with SET, RESET or set_config

      1 x  CREATE TEMP TABLE t (a int)
          at      --sql:2
          follow  pins (temporary): they live on one server connection; until the last one is dropped, DISCARD TEMP or DISCARD ALL
          strict  refused (temporary). Use CREATE TEMP TABLE ... ON COMMIT DROP inside a transaction, or a WITH clause.
          aws     pins (temporary): creating a temporary table, view or sequence

      1 x  SELECT pg_advisory_lock($1)
          at      --sql:2
          follow  pins (advisory-lock): a lock belongs to one server connection; until the last one is released, pg_advisory_unlock_all() or DISCARD ALL
          strict  refused (advisory-lock). Use pg_advisory_xact_lock, which ends with its transaction.
          aws     pins (advisory-lock): taking or giving back a session advisory lock

      Of 5 statements RDS Proxy would pin on 4, Weir on 2; with pinning: strict it would refuse 2.
      "
    `)
  })

  it('says perhaps where it depends', async () => {
    const text = "SELECT currval('s'); INSERT INTO t VALUES (1); DO $$ $$; SELECT f(1)"
    expect((await run('--sql', text)).split('\n\n').at(-1)).toMatchInlineSnapshot(`
      "Of 4 statements RDS Proxy would pin on 0, Weir on 0 and perhaps on 1 more; with pinning: strict it would refuse 0.
      Functions that neither can see through are called in 1; verify: true makes Weir ask the server behind them.
      "
    `)
  })

  it('shows what nothing happens for only when asked', async () => {
    expect(await run('--sql', 'SELECT 1')).toBe(
      'Of 1 statement RDS Proxy would pin on 0, Weir on 0; with pinning: strict it would refuse 0.\n',
    )
    expect(await run('--all', '--sql', 'SELECT 1')).toContain('1 x  SELECT $1')
    expect(await run('--sql', ' ; -- nothing')).toBe('There is no statement in it.\n')
  })

  it('keeps apart what reads alike and is treated otherwise', async () => {
    const text = "SELECT set_config('a', 'b', false); SELECT set_config('a' || 'b', 'c', false)"
    const { follow, groups, strict } = await found('--sql', text)
    expect(groups.map((g) => g.follow[0]?.verdict).sort()).toEqual(['follows', 'pins'])
    expect(follow).toEqual({ nothing: 0, follows: 1, mayPin: 0, pins: 1 })
    expect(strict.refused).toBe(1)
  })

  it('never shows a literal or a control character', async () => {
    const out = await run('--sql', 'SET "\u001b[31m" = \'secret\'')
    expect(out).toContain('SET "?[31m" = $1')
    expect(out).not.toContain('secret')
  })

  it('says what to do when there is nothing to read', async () => {
    await expect(run()).rejects.toMatchObject({ code: 'WEIR_PINS_INPUT' })
    await expect(run(join(folder, 'none.sql'))).rejects.toThrow(/cannot read .*none.sql: ENOENT/)
    await expect(run('--format', 'xml', 'x')).rejects.toMatchObject({ code: 'WEIR_PINS_FORMAT' })
  })
})

describe('files', () => {
  it('of SQL, with lines for psql and data of COPY in them', async () => {
    const path = file(
      'dump.sql',
      `\\connect app
SET client_encoding = 'UTF8';

COPY public.t (a) FROM stdin;
SET x = 1;
\\.
SET client_encoding
  = 'LATIN1';
`,
    )
    expect(shapes(await found(path))).toEqual([
      ['SET client_encoding = $1', 2, 2],
      ['COPY public.t (a) FROM stdin', 1, 4],
    ])
  })

  it('of a server log in stderr format', async () => {
    const path = file(
      'postgresql.log',
      `2026-11-21 05:00:00.000 UTC [1] LOG:  database system is ready to accept connections
2026-11-21 05:00:00.001 UTC [7] LOG:  statement: SET a = 1; SET b
\t= 2
2026-11-21 05:00:00.002 UTC [7] bob@app LOG:  execute <unnamed>: SELECT nextval($1)
2026-11-21 05:00:00.002 UTC [7] bob@app DETAIL:  parameters: $1 = 'LOG:  statement: LOAD ''x'''
2026-11-21 05:00:00.003 UTC [7] LOG:  duration: 0.021 ms  parse p: SELECT nextval($1)
2026-11-21 05:00:00.003 UTC [7] LOG:  duration: 0.021 ms  bind p: SELECT nextval($1)
2026-11-21 05:00:00.003 UTC [7] LOG:  duration: 12.021 ms  execute p/c: SELECT nextval($1)
2026-11-21 05:00:00.004 UTC [7] LOG:  execute fetch from p: SELECT nextval($1)
2026-11-21 05:00:00.005 UTC [7] ERROR:  syntax error at or near "x"
2026-11-21 05:00:00.005 UTC [7] STATEMENT:  LISTEN x x
2026-11-21 05:00:00.006 UTC [7] LOG:  statement: SET a = 2
`,
    )
    expect(shapes(await found(path))).toEqual([
      ['SET a = $1', 2, 2],
      ['SELECT nextval($1)', 2, 4],
      ['SET b = $1', 1, 2],
    ])
  })

  it('of a csvlog, with statements over several lines', async () => {
    const path = file(
      'postgresql.csv',
      `2026-11-21 05:00:00.001 UTC,"bob","app",7,"127.0.0.1:1",6.1,1,"idle",2026-11-21 05:00:00 UTC,3/2,0,LOG,00000,"statement: LISTEN ""Jobs"";
LISTEN ""b""",,,,,,,,,"psql","client backend",,0
2026-11-21 05:00:00.002 UTC,"bob","app",7,"127.0.0.1:1",6.1,2,"idle",2026-11-21 05:00:00 UTC,3/2,0,ERROR,42601,"statement: LISTEN c",,,,,,,,,"psql","client backend",,0
2026-11-21 05:00:00.003 UTC,"bob","app",7,"127.0.0.1:1",6.1,3,"SELECT",2026-11-21 05:00:00 UTC,3/2,0,LOG,00000,"duration: 1.5 ms  execute p: select 1, 'a,b'",,,,,,,,,"","client backend",,0
`,
    )
    expect(shapes(await found(path))).toEqual([
      ['LISTEN "Jobs"', 1, 1],
      ['LISTEN "b"', 1, 2],
      ['select $1, $2', 1, 4],
    ])
  })

  it('of a jsonlog', async () => {
    const line = (message: string, severity = 'LOG') =>
      JSON.stringify({ timestamp: 'x', error_severity: severity, message })
    const path = file(
      'postgresql.json',
      [
        line('connection received'),
        line('statement: SET a = 1'),
        line('statement: SET a = 1', 'ERROR'),
        '{"cut',
      ].join('\n'),
    )
    expect(shapes(await found(path))).toEqual([['SET a = $1', 1, 2]])
  })

  it('are told apart by how they begin', () => {
    expect(formatOf(['', '{"timestamp":"x"}'])).toBe('json')
    expect(formatOf(['2026-11-21 05:00:00.001 UTC,"bob","app"'])).toBe('csv')
    expect(formatOf(['starting', '[1] LOG:  statement: SELECT 1'])).toBe('stderr')
    expect(formatOf(['-- a file', "SELECT 'LOG: x'"])).toBe('sql')
    expect(formatOf([])).toBe('sql')
  })
})
