/**
 * Scenarios of settings that change and go back: what is reported, and when, by the statements of
 * one client that was asked for some of them at its start.
 */
import { execute, flush, parse, query, sync } from '../../../src/wire/postgres/frontend.ts'
import { ask, bindTo, queries, ready, type Scenario, type Step, see, Z } from './scenario.ts'

const S = sync()
const many = (...parts: Buffer[]): Buffer => Buffer.concat(parts)
const run = (text: string): Buffer => many(parse('', text, []), bindTo({}), execute('', 0))
/** Each text as a batch of its own. */
const batches = (...texts: string[]): Step[] => texts.flatMap((text) => [many(run(text), S), Z])

const START = {
  parameters: {
    application_name: 'mine',
    TimeZone: 'Asia/Tokyo',
    options: '-c DateStyle=German,DMY -c search_path=blue,public -c work_mem=12MB',
  },
}
const LOOK = `select current_setting('application_name'), current_setting('timezone'),
  current_setting('datestyle'), current_setting('search_path'), current_setting('work_mem'),
  current_setting('client_encoding')`
const CHANGE = [
  `set application_name = 'other'`,
  `set time zone 'America/Lima'`,
  'set datestyle = sql, mdy',
  'set search_path = red',
  `set work_mem = '1MB'`,
  `set client_encoding = 'LATIN1'`,
]

const started = (name: string, texts: readonly string[]): Scenario => ({
  ...queries(name, texts),
  ...START,
})

export const settings: readonly Scenario[] = [
  started('RESET one by one goes back to the start', [
    ...CHANGE,
    LOOK,
    'reset application_name',
    'reset timezone',
    'reset datestyle',
    'reset search_path',
    'reset work_mem',
    'reset client_encoding',
    LOOK,
  ]),
  started('RESET ALL goes back to the start', [...CHANGE, LOOK, 'reset all', LOOK, 'select 1']),
  started('SET TO DEFAULT goes back to the start', [
    ...CHANGE,
    'set application_name to default',
    'set time zone local',
    'set datestyle = default',
    'set schema default',
    'set work_mem = default',
    'set names default',
    LOOK,
  ]),
  started('DISCARD ALL goes back to the start', [
    ...CHANGE,
    'discard all',
    LOOK,
    'discard all',
    LOOK,
  ]),
  started('DISCARD ALL in a transaction', [
    ...CHANGE,
    'begin',
    'discard all',
    'select 1',
    'rollback',
    LOOK,
    'select 1; discard all',
    'begin; discard all; commit',
    'commit',
    LOOK,
  ]),
  started('ROLLBACK takes back what a transaction set and reset', [
    CHANGE[0]!,
    'begin',
    ...CHANGE.slice(1),
    LOOK,
    'rollback',
    LOOK,
    'begin',
    'reset all',
    LOOK,
    'rollback',
    LOOK,
    'begin',
    'reset application_name',
    'select 1/0',
    'commit',
    LOOK,
  ]),
  started('savepoints and settings', [
    'begin',
    CHANGE[0]!,
    'savepoint a',
    ...CHANGE.slice(1),
    'rollback to a',
    LOOK,
    'savepoint b',
    'reset application_name',
    'release b',
    `set local time zone 'UTC'`,
    LOOK,
    'commit',
    LOOK,
  ]),
  started('settings and resets in one text', [
    `${CHANGE.join(';')}; select 1`,
    'reset all; select 2; reset application_name',
    `reset application_name; set application_name = 'third'; show application_name`,
    `/* one */ reset work_mem /* two */; -- three\nshow work_mem -- four`,
    'reset work_mem; selec 1',
    `reset application_name; select 1/0; set application_name = 'never'`,
    `begin; reset application_name; rollback`,
    'begin; reset application_name; commit; show application_name',
    LOOK,
  ]),
  started('wrong names and values', [
    `set application_name = 'kept'`,
    'reset no_such',
    'set no_such = 1',
    `set work_mem = 'banana'`,
    'set time zone nowhere',
    'reset server_version',
    'set server_version = 1',
    `select set_config('work_mem', 'banana', false)`,
    LOOK,
  ]),
  {
    name: 'settings through the extended protocol',
    ...START,
    steps: [
      ...batches(...CHANGE, LOOK, 'reset application_name', 'reset work_mem', LOOK),
      ...batches('reset all', LOOK, ...CHANGE, 'discard all', LOOK),
      ...batches('begin', 'reset all', 'rollback', LOOK, `set application_name to default`, LOOK),
    ],
  },
  {
    name: 'settings in one batch',
    ...START,
    steps: [
      many(run(CHANGE[0]!), run('show application_name'), run('reset application_name'), S),
      Z,
      ...ask(LOOK),
      many(run(CHANGE[0]!), run('select 1/0'), S),
      Z,
      ...ask(LOOK),
      many(run(CHANGE[1]!), S, run('reset timezone'), run('select 1/0'), S, run(LOOK), S),
      ready(3),
      many(run('reset all'), flush()),
      see('C'),
      many(run(LOOK), S),
      Z,
    ],
  },
  {
    name: 'settings behind each other without waiting',
    ...START,
    steps: [
      many(...[...CHANGE, 'reset all', LOOK, 'begin', ...CHANGE, 'rollback', LOOK].map(query)),
      ready(CHANGE.length * 2 + 5),
      many(query('begin'), query('discard all'), query('rollback'), query(LOOK)),
      ready(4),
      many(query(CHANGE[0]!), query('select 1/0'), query('reset all'), query(LOOK)),
      ready(4),
    ],
  },
  {
    name: 'DISCARD ALL behind a query that is not answered yet',
    ...START,
    known: 'what it takes away is reported first, and what was asked for at start behind it',
    steps: [many(query(CHANGE[0]!), query('discard all'), query(LOOK)), ready(3)],
  },
  {
    name: 'what DISCARD ALL leaves behind a query that is not answered yet',
    ...START,
    steps: [
      many(...CHANGE.map(query)),
      ready(6),
      many(query('select 1'), query('discard all')),
      ready(2),
      ...ask('select 1'),
      ...ask(LOOK),
    ],
    known: 'what it takes away is reported first, and what was asked for at start behind it',
  },
  {
    name: 'RESET of a prepared statement, used again and again',
    ...START,
    steps: [
      many(parse('r', 'reset work_mem', []), parse('s', `set work_mem = '2MB'`, []), S),
      Z,
      ...[0, 1].flatMap(() => [
        many(bindTo({ statement: 's' }), execute('', 0), S),
        Z,
        ...ask('show work_mem'),
        many(bindTo({ statement: 'r' }), execute('', 0), S),
        Z,
        ...ask('show work_mem'),
      ]),
    ],
  },
  queries('roles that are taken on and given up', [
    'create role differential_clerk',
    'set role differential_clerk',
    'select current_user, session_user',
    'select 1',
    'reset role',
    'select current_user, session_user',
    'set session authorization differential_clerk',
    'select current_user, session_user',
    'begin',
    'set session authorization default',
    'rollback',
    'select current_user, session_user',
    'reset session authorization',
    'set role no_such_role',
    'select current_user, session_user',
    'set role differential_clerk',
    'discard all',
    'select current_user, session_user',
    'drop role differential_clerk',
  ]),
]
