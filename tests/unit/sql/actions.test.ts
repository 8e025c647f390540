import { describe, expect, it } from 'vitest'
import { type Action, actionsOf } from '../../../src/protocol/postgres/sql/actions.ts'
import { classify } from '../../../src/protocol/postgres/sql/classify.ts'
import { WITH_ACTIONS } from '../../../src/protocol/postgres/sql/effects.ts'
import { CORPUS } from './corpus.ts'

/** Actions in short: `set a.b`, `local a.b`, `listen c`, `prepare p`; a range must be its name. */
function brief(text: string): string {
  const bytes = Buffer.from(text)
  return actionsOf(bytes)
    .map((action) => short(action, bytes))
    .join(', ')
}

function short(action: Action, text: Buffer): string {
  switch (action.kind) {
    case 'set':
      return `${action.local ? 'local' : 'set'} ${action.name}`
    case 'reset':
      return `reset ${action.name}`
    case 'listen':
      return `listen ${action.channel}`
    case 'unlisten':
      return `unlisten ${action.channel ?? 'all'}`
    case 'discard':
      return `discard ${action.what}`
    case 'reset-all':
    case 'set-unknown':
      return action.kind
    default:
      return `${action.kind} ${action.name ?? 'all'} [${text.toString('utf8', action.start, action.end)}]`
  }
}

const LONG = 'x'.repeat(70)

const CASES: Record<string, [text: string, actions: string][]> = {
  'settings by their names': [
    ['SET search_path TO a, b', 'set search_path'],
    ['set Search_Path = DEFAULT', 'reset search_path'],
    ['SET x FROM CURRENT', 'set x'],
    ['SET SESSION work_mem = 64', 'set work_mem'],
    ['SET LOCAL work_mem = 64', 'local work_mem'],
    ['SET LOCAL work_mem TO DEFAULT', 'local work_mem'],
    ['SET App."User".Name = \'default\'', 'set app.user.name'],
    ['SET "app" . U&"us\\0065r" = 1', 'set app.user'],
    ['SET "DateStyle" TO default', 'reset datestyle'],
    ['SET x TO "default"', 'set x'],
    ['SET x TO a, default', 'set x'],
    ['SET local = 1', 'set local'],
    ['SET local FROM CURRENT', 'set local'],
    ['SET session.x = 1', 'set session.x'],
    ['SET SESSION session.x = 1', 'set session.x'],
    ['SET LOCAL local TO 1', 'local local'],
    ['SET seed = 0.5', 'set seed'],
    ['SET time = 1', 'set time'],
    ['SET U&"a\\zz" = 1', 'set-unknown'],
  ],
  'settings with a grammar of their own': [
    ["SET TIME ZONE 'UTC'", 'set timezone'],
    ["SET TIME ZONE INTERVAL '+1:00' HOUR TO MINUTE", 'set timezone'],
    ['SET TIME ZONE LOCAL', 'reset timezone'],
    ['SET SESSION TIME ZONE DEFAULT', 'reset timezone'],
    ['SET LOCAL TIME ZONE DEFAULT', 'local timezone'],
    ['RESET TIME ZONE', 'reset timezone'],
    ['SET SESSION AUTHORIZATION bob', 'set session_authorization'],
    ["SET SESSION SESSION AUTHORIZATION 'bob'", 'set session_authorization'],
    ['SET LOCAL SESSION AUTHORIZATION DEFAULT', 'local session_authorization'],
    ['SET SESSION AUTHORIZATION DEFAULT', 'reset session_authorization'],
    ['RESET SESSION AUTHORIZATION', 'reset session_authorization'],
    ['SET ROLE bob', 'set role'],
    ['SET SESSION ROLE NONE', 'set role'],
    ['SET role TO bob', 'set role'],
    ['RESET ROLE', 'reset role'],
    ["SET NAMES 'utf8'", 'set client_encoding'],
    ['SET NAMES', 'reset client_encoding'],
    ['SET NAMES DEFAULT', 'reset client_encoding'],
    ['SET XML OPTION CONTENT', 'set xmloption'],
    ["SET SCHEMA 'a'", 'set search_path'],
    ['SET schema = 1', 'set schema'],
    ["SET CATALOG 'a'", ''],
    ['SET TRANSACTION ISOLATION LEVEL SERIALIZABLE', ''],
    ["SET TRANSACTION SNAPSHOT 'x'", ''],
    ['SET LOCAL TRANSACTION READ ONLY', ''],
    ['SET CONSTRAINTS ALL DEFERRED', ''],
    [
      'SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, ISOLATION LEVEL READ COMMITTED, NOT DEFERRABLE',
      'set default_transaction_read_only, set default_transaction_isolation, set default_transaction_deferrable',
    ],
    [
      'SET LOCAL SESSION CHARACTERISTICS AS TRANSACTION READ WRITE',
      'local default_transaction_read_only',
    ],
    ['SET SESSION CHARACTERISTICS = 1', 'set characteristics'],
    ['RESET ALL', 'reset-all'],
    ['RESET TRANSACTION ISOLATION LEVEL', 'reset transaction_isolation'],
    ['RESET app . "User"', 'reset app.user'],
  ],
  'set_config, wherever it is called': [
    ["SELECT set_config('App.X', $1, false)", 'set app.x'],
    ["SELECT set_config('a'::text, $1, $2)", 'set a'],
    [
      "SELECT set_config($$a$$, $1, false), pg_catalog.set_config(E'b', $2, true)",
      'set a, local b',
    ],
    ["SELECT set_config(setting_name => 'a', new_value => 'b', is_local => false)", 'set a'],
    ["SELECT set_config(is_local := false, new_value := 'b', setting_name := 'a')", 'set a'],
    ["SELECT set_config('a' || 'b', 'c', false)", 'set-unknown'],
    ["SELECT set_config(E'\\x61', 'c', false)", 'set-unknown'],
    ['SELECT set_config($1, $2, $3)', 'set-unknown'],
    ['SELECT set_config($1, $2, true)', ''],
    ["SELECT set_config(name, setting, 'f') FROM x", 'set-unknown'],
    ["SELECT U&\"set!005fconfig\" UESCAPE '!' ('a', 'b', false)", 'set a'],
    ['SELECT U&"set!zz" UESCAPE \'!\' (1)', 'set-unknown'],
    ["UPDATE pg_settings SET setting = 'a' WHERE name = 'b'", 'set-unknown'],
    ['ALTER SYSTEM SET work_mem = 1; ALTER ROLE bob SET search_path = a', ''],
    ['ALTER DATABASE app RESET ALL', ''],
    ["CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = a AS 'select 1'", ''],
  ],
  'what a string may or may not hide': [
    ["SELECT 'it\\'s', set_config('a', 'b', false) --'", 'set a'],
    ["SELECT 1, 'it\\'; SET a = 1 --'", 'set a'],
    ["EXECUTE p('a\\'); EXECUTE q; --')", 'execute p [p], execute q [q]'],
    ["SELECT 'a\\''; EXECUTE q; --'", ''],
  ],
  'channels as PostgreSQL folds them': [
    ['LISTEN Jobs', 'listen jobs'],
    ['LISTEN "Jo""bs"', 'listen Jo"bs'],
    ['LISTEN ÄB', 'listen Äb'],
    [`LISTEN ${LONG}`, `listen ${LONG.slice(0, 63)}`],
    [`LISTEN "${'é'.repeat(40)}"`, `listen ${'é'.repeat(31)}`],
    ['LISTEN U&"j\\006fb\\+000073"', 'listen jobs'],
    ['UNLISTEN Jobs', 'unlisten jobs'],
    ['UNLISTEN *', 'unlisten all'],
    ["LISTEN 'jobs'", ''],
  ],
  'prepared statements with the place of their names': [
    ['PREPARE P AS SELECT 1', 'prepare p [P]'],
    ['PREPARE "P" (int, text) AS SELECT $1', 'prepare P ["P"]'],
    ['PREPARE transaction AS SELECT 1', 'prepare transaction [transaction]'],
    ["PREPARE TRANSACTION 'x'", ''],
    ['EXECUTE p', 'execute p [p]'],
    ['/* é */ EXECUTE p (1)', 'execute p [p]'],
    ['EXPLAIN EXECUTE p', 'execute p [p]'],
    ['EXPLAIN ANALYZE VERBOSE EXECUTE p(1)', 'execute p [p]'],
    ['EXPLAIN (ANALYZE, COSTS off) EXECUTE p', 'execute p [p]'],
    ['CREATE TABLE t AS EXECUTE p', 'execute p [p]'],
    [
      'EXPLAIN CREATE TEMP TABLE IF NOT EXISTS t (a) WITH (fillfactor = 70) AS EXECUTE "P"(1) WITH NO DATA',
      'execute P ["P"]',
    ],
    ['CREATE TABLE t AS SELECT 1 AS execute FROM u', ''],
    ['CREATE TABLE t (a execute DEFAULT CAST(1 AS execute), b int)', ''],
    [
      'CREATE TRIGGER g BEFORE INSERT ON t REFERENCING NEW TABLE AS execute EXECUTE FUNCTION f()',
      '',
    ],
    ['GRANT EXECUTE ON FUNCTION f() TO bob', ''],
    ['DEALLOCATE p', 'deallocate p [p]'],
    ['DEALLOCATE PREPARE p', 'deallocate p [p]'],
    ['DEALLOCATE prepare', 'deallocate prepare [prepare]'],
    ['DEALLOCATE ALL', 'deallocate all [ALL]'],
    ['DEALLOCATE PREPARE ALL', 'deallocate all [ALL]'],
    ['DEALLOCATE "all"', 'deallocate all ["all"]'],
    ['EXECUTE U&"p!0061" UESCAPE \'!\' (1)', 'execute pa [U&"p!0061" UESCAPE \'!\']'],
  ],
  DISCARD: [
    ['DISCARD ALL', 'discard all'],
    ['DISCARD PLANS', 'discard plans'],
    ['DISCARD SEQUENCES', 'discard sequences'],
    ['DISCARD TEMPORARY', 'discard temp'],
    ['discard temp', 'discard temp'],
  ],
}

for (const [title, cases] of Object.entries(CASES)) {
  describe(title, () => {
    it.each(cases)('%s: %s', (text, actions) => {
      expect(brief(text)).toBe(actions)
    })
  })
}

describe('actions and classes', () => {
  it('number statements alike', () => {
    const text = Buffer.from(
      "; SELECT ';' ;; CREATE RULE r AS ON INSERT TO t DO (NOTIFY a; NOTIFY b); SET a = 1; RESET b",
    )
    expect(actionsOf(text).map((action) => action.statement)).toEqual([2, 3])
    expect(classify(text).statements).toBe(4)
  })

  it('tells ALL apart from a statement called "all"', () => {
    expect(actionsOf(Buffer.from('DEALLOCATE ALL'))).toMatchObject([{ name: undefined }])
    expect(actionsOf(Buffer.from('DEALLOCATE "all"'))).toMatchObject([{ name: 'all' }])
  })

  it.each(CORPUS.map(([text]) => text))('agree on whether anything happens: %s', (text) => {
    const bytes = Buffer.from(text)
    const may = (classify(bytes).bits & WITH_ACTIONS) !== 0
    if (!may) expect(actionsOf(bytes)).toEqual([])
  })
})
