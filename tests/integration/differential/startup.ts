/** Scenarios of the login: settings that come with it, versions, and refusals. */

import { PROTOCOL_3_0, PROTOCOL_3_2 } from '../../../src/wire/postgres/codes.ts'
import { execute, parse, sync } from '../../../src/wire/postgres/frontend.ts'
import { ask, bindTo, queries, type Scenario, type Step, Z } from './scenario.ts'

const SETTINGS = [
  'application_name',
  'timezone',
  'datestyle',
  'search_path',
  'extra_float_digits',
  'client_encoding',
  'work_mem',
  'intervalstyle',
]
const shown: readonly Step[] = SETTINGS.flatMap((name) => ask(`show ${name}`))

function started(
  name: string,
  parameters: Readonly<Record<string, string>>,
  more: readonly Step[] = [],
  known?: string,
): Scenario {
  const scenario = { name: `started with ${name}`, parameters, steps: [...shown, ...more] }
  return known === undefined ? scenario : { ...scenario, known }
}

function refused(name: string, more: Partial<Scenario>): Scenario {
  return { name: `refused for ${name}`, refused: true, steps: [], ...more }
}

export const startup: readonly Scenario[] = [
  started('nothing', {}),
  started('an application name', { application_name: 'my app' }),
  started('an application name beyond ASCII', { application_name: 'ä name' }),
  started(
    'an application name that is too long',
    { application_name: 'long '.repeat(30) },
    [],
    'notices about startup settings are not passed on',
  ),
  started('a time zone', { TimeZone: 'Asia/Kathmandu' }, [
    ...ask("select '2024-01-01 00:00+00'::timestamptz"),
  ]),
  started('a date style', { DateStyle: 'SQL, DMY' }, [...ask("select '01/02/2024'::date")]),
  started('the names of drivers', {
    client_encoding: "'utf-8'",
    extra_float_digits: '2',
    DateStyle: 'ISO',
    application_name: '',
  }),
  started('another encoding', { client_encoding: 'LATIN1' }, [...ask("select chr(252), 'a'")]),
  started('a search path in options', { options: '-c search_path=other,public' }, [
    ...ask('select * from here'),
    Buffer.concat([parse('', 'select * from here', []), bindTo({}), execute('', 0), sync()]),
    Z,
  ]),
  started('several options', {
    options: '-c work_mem=5MB --intervalstyle=postgres_verbose -cextra_float_digits=0',
  }),
  started('options with escapes', { options: '-c application_name=two\\ words\\\\' }),
  started('a custom parameter', { 'x.y': "it's a \\ value", options: '-c a.b=c' }, [
    ...ask('show x.y'),
    ...ask('show a.b'),
  ]),
  started('standard_conforming_strings off', { standard_conforming_strings: 'off' }, [
    ...ask("select 'a\\'b'"),
  ]),
  started('a default of transactions', { options: '-c default_transaction_read_only=on' }, [
    ...ask("insert into t (name) values ('no')"),
    ...ask('show transaction_read_only'),
  ]),
  started(
    'settings that are changed and reset',
    { application_name: 'at start', TimeZone: 'UTC' },
    [
      ...ask("set application_name = 'later'"),
      ...ask('reset application_name'),
      ...ask('show application_name'),
      ...ask("set timezone = 'Asia/Tokyo'"),
      ...ask('discard all'),
      ...shown,
    ],
  ),
  started('settings that transactions reset to', { options: '-c statement_timeout=12345' }, [
    ...ask('begin; set local statement_timeout = 1000; show statement_timeout'),
    ...ask('rollback'),
    ...ask('show statement_timeout'),
  ]),
  started(
    'settings whose defaults are looked up',
    { options: '-c statement_timeout=12345' },
    ask("select reset_val, source from pg_settings where name = 'statement_timeout'"),
    'startup settings are set, not the defaults of the session',
  ),
  started('a sentence for pg_stat_activity', { application_name: 'seen' }, [
    ...ask(
      'select application_name, usename, datname from pg_stat_activity where pid = pg_backend_pid()',
    ),
  ]),
  { ...queries('protocol 3.2', ['select 1']), version: PROTOCOL_3_2 },
  { ...queries('a protocol of the future', ['select 1']), version: PROTOCOL_3_0 + 99 },
  {
    ...queries('unknown protocol options', ['select 1']),
    version: PROTOCOL_3_2,
    parameters: { '_pq_.nonsense': '1', '_pq_.more': 'x' },
  },
  refused('a wrong password', { password: 'wrong' }),
  refused('an unknown user', { user: 'nobody_at_all' }),
  refused('an unknown database', { database: 'no_such_database' }),
  refused('a bad time zone', { parameters: { TimeZone: 'Nowhere/Never' } }),
  refused('a bad number', { parameters: { extra_float_digits: 'x' } }),
  refused('an unknown setting', { parameters: { no_such_setting: '1' } }),
  refused('an unknown setting in options', { parameters: { options: '-c no_such_setting=1' } }),
  refused('an option without value', { parameters: { options: '-c work_mem' } }),
  refused('a setting that needs a restart', { parameters: { options: '-c max_connections=5' } }),
  refused('a bad encoding', { parameters: { client_encoding: 'klingon' } }),
  refused('a role that may not log in', { user: 'nologin', password: 'weir' }),
  refused('a database one may not connect to', {
    user: 'guest',
    password: 'guest',
    database: 'closed',
  }),
  refused('a setting only superusers may set', {
    user: 'guest',
    password: 'guest',
    parameters: { log_statement: 'all' },
  }),
]
