/**
 * Scenarios of prepared statements and errors: what an error leaves of names, in its batch, in later
 * ones and in a failed transaction, and of the unnamed statement.
 */
import {
  close,
  describe,
  execute,
  parse,
  query,
  sync,
} from '../../../src/wire/postgres/frontend.ts'
import { ask, bindTo, ready, type Scenario, type Step, Z } from './scenario.ts'

const S = sync()
const many = (...parts: Buffer[]): Buffer => Buffer.concat(parts)
const use = (statement: string, ...values: string[]): Buffer =>
  many(bindTo({ statement, values }), describe('P', ''), execute('', 0))
const prepared = (name: string, text: string): Step[] => [many(parse(name, text, []), S), Z]

export const failing: readonly Scenario[] = [
  {
    name: 'Parse that fails leaves no name',
    steps: [
      ...prepared('a', 'selec'),
      many(use('a'), S),
      Z,
      ...prepared('a', 'select 1'),
      many(use('a'), S),
      Z,
      many(parse('b', 'select 1/0', []), use('b'), S),
      Z,
      many(use('b'), S),
      Z,
    ],
  },
  {
    name: 'Parse behind an error never happened',
    steps: [
      many(use('missing'), parse('a', 'select 1', []), use('a'), S),
      Z,
      many(use('a'), S),
      Z,
      ...prepared('a', 'select 2'),
      many(use('a'), S),
      Z,
    ],
  },
  {
    name: 'Close behind an error never happened',
    steps: [
      ...prepared('a', 'select 1'),
      many(use('missing'), close('S', 'a'), S),
      Z,
      many(use('a'), S),
      Z,
      many(use('missing'), close('S', 'a'), parse('a', 'select 2', []), S),
      Z,
      many(use('a'), S),
      Z,
    ],
  },
  {
    name: 'Parse before an error did happen',
    steps: [
      many(parse('a', 'select 1', []), use('missing'), S),
      Z,
      many(use('a'), S),
      Z,
      ...prepared('a', 'select 2'),
      many(parse('b', 'select 3', []), parse('c', 'select 1/0', []), use('c'), use('b'), S),
      Z,
      many(use('b'), S),
      Z,
      many(use('c'), S),
      Z,
    ],
  },
  {
    name: 'Parse in a failed transaction',
    steps: [
      ...prepared('a', 'select 1'),
      ...prepared('r', 'rollback'),
      ...ask('begin; select 1/0'),
      ...prepared('b', 'select 2'),
      ...prepared('c', 'select 1'),
      many(use('a'), S),
      Z,
      many(describe('S', 'a'), S),
      Z,
      many(describe('S', 'r'), use('r'), S),
      Z,
      many(use('b'), S),
      Z,
      many(use('c'), S),
      Z,
      many(use('a'), S),
      Z,
    ],
  },
  {
    name: 'rollback, commit and others prepared in a failed transaction',
    steps: [
      ...ask('begin; select 1/0'),
      ...prepared('r', 'rollback'),
      ...prepared('c', 'commit'),
      ...prepared('s', 'rollback to nowhere'),
      ...prepared('e', ''),
      many(use('e'), S),
      Z,
      many(use('c'), S),
      Z,
      many(use('r'), S),
      Z,
    ],
  },
  {
    name: 'the transaction fails in the batch that parses',
    steps: [
      ...ask('begin'),
      many(use('missing'), S, parse('a', 'select 1', []), S),
      ready(2),
      ...ask('rollback'),
      many(use('a'), S),
      Z,
      ...prepared('a', 'select 1'),
      ...ask('begin'),
      many(parse('z', 'select 1/0', []), use('z'), S, parse('b', 'select 1', []), S),
      ready(2),
      ...ask('rollback'),
      many(use('b'), S),
      Z,
    ],
  },
  {
    name: 'a statement is used before the failure of its Parse is known',
    steps: [
      ...ask('begin'),
      many(use('missing'), S, parse('a', 'select 1', []), S, use('a'), S),
      ready(3),
      ...ask('rollback'),
    ],
  },
  {
    name: 'a statement prepared in a transaction that is rolled back stays',
    steps: [
      ...ask('begin'),
      ...prepared('a', 'select 1'),
      ...ask('rollback'),
      many(use('a'), S),
      Z,
      ...ask('begin; savepoint x'),
      ...prepared('b', 'select 2'),
      ...ask('rollback to x'),
      many(use('b'), S),
      Z,
      ...ask('commit'),
    ],
  },
  {
    name: 'used across many transactions',
    steps: [
      ...prepared('a', 'select $1::int * 2'),
      ...prepared('b', 'insert into t (name) values ($1) returning name'),
      ...[1, 2, 3, 4].flatMap((i): Step[] => [
        ...ask('begin'),
        many(use('a', String(i)), S),
        Z,
        many(use('b', `n${i}`), S),
        Z,
        ...ask(i % 2 === 0 ? 'commit' : 'rollback'),
      ]),
      ...ask('select name from t order by id'),
    ],
    setup: 'truncate t restart identity',
  },
  {
    name: 'an unnamed statement used in a later batch',
    steps: [
      ...prepared('', "select 'mine', $1::int"),
      many(use('', '1'), S),
      Z,
      many(describe('S', ''), S),
      Z,
      many(use('', '2'), S),
      Z,
    ],
  },
  {
    name: 'a simple query takes the unnamed statement away',
    steps: [
      ...prepared('', 'select 1'),
      ...ask('select 2'),
      many(use(''), S),
      Z,
      many(describe('S', ''), S),
      Z,
    ],
  },
  {
    name: 'a fresh session has no unnamed statement',
    steps: [many(use(''), S), Z, many(describe('S', ''), S), Z, many(close('S', ''), S), Z],
  },
  {
    name: 'no unnamed statement is found behind an error either',
    steps: [
      many(use('missing'), use(''), S, use(''), S, describe('S', ''), S),
      ready(3),
      many(use('missing'), use(''), S, use(''), S),
      ready(2),
    ],
  },
  {
    name: 'the own unnamed statement is found behind an error',
    steps: [
      ...prepared('', "select 'own'"),
      many(use('missing'), use(''), S, use(''), S, describe('S', ''), S),
      ready(3),
    ],
  },
  {
    name: 'the unnamed statement after Close and after an error',
    steps: [
      ...prepared('', 'select 1'),
      many(close('S', ''), S),
      Z,
      many(use(''), S),
      Z,
      ...prepared('', 'select 2'),
      ...prepared('', 'selec'),
      many(use(''), S),
      Z,
      many(parse('', 'select 3', []), S, use('missing'), S, use(''), S),
      ready(3),
    ],
  },
  {
    name: 'the unnamed statement across an error in its own batch',
    steps: [
      many(parse('', 'select 1', []), use('missing'), S),
      Z,
      many(use(''), S),
      Z,
      many(use('missing'), parse('', 'select 2', []), S),
      Z,
      many(use(''), S),
      Z,
      many(use('missing'), close('S', ''), S),
      Z,
      many(use(''), S),
      Z,
    ],
  },
  {
    name: 'an empty query string and the unnamed statement',
    steps: [...prepared('', 'select 1'), query(''), Z, many(use(''), S), Z],
  },
]
