/**
 * Statements that PostgreSQL accepts, made by chance from a small grammar of what matters to a
 * session, with names, comments and strings chosen to mislead. Rule: one number decides one choice,
 * so that a failing list of numbers shrinks.
 */
import fc from 'fast-check'

/** Alternatives of a symbol, separated by bars; `<x>` is a symbol, `_` an empty alternative. */
const RULES: Readonly<Record<string, string>> = {
  stmt: `<set> | <set> | <reset> | <prepare> | <listen> | <temp> | <cursor> | <drop> | <txn>
    | <select> | <select> | <dml> | <explain> | <misc> | <ddl>`,
  set: `SET <scope> <var> <to> <value> | SET <scope> <var> <to> DEFAULT | SET <scope> <var> FROM CURRENT
    | SET <scope> TIME ZONE <zone> | SET <scope> SESSION AUTHORIZATION <user>
    | SET <scope> ROLE <user> | SET <scope> NAMES <encoding> | SET <scope> XML OPTION CONTENT
    | SET <scope> SCHEMA 'x' | SET <scope> SESSION CHARACTERISTICS AS TRANSACTION <mode>
    | SET <scope> TRANSACTION <mode> | SET TRANSACTION SNAPSHOT 'x' | SET CONSTRAINTS ALL DEFERRED
    | SET SESSION CHARACTERISTICS AS TRANSACTION <mode> | SET SESSION AUTHORIZATION DEFAULT`,
  scope: '_ | _ | LOCAL | SESSION',
  to: 'TO | =',
  var: `<name> | <name> . <name> | <name> . <name> . <name> | search_path | seed | "Seed" | work_mem
    | transaction_read_only`,
  value: "1 | 'x' | a, b | on | -1.5 | 'it''s' | \"x\" | E'\\\\'' | true",
  zone: "'UTC' | -3 | LOCAL | DEFAULT | INTERVAL '1' HOUR TO MINUTE | \"utc\" | utc",
  user: 'bob | \'bob\' | NONE | "None" | seed',
  encoding: "_ | 'utf8' | DEFAULT",
  mode: `READ ONLY | READ WRITE | ISOLATION LEVEL READ COMMITTED | NOT DEFERRABLE
    | ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE | READ ONLY DEFERRABLE`,
  reset: `RESET <var> | RESET ALL | RESET TIME ZONE | RESET SESSION AUTHORIZATION | RESET ROLE
    | RESET TRANSACTION ISOLATION LEVEL | DISCARD ALL | DISCARD PLANS | DISCARD SEQUENCES
    | DISCARD TEMP | DISCARD TEMPORARY`,
  prepare: `PREPARE <name> AS <select> | PREPARE <name> (int, text) AS <dml> | EXECUTE <name>
    | EXECUTE <name> (1, <expr>) | DEALLOCATE <name> | DEALLOCATE PREPARE <name> | DEALLOCATE ALL
    | DEALLOCATE PREPARE ALL | CREATE TABLE <name> AS EXECUTE <name>
    | CREATE TEMP TABLE IF NOT EXISTS <name> (a, b) WITH (fillfactor = 70) AS EXECUTE <name> (1) WITH NO DATA
    | DEALLOCATE "all" | PREPARE transaction AS <select>`,
  listen: `LISTEN <name> | UNLISTEN <name> | UNLISTEN * | NOTIFY <name> | NOTIFY <name>, 'x'
    | SELECT pg_notify('a', 'b')`,
  temp: `CREATE <temporary> TABLE <name> (a int, local text) <oncommit>
    | CREATE <temporary> TABLE <name> <oncommit> AS <select>
    | CREATE OR REPLACE <temporary> VIEW <name> AS <select> | CREATE <temporary> SEQUENCE <name>
    | CREATE TABLE pg_temp . <name> (a int) | SELECT * INTO <temporary> <table> <name> FROM <name>
    | CREATE OR REPLACE TEMP RECURSIVE VIEW <name> (a) AS SELECT 1
    | CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS $$ select 1 $$
    | CREATE TYPE "pg_temp" . x AS (a int) | CREATE DOMAIN pg_temp.d AS int`,
  temporary: 'TEMP | TEMPORARY | LOCAL TEMP | GLOBAL TEMPORARY',
  table: '_ | TABLE',
  oncommit: '_ | _ | ON COMMIT DROP | ON COMMIT DELETE ROWS | ON COMMIT PRESERVE ROWS',
  cursor: `DECLARE <name> CURSOR FOR <select> | DECLARE <name> SCROLL CURSOR WITH HOLD FOR <select>
    | DECLARE <name> BINARY INSENSITIVE NO SCROLL CURSOR WITHOUT HOLD FOR <select>
    | CLOSE <name> | CLOSE ALL | FETCH 1 FROM <name> | MOVE ALL IN <name>`,
  drop: `DROP TABLE <name> | DROP VIEW IF EXISTS <name>, pg_temp.<name> CASCADE | DROP ROLE bob
    | DROP OWNED BY bob | DROP SEQUENCE <name> | DROP FUNCTION f(int) | DROP DATABASE x`,
  txn: `BEGIN | START TRANSACTION <mode> | BEGIN <mode> | COMMIT | END WORK | ROLLBACK AND CHAIN
    | COMMIT AND NO CHAIN | ABORT | SAVEPOINT <name> | ROLLBACK TO <name> | RELEASE <name>
    | PREPARE TRANSACTION 'x' | COMMIT PREPARED 'x' | ROLLBACK WORK TO SAVEPOINT <name>`,
  select: `SELECT <expr> | SELECT <expr> , <expr> AS <label> FROM <from> <where> <tail>
    | ( SELECT <expr> ) UNION ALL ( SELECT <expr> ) | VALUES ( <expr> ) | TABLE <name>
    | WITH x (a) AS ( <select> ) SELECT <expr> FROM x | WITH x AS MATERIALIZED ( <dml> RETURNING * ) TABLE x
    | SELECT <expr> FROM <from> GROUP BY <name> HAVING count(*) > 1`,
  from: `<name> | <name> AS v (a, b) | ONLY <name> | generate_series(1, 2) | f(1) AS g(a)
    | ( VALUES (1, 2) ) v (a) | <name> JOIN ( <select> ) y USING (a) | LATERAL ( <select> ) l
    | ROWS FROM (f(1), lower('a')) r | <name>, pg_settings`,
  where: '_ | WHERE <expr> | WHERE <name> IN ( <expr>, 2 ) | WHERE EXISTS ( <select> )',
  tail: `_ | _ | _ | ORDER BY 1 | LIMIT 1 | FOR UPDATE | FOR NO KEY UPDATE SKIP LOCKED
    | FOR KEY SHARE OF <name> | FETCH FIRST (1) ROWS ONLY | FOR SHARE`,
  expr: `1 | $1 | <name> | <string> | <call> | <call> | <expr> + <expr> | ( <expr> ) | ( <select> )
    | CASE WHEN <name> THEN <expr> ELSE 2 END | <expr> :: text | CAST ( <expr> AS numeric(10, 2) )
    | coalesce( <expr>, <expr> ) | count(*) FILTER ( WHERE true ) OVER ( PARTITION BY <name> )
    | extract(year FROM <name>) | ARRAY[ <expr> ] | ROW(1, <expr>) | <expr> IS NOT NULL`,
  call: `set_config(<string>, 'b', <bool>) | set_config('A.b', <expr>, true) | nextval('s') | setval('s', 1)
    | currval('s') | lastval() | setseed(0.5) | pg_advisory_lock(1) | pg_try_advisory_lock_shared(1, 2)
    | pg_advisory_unlock_all() | pg_advisory_xact_lock(1) | pg_catalog . nextval(<string>) | my_func(<expr>)
    | app.lower('a') | "set_config"('a', 'b', false) | "Nextval"('s') | lower(<expr>) | now() | max(a)
    | set_config(is_local => <bool>, setting_name => 'n', new_value => 'x') | over(1) | filter(2)
    | first(a) | cube(1) | "lower"('a') | dblink_connect('x') | rollup(1) | by(1) | next(1) | sets(2)`,
  bool: "true | false | $1 | 't' | (true) | not true",
  dml: `INSERT INTO <name> (a, b) VALUES ( <expr>, DEFAULT ) | UPDATE <name> SET a = <expr> <where>
    | DELETE FROM <name> <where> | INSERT INTO app.<name> AS x (a) <select>
    | INSERT INTO <name> DEFAULT VALUES ON CONFLICT (a) DO UPDATE SET b = 1
    | MERGE INTO <name> AS m USING <name> AS n ON true WHEN NOT MATCHED THEN INSERT (a) VALUES (1)
    | UPDATE pg_settings SET setting = 'x' | UPDATE ONLY pg_catalog . "pg_settings" SET setting = 'x'
    | UPDATE <name> AS pg_settings SET a = 1 | UPDATE ONLY ( pg_settings ) SET setting = 'x'`,
  explain: `EXPLAIN <select> | EXPLAIN ANALYZE VERBOSE <dml> | EXPLAIN (ANALYZE, COSTS off) EXECUTE <name>
    | EXPLAIN EXECUTE <name> (1) | EXPLAIN (ANALYZE) CREATE TEMP TABLE <name> AS <select>
    | EXPLAIN ANALYSE CREATE TABLE <name> AS EXECUTE <name>`,
  misc: `COPY <name> (a, b) FROM STDIN | COPY ( <select> ) TO STDOUT | DO $x$ begin end $x$
    | CALL p(<expr>) | LOAD 'x' | VACUUM (ANALYZE) <name> | LOCK TABLE <name> | SHOW <var> | SHOW ALL
    | CHECKPOINT | ANALYZE <name> (a) | GRANT EXECUTE ON FUNCTION f() TO bob
    | ALTER ROLE bob SET search_path = x | ALTER SYSTEM SET work_mem = 1
    | ALTER DATABASE app RESET ALL | COMMENT ON TABLE <name> IS 'SET a = 1'`,
  ddl: `CREATE TABLE <name> (a int DEFAULT nextval('s'), b text CHECK (f(b)), PRIMARY KEY (a))
    | CREATE RULE r AS ON INSERT TO <name> DO ALSO (DELETE FROM u ; NOTIFY <name>)
    | CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 ; SELECT CASE WHEN true THEN 2 END ; END
    | CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = x AS 'select 1'
    | CREATE TRIGGER g BEFORE INSERT ON <name> EXECUTE FUNCTION f()
    | ALTER TABLE <name> SET (fillfactor = 70) | CREATE INDEX ON <name> (lower(a))
    | CREATE VIEW <name> AS <select> | CREATE TABLE <name> AS SELECT 1 AS execute
    | ALTER TABLE <name> DROP COLUMN a | CREATE MATERIALIZED VIEW <name> AS <select>`,
  name: `a | Jobs | "Jo""bs" | "all" | temp | local | é | prepare | transaction | U&"x\\0061"
    | "SELECT" | _x1$ | characteristics | hold | names | role | data | insert | load | app
    | xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx`,
  label: 'temp | execute | "INTO" | hold | listen | x',
  string: `'a' | 'it''s; SET a = 1' | E'\\\\' | $$ nextval(1) $$ | $q$ '$$ $q$ | U&'\\0041' | 'App.User'
    | 'SEED' | $$app.x$$ | '' | 'a' || 'b' | 'c'::text | E'\\x61'`,
}

const ALTERNATIVES = new Map(
  Object.entries(RULES).map(([symbol, rule]) => [
    symbol,
    rule.split(/\s\|\s/).map((alternative) => alternative.trim().split(/\s+/)),
  ]),
)

const FILLERS = [
  ' ',
  ' ',
  ' ',
  ' ',
  '\n',
  '\t ',
  ' /* ; SET x = 1 */ ',
  " -- it's nextval(\n",
  '/*/**/*/ ',
]
const SYMBOL = /^<(\w+)>$/

/** One statement made of these numbers; deeper than 5 the first alternatives are taken. */
export function statementFrom(numbers: readonly number[]): string {
  let at = 0
  const pick = (count: number): number => (numbers[at++] ?? 0) % count
  const expand = (word: string, depth: number): string => {
    const inside = word.replace(/<(\w+)>/g, (_, symbol: string) => one(symbol, depth + 1))
    return inside
  }
  const one = (symbol: string, depth: number): string => {
    const alternatives = ALTERNATIVES.get(symbol)
    if (alternatives === undefined) throw new Error(`no rule for ${symbol}`)
    const words = alternatives[depth > 5 ? 0 : pick(alternatives.length)]!
    return words
      .filter((word) => word !== '_')
      .map((word) => expand(word, SYMBOL.test(word) ? depth : depth))
      .filter((word) => word !== '')
      .map((word, i) => (i === 0 ? word : FILLERS[pick(FILLERS.length)]! + word))
      .join('')
  }
  return one('stmt', 0)
}

/** Statements, most of which PostgreSQL accepts. */
export const statements: fc.Arbitrary<string> = fc
  .array(fc.nat(1_000), { minLength: 4, maxLength: 60 })
  .map(statementFrom)
