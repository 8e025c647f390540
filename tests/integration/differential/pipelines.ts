/** Scenarios of pipelines: several Syncs at once, errors at each place, and what may follow them. */
import {
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

export const pipelines: readonly Scenario[] = [
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
