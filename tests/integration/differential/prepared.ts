/**
 * Scenarios of named prepared statements, which Weir renames, shares and prepares again: whatever a
 * client does with names, errors and transactions, it must not show.
 */
import {
  close,
  describe,
  execute,
  flush,
  parse,
  sync,
} from '../../../src/wire/postgres/frontend.ts'
import { bindTo, int4, ready, type Scenario, type Step, see, Z } from './scenario.ts'

const S = sync()
const H = flush()
const many = (...parts: Buffer[]): Buffer => Buffer.concat(parts)
const use = (statement: string, ...values: string[]): Buffer =>
  many(bindTo({ statement, values }), describe('P', ''), execute('', 0))
const prepared = (name: string, text: string): Step[] => [many(parse(name, text, []), S), Z]

export const named: readonly Scenario[] = [
  {
    name: 'prepared once and used in later batches',
    steps: [
      ...prepared('a', 'select $1::int + 1 as n'),
      many(use('a', '1'), S),
      Z,
      many(describe('S', 'a'), S),
      Z,
      many(use('a', '2'), use('a', '3'), S),
      Z,
      many(
        bindTo({ statement: 'a', values: [int4(7)], formats: [1], results: [1] }),
        execute('', 0),
        S,
      ),
      Z,
    ],
  },
  {
    name: 'prepared and used in one batch',
    steps: [
      many(parse('a', 'select $1::text', []), describe('S', 'a'), use('a', 'x'), S),
      Z,
      many(use('a', 'y'), S),
      Z,
    ],
  },
  {
    name: 'Parse of a name that is taken',
    steps: [
      ...prepared('a', 'select 1'),
      ...prepared('a', 'select 2'),
      many(use('a'), S),
      Z,
      ...prepared('a', 'select 1'),
      ...prepared('a', 'nonsense'),
      many(parse('a', 'select 3', []), use('a'), S, use('a'), S),
      ready(2),
    ],
  },
  {
    name: 'Parse of a taken name within one batch',
    steps: [
      many(parse('a', 'select 1', []), parse('a', 'select 1', []), use('a'), S),
      Z,
      many(use('a'), S),
      Z,
    ],
  },
  {
    name: 'names nobody prepared',
    steps: [
      many(use('nobody'), S),
      Z,
      many(describe('S', 'nobody'), S),
      Z,
      many(parse('', 'select 1', []), S),
      Z,
      many(use('nobody'), use(''), S),
      Z,
    ],
  },
  {
    name: 'names nobody prepared that look like ours',
    steps: [many(use('weir:1'), S), Z],
  },
  {
    name: 'Close of known and unknown names',
    steps: [
      ...prepared('a', 'select 1'),
      many(close('S', 'a'), S),
      Z,
      many(use('a'), S),
      Z,
      many(
        close('S', 'a'),
        close('S', 'never'),
        close('P', 'never'),
        close('P', ''),
        close('S', ''),
        S,
      ),
      Z,
    ],
  },
  {
    name: 'prepared again after Close, with another text',
    steps: [
      ...prepared('a', "select 'first'"),
      many(use('a'), S),
      Z,
      many(close('S', 'a'), parse('a', "select 'second', 2", []), use('a'), S),
      Z,
      many(use('a'), S),
      Z,
      many(close('S', 'a'), S),
      Z,
      ...prepared('a', "select 'first'"),
      many(use('a'), S),
      Z,
    ],
  },
  {
    name: 'Close and Flush alone',
    steps: [
      ...prepared('a', 'select 1'),
      many(close('S', 'a'), H),
      see('3'),
      many(close('S', 'b'), H),
      see('3'),
      many(parse('a', 'select 1', []), H),
      see('1'),
      S,
      Z,
      many(use('a'), S),
      Z,
    ],
  },
  {
    name: 'two names for one text',
    steps: [
      many(parse('a', 'select 1', []), parse('b', 'select 1', []), S),
      Z,
      many(use('a'), use('b'), close('S', 'a'), use('b'), S),
      Z,
      many(use('b'), use('a'), S),
      Z,
    ],
  },
  {
    name: 'one text with different parameter types',
    steps: [
      many(
        parse('a', 'select $1', [23]),
        parse('b', 'select $1', [25]),
        parse('c', 'select $1', []),
        S,
      ),
      Z,
      many(
        describe('S', 'a'),
        describe('S', 'b'),
        describe('S', 'c'),
        use('a', '1'),
        use('b', '1'),
        S,
      ),
      Z,
    ],
  },
  {
    name: 'names of all kinds',
    steps: [
      'weir:1',
      'weir:7',
      'A',
      'a b',
      'ü',
      'x'.repeat(63),
      'y'.repeat(200),
      '__pg',
      "it's",
    ].flatMap((name, i): Step[] => [
      ...prepared(name, `select ${i} as n`),
      many(use(name), S),
      Z,
      ...prepared(name, 'select 0'),
    ]),
  },
]
