/**
 * Scenarios of prepared statements and the rest of their session: SQL that takes them away or looks
 * at them, tables that change, and settings that give a text its meaning.
 */
import { close, describe, execute, parse, sync } from '../../../src/wire/postgres/frontend.ts'
import { AMBIGUOUS } from './disturber.ts'
import { ask, bindTo, type Scenario, type Step, Z } from './scenario.ts'

const S = sync()
const many = (...parts: Buffer[]): Buffer => Buffer.concat(parts)
const use = (statement: string, ...values: string[]): Buffer =>
  many(bindTo({ statement, values }), describe('P', ''), execute('', 0))
const prepared = (name: string, text: string): Step[] => [many(parse(name, text, []), S), Z]

export const sessions: readonly Scenario[] = [
  {
    name: 'DEALLOCATE ALL takes protocol statements away',
    steps: [
      ...prepared('a', 'select 1'),
      ...prepared('', 'select 2'),
      ...ask('deallocate all'),
      many(use('a'), S),
      Z,
      ...prepared('a', 'select 3'),
      many(use('a'), S),
      Z,
    ],
  },
  {
    name: 'DEALLOCATE of a protocol statement',
    steps: [
      ...prepared('a', 'select 1'),
      ...ask('deallocate a'),
      many(use('a'), S),
      Z,
      ...prepared('a', 'select 2'),
      many(use('a'), S),
      Z,
    ],
  },
  {
    name: 'EXECUTE of a protocol statement',
    known: 'protocol statements have names of our own on the server, which SQL sees',
    steps: [
      ...prepared('a', 'select 1'),
      ...ask('execute a'),
      ...ask('select name, statement, from_sql from pg_prepared_statements'),
      ...ask('prepare b as select 2'),
      many(use('b'), S),
      Z,
      ...prepared('b', 'select 3'),
    ],
  },
  {
    name: 'DISCARD ALL after protocol prepares',
    steps: [
      ...prepared('a', 'select 1'),
      ...ask("set application_name = 'changed'"),
      ...ask('discard all'),
      ...ask('show application_name'),
      many(use('a'), S),
      Z,
      ...prepared('a', 'select 2'),
      many(use('a'), S),
      Z,
      ...ask('discard plans'),
      ...ask('discard all'),
      many(use('a'), S),
      Z,
    ],
  },
  {
    name: 'DEALLOCATE ALL through the extended protocol',
    steps: [
      ...prepared('a', 'select 1'),
      many(parse('', 'deallocate all', []), use(''), S),
      Z,
      many(use('a'), S),
      Z,
    ],
  },
  {
    name: 'DEALLOCATE ALL and a use of what it took away in one batch',
    known: 'a statement that this server connection lacks is prepared behind the DEALLOCATE',
    sometimes: true,
    steps: [
      ...prepared('a', 'select 2'),
      many(parse('d', 'deallocate all', []), use('d'), use('a'), S),
      Z,
    ],
  },
  {
    name: 'a prepared statement sees a changed table',
    steps: [
      ...ask('drop table if exists shape; create table shape (a int)'),
      ...prepared('q', 'select * from shape'),
      many(use('q'), S),
      Z,
      ...ask('alter table shape add column b text'),
      many(close('S', 'q'), S),
      Z,
      ...prepared('q', 'select * from shape'),
      many(describe('S', 'q'), use('q'), S),
      Z,
      ...ask('drop table shape'),
      many(use('q'), S),
      Z,
    ],
  },
  {
    name: 'a prepared statement is used over a changed table',
    known: 'it is prepared again and works, where Postgres says that the result type changed',
    steps: [
      ...ask('drop table if exists form; create table form (a int)'),
      ...prepared('f', 'select * from form'),
      many(use('f'), S),
      Z,
      ...ask('alter table form add column b text'),
      many(use('f'), S),
      Z,
    ],
  },
  {
    name: 'a text is prepared again after its table is gone',
    steps: [
      ...ask('drop table if exists gone; create table gone (a int)'),
      ...prepared('p', 'select * from gone'),
      ...ask('drop table gone'),
      ...prepared('q', 'select * from gone'),
    ],
  },
  {
    name: 'a text with a comment on its own',
    steps: [
      ...prepared('a', 'select 1 -- one'),
      ...prepared('b', 'select 1 /* two */'),
      many(use('a'), use('b'), S),
      Z,
    ],
  },
  {
    name: 'many statements on one session',
    steps: [
      many(...Array.from({ length: 60 }, (_, i) => parse(`m${i}`, `select ${i} + $1::int`, [])), S),
      Z,
      many(...Array.from({ length: 60 }, (_, i) => use(`m${i}`, '1')), S),
      Z,
      many(...Array.from({ length: 60 }, (_, i) => use(`m${59 - i}`, '2')), S),
      Z,
    ],
  },
  {
    name: 'prepared statements that change the session',
    steps: [
      ...prepared('tz', "set timezone = 'Asia/Tokyo'"),
      many(use('tz'), S),
      Z,
      ...ask('show timezone'),
      ...prepared('sc', "select set_config('application_name', $1, false)"),
      many(use('sc', 'through bind'), S),
      Z,
      ...ask('show application_name'),
      ...prepared('tt', 'create temp table through_bind (id int)'),
      many(use('tt'), S),
      Z,
      ...ask('select * from through_bind'),
    ],
  },
  {
    name: 'prepared transaction control',
    steps: [
      ...prepared('b', 'begin'),
      ...prepared('c', 'commit'),
      ...prepared('x', 'select 1/0'),
      many(use('b'), S),
      Z,
      many(use('x'), S),
      Z,
      many(use('b'), S),
      Z,
      many(use('c'), S),
      Z,
      many(use('b'), use('c'), use('b'), use('x'), use('c'), S),
      Z,
      many(use('c'), S),
      Z,
    ],
  },
  {
    name: 'what SQL sees of prepared statements',
    known: 'protocol statements have names of our own on the server, which SQL sees',
    steps: [
      ...prepared('mine', 'select 1'),
      ...ask("select name from pg_prepared_statements where name in ('mine', 'other')"),
    ],
  },
  ...[{}, { DateStyle: 'SQL, DMY', TimeZone: 'Asia/Kolkata' }, { extra_float_digits: '0' }].map(
    (parameters, i): Scenario => ({
      name: `a text means what the settings of its session say, ${i + 1}`,
      steps: AMBIGUOUS.flatMap((text, k): Step[] => [
        ...prepared(`l${k}`, text),
        many(describe('S', `l${k}`), use(`l${k}`), S),
        Z,
        many(parse('', text, []), S),
        Z,
        many(use(''), S),
        Z,
      ]),
      parameters,
    }),
  ),
  {
    name: 'a literal means what was set before it was parsed',
    known:
      'what was prepared before a SET is prepared again behind it on the connection that is kept',
    sometimes: true,
    steps: [
      ...prepared('a', "select '01/02/2024'::date - date '2024-01-01'"),
      ...ask("set datestyle = 'SQL, DMY'"),
      ...prepared('b', "select '01/02/2024'::date - date '2024-01-01'"),
      many(use('a'), use('b'), S),
      Z,
    ],
  },
  {
    name: 'a literal means what was set locally before it was parsed',
    known: 'SET LOCAL is not followed: an equal text may have been prepared without it',
    sometimes: true,
    steps: [
      ...prepared('a', "select '03/04/2024'::date - date '2024-01-01'"),
      ...ask("begin; set local datestyle = 'SQL, DMY'"),
      ...prepared('b', "select '03/04/2024'::date - date '2024-01-01'"),
      many(use('a'), use('b'), S),
      Z,
      ...ask('commit'),
      many(use('a'), use('b'), S),
      Z,
    ],
  },
]
