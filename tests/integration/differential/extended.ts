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
  sync,
} from '../../../src/wire/postgres/frontend.ts'
import { ask, bindTo, int4, type Scenario, see, Z } from './scenario.ts'

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
]
