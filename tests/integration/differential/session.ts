/**
 * Scenarios of what belongs to a session: settings, notifications, functions called by OID, large
 * objects, large and many rows.
 */
import {
  execute,
  flush,
  parse,
  query,
  sync,
  terminate,
} from '../../../src/wire/postgres/frontend.ts'
import { ask, bindTo, call, int4, queries, ready, type Scenario, see, Z } from './scenario.ts'

const S = sync()
const many = (...parts: Buffer[]): Buffer => Buffer.concat(parts)
const run = (text: string): Buffer => many(parse('', text, []), bindTo({}), execute('', 0))
const INT4PL = 177
const TEXTLEN = 1257
const INT4DIV = 154
const INT8 = (n: bigint): Buffer => {
  const value = Buffer.alloc(8)
  value.writeBigInt64BE(n)
  return value
}

export const session: readonly Scenario[] = [
  queries('SET of reported settings', [
    "set application_name = 'renamed'",
    "set timezone = 'America/New_York'",
    "set datestyle = 'German, DMY'",
    "select '2024-02-03 04:05+00'::timestamptz",
    'set intervalstyle = iso_8601',
    "select '1 day 3 hours'::interval",
    'set client_encoding = latin1',
    "select 'ü'",
    'reset all',
    'show timezone',
  ]),
  queries('SET of other settings stays', [
    "set work_mem = '3MB'",
    'select 1',
    'show work_mem',
    "set my.own = 'x'",
    'show my.own',
    'reset work_mem',
    'show work_mem',
    'set no_such = 1',
    'set work_mem = nonsense',
    'set search_path = pg_catalog',
    'show search_path',
    "select current_setting('no.such', true), current_setting('no.such')",
  ]),
  queries('SET LOCAL and SET within transactions', [
    'begin',
    "set local timezone = 'Asia/Tokyo'",
    'show timezone',
    'commit',
    'show timezone',
    'begin',
    "set timezone = 'Asia/Tokyo'",
    'rollback',
    'show timezone',
    'begin',
    "set timezone = 'Asia/Tokyo'",
    'commit',
    'show timezone',
    "set local work_mem = '1MB'",
  ]),
  queries('SET of the role and the session user', [
    'set role guest',
    'select current_user, session_user',
    'create table forbidden (id int)',
    'reset role',
    'set session authorization guest',
    'select current_user, session_user',
    'reset session authorization',
    'select current_user, session_user',
    'set role nobody_at_all',
  ]),
  queries('set_config', [
    "select set_config('application_name', 'by function', false)",
    'show application_name',
    "begin; select set_config('application_name', 'for a moment', true)",
    'commit',
    'show application_name',
  ]),
  queries('a setting of a function does not leave it', ['select with_setting()', 'show work_mem']),
  queries('timeouts', [
    "set statement_timeout = '1s'",
    'select pg_sleep(5)',
    'set statement_timeout = 0',
    'select 1',
    "begin; set local lock_timeout = '1s'; select 1",
    'commit',
  ]),
  queries('LISTEN and NOTIFY in one session', [
    'listen here',
    'notify here',
    "notify here, 'a payload'",
    "begin; notify here, 'one'; notify here, 'two'; notify here, 'one'",
    'select 1',
    'commit',
    "select pg_notify('here', 'by function')",
    'select pg_listening_channels()',
    'unlisten here',
    "notify here, 'unheard'",
    'unlisten *',
  ]),
  {
    name: 'NOTIFY within a pipeline',
    known: 'what a pipeline notifies its own client of comes at an earlier end of an answer',
    sometimes: true,
    steps: [
      ...ask('listen pipe'),
      many(run("notify pipe, 'a'"), run('select 1'), S, run("notify pipe, 'b'"), S),
      ready(2),
      see('A', 2),
    ],
  },
  {
    name: 'functions called by OID',
    steps: [
      call(INT4PL, [int4(40), int4(2)], 1),
      Z,
      call(INT4PL, [Buffer.from('40'), Buffer.from('2')], 0),
      Z,
      call(TEXTLEN, [Buffer.from('four')], 1),
      Z,
      call(TEXTLEN, [null], 1),
      Z,
      call(INT4DIV, [int4(1), int4(0)], 1),
      Z,
      call(INT4PL, [int4(1)], 1),
      Z,
      call(99_999_999, [], 1),
      Z,
      ...ask('begin'),
      call(INT4DIV, [int4(1), int4(0)], 1),
      Z,
      call(INT4PL, [int4(1), int4(1)], 1),
      Z,
      ...ask('rollback'),
      many(call(INT4PL, [int4(1), int4(1)], 1), query('select 1'), run('select 2'), S),
      ready(3),
    ],
  },
  queries('large objects', [
    'begin',
    'select lo_create(424242)',
    'select lo_open(424242, 131072 + 262144)',
    "select lowrite(0, 'hello large world')",
    'select lo_lseek(0, 6, 0)',
    'select loread(0, 5)',
    'select lo_close(0)',
    'commit',
    "select convert_from(lo_get(424242), 'utf8')",
    'select loread(0, 5)',
    'select lo_unlink(424242)',
    'select lo_unlink(424242)',
  ]),
  {
    name: 'large objects by function calls',
    steps: [
      ...ask('begin'),
      ...ask('select lo_create(434343)'),
      call(952, [int4(434_343), int4(0x20000 | 0x40000)], 1),
      Z,
      call(955, [int4(0), Buffer.from('bytes')], 1),
      Z,
      call(956, [int4(0), int4(0), int4(0)], 1),
      Z,
      call(954, [int4(0), int4(100)], 1),
      Z,
      call(953, [int4(0)], 1),
      Z,
      ...ask('rollback'),
      call(3170, [int4(0), INT8(0n), int4(0)], 1),
      Z,
    ],
  },
  {
    name: 'one row of five megabytes',
    large: true,
    steps: [
      ...ask("select repeat('0123456789', 524288) as big"),
      many(
        parse('', 'select $1::text, length($1)', []),
        bindTo({ values: ['y'.repeat(3_000_000)] }),
        execute('', 0),
        S,
      ),
      Z,
      ...ask(`select length('${'z'.repeat(2_000_000)}')`),
    ],
  },
  {
    name: 'many small rows',
    large: true,
    steps: [
      ...ask('select n, n * 2, n::text from generate_series(1, 30000) n'),
      many(run('select n from generate_series(1, 20000) n'), run('select 1'), S),
      Z,
    ],
  },
  {
    name: 'a large notice and a large error',
    large: true,
    steps: [
      ...ask("do $$ begin raise notice '%', repeat('n', 100000); end $$"),
      ...ask("do $$ begin raise exception '%', repeat('e', 100000); end $$"),
    ],
  },
  {
    name: 'Terminate in the middle',
    steps: [...ask('begin'), terminate(), Z],
  },
  {
    name: 'Terminate right behind a query',
    known: 'a client that says goodbye is not told what its last request came to',
    steps: [many(query('select 1'), terminate()), ready(2)],
  },
  {
    name: 'the server ends the session',
    known: 'when a server connection is lost outside of a transaction the session goes on',
    steps: [...ask('select 1'), query('select pg_terminate_backend(pg_backend_pid())'), ready(2)],
  },
  {
    name: 'messages nobody knows',
    sourceless: true,
    steps: [...ask('select 1'), Buffer.from('y\0\0\0\x04', 'latin1'), Z],
  },
  {
    name: 'a message whose length is impossible',
    known: 'Weir says what was wrong, Postgres closes without a word',
    steps: [...ask('select 1'), Buffer.from('S\0\0\0\x01', 'latin1'), Z],
  },
  {
    name: 'a message with bytes left over',
    sourceless: true,
    steps: [
      ...ask('select 1'),
      Buffer.from('Q\0\0\0\x0dselect 1\0!', 'latin1'),
      Z,
      Buffer.from('D\0\0\0\x07Sx\0', 'latin1'),
      flush(),
      S,
      Z,
    ],
  },
]
