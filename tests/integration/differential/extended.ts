/**
 * Scenarios of the extended query protocol: portals, formats, row limits, errors in the middle of
 * pipelines, Flush and Sync wherever they may stand.
 */
import {
  close,
  describe,
  execute,
  flush,
  parse,
  query,
  sync,
} from '../../../src/wire/postgres/frontend.ts'
import { ask, bindTo, call, int4, ready, type Scenario, see, Z } from './scenario.ts'

const S = sync()
const H = flush()
const B = bindTo({})
const run = (text: string): Buffer =>
  Buffer.concat([parse('', text, []), B, describe('P', ''), execute('', 0)])
const many = (...parts: Buffer[]): Buffer => Buffer.concat(parts)

export const extended: readonly Scenario[] = [
  { name: 'an unnamed statement, everything at once', steps: [many(run('select 1 as n'), S), Z] },
  {
    name: 'parameters as text',
    steps: [
      many(
        parse('', 'select $1::int + $2::int, $3::text', []),
        bindTo({ values: ['1', '41', null] }),
        execute('', 0),
        S,
      ),
      Z,
    ],
  },
  {
    name: 'parameters and results in binary',
    steps: [
      many(
        parse('', 'select $1 + 1, $2 || $3, now() is null', [23, 25, 25]),
        describe('S', ''),
        bindTo({
          values: [int4(41), 'a', Buffer.from('b')],
          formats: [1, 0, 1],
          results: [1, 0, 1],
        }),
        describe('P', ''),
        execute('', 0),
        S,
      ),
      Z,
    ],
  },
  {
    name: 'one format for all',
    steps: [
      many(
        parse('', 'select $1::int4, $2::int4, 1.5::float8, null::text', []),
        bindTo({ values: [int4(1), int4(2)], formats: [1], results: [1] }),
        describe('P', ''),
        execute('', 0),
        S,
      ),
      Z,
    ],
  },
  {
    name: 'wrong numbers of parameters and formats',
    steps: [
      many(parse('', 'select $1::int', []), bindTo({ values: [] }), execute('', 0), S),
      Z,
      many(parse('', 'select $1::int', []), bindTo({ values: ['1', '2'] }), S),
      Z,
      many(parse('', 'select $1::int', []), bindTo({ values: ['1'], formats: [0, 0] }), S),
      Z,
      many(parse('', 'select $1::int', []), bindTo({ values: ['x'] }), S),
      Z,
      many(
        parse('', 'select $1::int', []),
        bindTo({ values: [Buffer.from('abc')], formats: [1] }),
        S,
      ),
      Z,
      many(parse('', 'select 1', []), bindTo({ results: [1, 1] }), S),
      Z,
      many(parse('', 'select 1', []), bindTo({ results: [7] }), execute('', 0), S),
      Z,
    ],
  },
  {
    name: 'parameter types of several kinds, described',
    steps: [
      many(
        parse('', 'select $1, $2::jsonb, $3 from generate_series($4, 3) where $5', [1043]),
        describe('S', ''),
        S,
      ),
      Z,
      many(parse('', 'select $1', [0]), describe('S', ''), S),
      Z,
      many(parse('', 'select $1 + $1', [23, 25]), describe('S', ''), S),
      Z,
      many(parse('', 'select $1', [999_999]), describe('S', ''), S),
      Z,
    ],
  },
  {
    name: 'one message at a time, each awaited after Flush',
    steps: [
      many(parse('', 'select * from generate_series(1, 3) n', []), H),
      see('1'),
      many(describe('S', ''), H),
      see('T'),
      many(B, H),
      see('2'),
      many(describe('P', ''), H),
      see('T'),
      many(execute('', 0), H),
      see('C'),
      S,
      Z,
    ],
  },
  {
    name: 'Flush without Sync, then the error, then Sync',
    steps: [
      many(run('select 1'), H),
      see('C'),
      many(parse('', 'select 1/0', []), B, execute('', 0), H),
      see('E'),
      many(run('select 2'), H),
      S,
      Z,
    ],
  },
  {
    name: 'a portal in pieces',
    steps: [
      many(
        parse('', 'select n, repeat(n::text, 3) from generate_series(1, 7) n', []),
        bindTo({ portal: 'p' }),
        execute('p', 3),
        execute('p', 3),
        execute('p', 3),
        execute('p', 3),
        S,
      ),
      Z,
    ],
  },
  {
    name: 'a portal in pieces, awaited in a transaction',
    steps: [
      ...ask('begin'),
      many(
        parse('', 'select n from generate_series(1, 5) n', []),
        bindTo({ portal: 'p' }),
        execute('p', 2),
        S,
      ),
      see('s'),
      Z,
      many(execute('p', 2), H),
      see('s'),
      many(execute('p', 0), S),
      Z,
      many(close('P', 'p'), S),
      Z,
      many(execute('p', 1), S),
      Z,
      ...ask('rollback'),
    ],
  },
  {
    name: 'a portal does not outlive its transaction',
    steps: [
      many(parse('', 'select 1', []), bindTo({ portal: 'p' }), execute('p', 0), S),
      Z,
      many(execute('p', 0), S),
      Z,
      many(describe('P', 'p'), S),
      Z,
      many(close('P', 'p'), S),
      Z,
    ],
  },
  {
    name: 'several portals side by side',
    steps: [
      ...ask('begin'),
      many(
        parse('', 'select n from generate_series(1, 4) n', []),
        bindTo({ portal: 'a' }),
        bindTo({ portal: 'b', results: [1] }),
        execute('a', 1),
        execute('b', 1),
        execute('a', 1),
        describe('P', 'b'),
        execute('b', 0),
        execute('a', 0),
        S,
      ),
      Z,
      many(bindTo({ portal: 'a' }), S),
      Z,
      ...ask('commit'),
    ],
  },
  {
    name: 'Execute twice',
    steps: [
      many(parse('', 'select 1', []), B, execute('', 0), execute('', 0), S),
      Z,
      many(
        parse('', "insert into t (name) values ('x') returning name", []),
        B,
        execute('', 0),
        execute('', 0),
        S,
      ),
      Z,
    ],
    setup: 'truncate t restart identity',
  },
  {
    name: 'the empty query in the extended protocol',
    steps: [many(parse('', '', []), describe('S', ''), B, describe('P', ''), execute('', 0), S), Z],
  },
  {
    name: 'statements that return nothing, described',
    steps: [
      many(run("set local work_mem = '1MB'"), run('select 1'), S),
      Z,
      many(run('begin'), run('select 1'), run('commit'), S),
      Z,
    ],
  },
  {
    name: 'only Sync, several times',
    steps: [many(S, S, S), ready(3), S, Z, many(H, S), Z],
  },
  {
    name: 'several Syncs in one write',
    steps: [many(run('select 1'), S, run('select 2'), S, run('select 3'), S), ready(3)],
  },
  {
    name: 'a pipeline with the error at its head',
    steps: [
      many(run('select 1/0'), run('select 2'), run('select 3'), S, run('select 4'), S),
      ready(2),
    ],
  },
  {
    name: 'a pipeline with errors in the middle',
    steps: [
      many(
        run('select 1'),
        S,
        run('select 1/0'),
        run('select 2'),
        S,
        run('selec'),
        S,
        run('select 3'),
        S,
      ),
      ready(4),
    ],
  },
  {
    name: 'errors at Parse, Bind, Describe and Execute',
    steps: [
      many(parse('', 'nonsense', []), B, describe('P', ''), execute('', 0), S),
      Z,
      many(
        parse('', 'select $1::int', []),
        bindTo({ values: ['x'] }),
        describe('P', ''),
        execute('', 0),
        S,
      ),
      Z,
      many(parse('', 'select 1', []), describe('S', 'unknown'), B, execute('', 0), S),
      Z,
      many(parse('', 'select 1', []), B, describe('P', 'unknown'), execute('', 0), S),
      Z,
      many(parse('', 'select 1', []), B, execute('unknown', 0), execute('', 0), S),
      Z,
      many(parse('', 'select 1; select 2', []), B, execute('', 0), S),
      Z,
    ],
  },
  {
    name: 'a pipeline in one implicit transaction takes all back',
    steps: [
      many(run("insert into t (name) values ('gone')"), run('select 1/0'), S),
      Z,
      ...ask('select count(*) from t'),
      many(run("insert into t (name) values ('kept')"), S, run('select 1/0'), S),
      ready(2),
      ...ask('select count(*) from t'),
    ],
    setup: 'truncate t restart identity',
  },
  {
    name: 'a whole transaction in one pipeline',
    steps: [
      many(
        run('begin'),
        run("insert into t (name) values ('a')"),
        run('savepoint s'),
        run('select 1/0'),
        S,
      ),
      Z,
      many(run('rollback to s'), run('select count(*) from t'), run('commit'), S),
      Z,
      many(
        run('begin'),
        S,
        run('select 1/0'),
        S,
        run('select 1'),
        S,
        run('rollback'),
        S,
        run('select 2'),
        S,
      ),
      ready(5),
    ],
    setup: 'truncate t restart identity',
  },
  {
    name: 'a failed transaction in the extended protocol',
    steps: [
      ...ask('begin'),
      many(run('select 1/0'), S),
      Z,
      many(run('select 1'), S),
      Z,
      many(run(''), S),
      Z,
      many(parse('', 'select $1', []), S),
      Z,
      many(run('rollback'), S),
      Z,
    ],
  },
  {
    name: 'simple and extended mixed in one write',
    steps: [
      many(
        run('select 1'),
        S,
        query('select 2'),
        run('select 3'),
        S,
        query('select 1/0'),
        run('select 4'),
        S,
      ),
      ready(5),
    ],
  },
  {
    name: 'a simple query behind an unsynced batch',
    // Not more on this connection: the server itself is left in a state it calls unexpected.
    steps: [many(run('select 1'), query('select 2')), Z],
  },
  {
    name: 'a simple query behind an error is skipped up to Sync',
    steps: [
      many(run('select 1/0'), query('select 2'), S),
      Z,
      many(run('select 1/0'), H),
      see('E'),
      many(query('select 3'), call(177, [int4(1), int4(1)], 1), run('select 4')),
      many(S, query('select 5'), run('select 6'), S),
      ready(3),
    ],
  },
  {
    name: 'a notice and a warning within a pipeline',
    steps: [
      many(run("do $$ begin raise notice 'in a pipeline'; end $$"), run('select 1'), S),
      Z,
      many(run('commit'), run('select 1'), S),
      Z,
      many(run('begin'), run('begin'), S),
      Z,
      many(run('commit'), S),
      Z,
    ],
  },
  {
    name: 'explain, show, fetch and returning are described',
    steps: [
      many(run('explain (costs off) select 1'), run('show server_encoding'), S),
      Z,
      many(
        run('begin'),
        run('declare c cursor for select 7 as seven'),
        run('fetch c'),
        run('commit'),
        S,
      ),
      Z,
      many(run("insert into t (name) values ('r') returning id, name"), S),
      Z,
    ],
    setup: 'truncate t restart identity',
  },
  {
    name: 'long texts and many parameters',
    steps: [
      many(
        parse(
          '',
          `select ${Array.from({ length: 500 }, (_, i) => `$${i + 1}::int`).join(' + ')}`,
          [],
        ),
        describe('S', ''),
        bindTo({ values: Array.from({ length: 500 }, (_, i) => String(i)) }),
        execute('', 0),
        S,
      ),
      Z,
      many(parse('', `select length('${'x'.repeat(40_000)}')`, []), B, execute('', 0), S),
      Z,
    ],
  },
  {
    name: 'functions that set things within the batch only',
    steps: [
      many(run("select set_config('work_mem', '2MB', true)"), run('show work_mem'), S),
      Z,
      many(run('show work_mem'), S),
      Z,
    ],
  },
]
