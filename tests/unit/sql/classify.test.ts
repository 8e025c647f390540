import { describe, expect, it } from 'vitest'
import { type Classification, classify } from '../../../src/protocol/postgres/sql/classify.ts'
import * as E from '../../../src/protocol/postgres/sql/effects.ts'
import { CORPUS } from './corpus.ts'

const of = (text: string): Classification => classify(Buffer.from(text))

describe('effects on the session', () => {
  it.each(CORPUS)('%j does %j', (text, effects) => {
    expect(of(text).effects.join(' ')).toBe(effects)
  })

  it('has a corpus worth the name', () => {
    expect(new Set(CORPUS.map(([text]) => text)).size).toBe(CORPUS.length)
    expect(CORPUS.length).toBeGreaterThanOrEqual(120)
  })

  it('names each effect once', () => {
    expect(of('SET a = 1; SET b = 2; SET c = 3').effects).toEqual(['set'])
  })

  it.each(CORPUS)('tells %j in bits too', (text) => {
    const { bits, effects } = of(text)
    expect(E.EFFECTS.filter((_, i) => bits & (1 << i))).toEqual(effects)
  })

  it('has a bit of its own for each effect', () => {
    const bits = [
      E.SET,
      E.SET_LOCAL,
      E.RESET,
      E.PREPARE,
      E.DISCARD,
      E.LISTEN,
      E.NOTIFY,
      E.TEMPORARY,
    ]
    bits.push(E.CURSOR_WITH_HOLD, E.CURSOR, E.CLOSE, E.DROP, E.ADVISORY_LOCK, E.LOAD, E.SEED)
    bits.push(
      E.SEQUENCE_WRITE,
      E.SEQUENCE_READ,
      E.INSERT,
      E.UNSEEN,
      E.TEMPORARY_LOCAL,
      E.ADVISORY_UNLOCK,
      E.PROGRAM,
    )
    expect(bits).toEqual(E.EFFECTS.map((_, i) => 1 << i))
  })
})

describe('what provably only reads', () => {
  it.each([
    '',
    'SELECT 1',
    'select a, b from t where a = $1 and b in (1, 2) order by a limit 1',
    'SELECT count(*), max(a), pg_catalog.lower(b) FROM t GROUP BY c HAVING count(*) > 1',
    'SELECT "users".* FROM "users" WHERE "users"."id" = 1',
    'SELECT CAST(a AS numeric(10, 2)), b::varchar(3), coalesce(c, (SELECT 1)) FROM t',
    "SELECT * FROM a JOIN b USING (id) WHERE EXISTS (SELECT 1) OR a.x = ANY ('{1}')",
    'SELECT \'for update\', $$ insert $$, "delete" FROM t -- into x',
    "SELECT substring(a for 3), extract(epoch from b), now() - interval '1 day' FROM t",
    '(SELECT 1) UNION ALL (SELECT 2)',
    'WITH x AS (SELECT 1), y AS MATERIALIZED (SELECT 2) SELECT * FROM x, y',
    'VALUES (1), (2)',
    'TABLE t',
    'SHOW ALL',
    'SELECT 1; SELECT 2;',
  ])('%s', (text) => {
    expect(of(text)).toMatchObject({ readOnly: true, effects: [], transaction: 'none' })
  })
})

describe('what is not proven to only read', () => {
  it.each([
    'INSERT INTO t VALUES (1)',
    'UPDATE t SET a = 1',
    'SELECT * FROM t FOR UPDATE',
    'SELECT * FROM t FOR NO KEY UPDATE SKIP LOCKED',
    'SELECT * FROM t FOR KEY SHARE',
    'SELECT * FROM t FOR /* x */ SHARE OF t',
    'SELECT * INTO u FROM t',
    'WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x',
    'WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x',
    'SELECT my_function(1)',
    'SELECT public.lower(a) FROM t',
    'SELECT "lower"(a) FROM t',
    'SELECT "Audit" (a) FROM t',
    "SELECT nextval('s')",
    'SELECT pg_advisory_xact_lock(1)',
    "SELECT pg_terminate_backend(1), set_config('a', 'b', true)",
    'SELECT 1; DELETE FROM t',
    'EXPLAIN ANALYZE SELECT 1',
    'EXPLAIN (ANALYZE) (SELECT 1)',
    'CALL p()',
    'DO $$ $$',
    'COPY t TO STDOUT',
    'BEGIN',
    'NOTIFY x',
    'FETCH 1 FROM c',
    'nonsense',
    '\u0001',
    'SELECT * FROM pg_temp.t',
  ])('%s', (text) => {
    expect(of(text).readOnly).toBe(false)
  })
})

describe('transactions', () => {
  const cases: [string, Classification['transaction']][] = [
    ['SELECT 1', 'none'],
    ['BEGIN', 'begins'],
    ['begin work; select 1', 'begins'],
    ['START TRANSACTION READ WRITE', 'begins'],
    ['COMMIT', 'ends'],
    ['END TRANSACTION', 'ends'],
    ['ABORT', 'ends'],
    ['ROLLBACK', 'ends'],
    ['ROLLBACK WORK AND NO CHAIN', 'ends'],
    ['COMMIT AND CHAIN', 'mixed'],
    ['BEGIN; SELECT 1; COMMIT', 'mixed'],
    ["PREPARE TRANSACTION 'x'", 'ends'],
    ['PREPARE transaction AS SELECT 1', 'none'],
    ["ROLLBACK PREPARED 'x'", 'none'],
    ['ROLLBACK TO a', 'none'],
    ['ROLLBACK WORK TO SAVEPOINT a', 'none'],
    ['RELEASE a', 'none'],
    ['SELECT CASE WHEN a THEN b END', 'none'],
    ['CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END', 'none'],
    ['CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; COMMIT', 'ends'],
    ["SELECT 'COMMIT; BEGIN'", 'none'],
  ]
  it.each(cases)('%s: %s', (text, transaction) => {
    expect(of(text).transaction).toBe(transaction)
  })
})

describe('statements', () => {
  const cases: [string, number][] = [
    ['', 0],
    [' ; /* x */ ; ', 0],
    ['SELECT 1', 1],
    ['SELECT 1;', 1],
    ["SELECT ';'; SELECT $$;$$", 2],
    ['CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM u; NOTIFY x); SELECT 1', 2],
    [
      'CREATE PROCEDURE p() BEGIN ATOMIC SELECT 1; SELECT CASE 1 WHEN 1 THEN 2 END; END; TABLE t',
      2,
    ],
    ['CREATE FUNCTION f() RETURNS int BEGIN ATOMIC END; SELECT 1', 2],
    ['EXPLAIN', 1],
  ]
  it.each(cases)('%j has %i', (text, count) => {
    expect(of(text).statements).toBe(count)
  })
})
