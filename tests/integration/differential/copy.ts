/** Scenarios of COPY, in and out, text and binary, alone, in texts of several statements, and through the extended protocol. */
import {
  copyData,
  copyDone,
  copyFail,
  describe,
  execute,
  flush,
  parse,
  query,
  sync,
} from '../../../src/wire/postgres/frontend.ts'
import { ask, bindTo, ready, type Scenario, see, Z } from './scenario.ts'

const S = sync()
const many = (...parts: Buffer[]): Buffer => Buffer.concat(parts)
const data = (text: string): Buffer => copyData(Buffer.from(text))
const run = (text: string): Buffer =>
  many(parse('', text, []), bindTo({}), describe('P', ''), execute('', 0))
const IN = 'copy c (id, v) from stdin'
const COUNT = ask('select count(*), sum(id) from c')
const SETUP = "truncate c; insert into c select i, 'v' || i from generate_series(1, 5) i"
/** What COPY BINARY begins with: signature, flags, no extension. */
const BINARY_HEAD = Buffer.from('5047434f50590aff0d0a000000000000000000', 'hex')
const BINARY_ROW = Buffer.from('0002000000040000002a0000000178', 'hex')
const BINARY_END = Buffer.from('ffff', 'hex')

function scenario(name: string, steps: Scenario['steps'], known?: string): Scenario {
  const whole = { name, steps: [...steps, ...COUNT], setup: SETUP }
  return known === undefined ? whole : { ...whole, known }
}

const LOST = 'when a server connection is lost outside of a transaction the session goes on'

export const copy: readonly Scenario[] = [
  scenario('COPY out as text, CSV and binary', [
    ...ask('copy c to stdout'),
    ...ask('copy (select id, v from c order by id desc) to stdout with (format csv, header)'),
    ...ask('copy c to stdout with (format binary)'),
    ...ask('copy (select 1 where false) to stdout'),
  ]),
  scenario('COPY in', [
    query(IN),
    see('G'),
    data('10\tten\n11\televen\n'),
    data('12\t'),
    data('twelve\n'),
    copyDone(),
    Z,
  ]),
  scenario('COPY in with everything in one write', [
    many(query(IN), data('10\tten\n'), copyDone()),
    Z,
    many(query(IN), copyDone(), query('select 1')),
    ready(2),
  ]),
  scenario('COPY in with Flush and Sync between the data', [
    query(IN),
    see('G'),
    many(data('10\tten\n'), flush(), S, data('11\tx\n'), S, copyDone()),
    Z,
  ]),
  scenario('COPY in as binary', [
    query('copy c from stdin with (format binary)'),
    see('G'),
    copyData(many(BINARY_HEAD, BINARY_ROW, BINARY_ROW, BINARY_END)),
    copyDone(),
    Z,
    query('copy c from stdin with (format binary)'),
    see('G'),
    many(copyData(Buffer.from('nonsense')), copyDone()),
    Z,
  ]),
  scenario('COPY in with a row that fails', [
    query(IN),
    see('G'),
    many(data('10\tten\n'), data('eleven\t11\n'), data('12\ttwelve\n'), copyDone()),
    Z,
  ]),
  scenario('COPY in with a row that fails while data still comes', [
    query(IN),
    see('G'),
    data('x\ty\n'),
    see('E'),
    many(data('13\tz\n'), copyDone()),
    Z,
  ]),
  scenario('COPY in with columns missing and too many', [
    many(query(IN), data('1\n'), copyDone()),
    Z,
    many(query(IN), data('1\t2\t3\n'), copyDone()),
    Z,
  ]),
  scenario('CopyFail', [
    query(IN),
    see('G'),
    many(data('10\tten\n'), copyFail('changed my mind')),
    Z,
    many(query(IN), copyFail('at once')),
    Z,
  ]),
  scenario('COPY in a transaction', [
    ...ask('begin'),
    many(query(IN), data('10\tten\n'), copyDone()),
    Z,
    many(query(IN), data('x\n'), copyDone()),
    Z,
    many(query('rollback')),
    Z,
  ]),
  scenario('COPY that cannot start', [
    ...ask('copy nowhere from stdin'),
    ...ask('copy c (nothing) to stdout'),
    many(query('copy nowhere from stdin'), data('1\t2\n'), copyDone()),
    Z,
    ...ask('select 1'),
  ]),
  scenario('COPY in a text of several statements', [
    query(`select 1; ${IN}; select 2; copy c to stdout; select 3`),
    see('G'),
    many(data('10\tten\n'), copyDone()),
    Z,
    query(`${IN}; ${IN}; select 4`),
    see('G'),
    many(data('20\ta\n'), copyDone()),
    see('G'),
    many(data('21\tb\n'), copyDone()),
    Z,
    many(query(`${IN}; select 5`), data('x\n'), copyDone()),
    Z,
  ]),
  scenario('COPY out in a text that fails later', [
    ...ask('copy c to stdout; select 1/0; select 2'),
  ]),
  scenario('COPY in through the extended protocol as libpq does it', [
    many(run(IN), S),
    see('G'),
    many(data('10\tten\n'), copyDone(), S),
    Z,
  ]),
  scenario('COPY in through the extended protocol that fails', [
    many(run(IN), S),
    see('G'),
    many(data('x\n'), data('11\ty\n'), copyDone(), S),
    Z,
    many(run(IN), S),
    see('G'),
    many(copyFail('no'), S),
    Z,
    many(run('copy nowhere from stdin'), S),
    Z,
  ]),
  scenario('COPY in through the extended protocol with Flush', [
    many(run(IN), flush()),
    see('G'),
    many(data('10\tten\n'), copyDone(), flush()),
    see('C'),
    many(run('select 1'), S),
    Z,
  ]),
  scenario('COPY in through the extended protocol with data at once', [
    many(run(IN), data('10\tten\n'), copyDone(), S),
    Z,
    many(run(IN), data('11\tx\n'), copyDone(), run('select 1'), S),
    Z,
  ]),
  scenario('COPY out through the extended protocol', [
    many(run('copy c to stdout'), S),
    Z,
    many(run('copy c to stdout'), run('select 1'), S, run('select 2'), S),
    ready(2),
    many(
      parse('o', 'copy (select 1) to stdout', []),
      bindTo({ statement: 'o' }),
      execute('', 0),
      S,
    ),
    Z,
    many(bindTo({ statement: 'o' }), execute('', 0), S),
    Z,
  ]),
  scenario('COPY in with a named statement', [
    many(parse('i', IN, []), S),
    Z,
    many(bindTo({ statement: 'i' }), execute('', 0), S),
    see('G'),
    many(data('10\tten\n'), copyDone(), S),
    Z,
    many(bindTo({ statement: 'i' }), execute('', 0), S),
    see('G'),
    many(data('11\tx\n'), copyDone(), S),
    Z,
  ]),
  scenario('COPY messages outside of a copy', [
    many(data('1\t2\n'), copyDone(), copyFail('x')),
    ...ask('select 1'),
    many(run('select 2'), data('1\n'), copyDone(), S),
    Z,
  ]),
  scenario(
    'another message in the middle of COPY in',
    [query(IN), see('G'), many(data('10\tten\n'), query('select 1')), see('E'), S, ready(1)],
    LOST,
  ),
  scenario(
    'Parse in the middle of COPY in through the extended protocol',
    [
      many(run(IN), flush()),
      see('G'),
      many(data('10\tten\n'), parse('', 'select 1', [])),
      see('E'),
      S,
      Z,
    ],
    LOST,
  ),
  {
    name: 'COPY of many rows both ways',
    large: true,
    steps: [
      ...ask("copy (select i, repeat('x', 50) from generate_series(1, 20000) i) to stdout"),
      query('copy c from stdin'),
      see('G'),
      ...Array.from({ length: 40 }, (_, i) =>
        data(Array.from({ length: 250 }, (_, k) => `${i * 250 + k}\tvalue ${k}\n`).join('')),
      ),
      copyDone(),
      Z,
      ...COUNT,
    ],
    setup: 'truncate c',
  },
]
