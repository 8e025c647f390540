import { describe, expect, it } from 'vitest'
import { doubtsOf, lastingReason, reasonsOf } from '../../../src/protocol/postgres/doubts.ts'
import { AWS_TRIGGERS, awsPinReason } from '../../../src/protocol/postgres/sql/aws.ts'
import { classify } from '../../../src/protocol/postgres/sql/classify.ts'
import * as E from '../../../src/protocol/postgres/sql/effects.ts'
import { RULES, treatmentOf } from '../../../src/protocol/postgres/sql/treatment.ts'
import { CORPUS } from './corpus.ts'

const of = (text: string) => treatmentOf(Buffer.from(text))
const verdicts = (text: string) =>
  of(text).follow.map(({ verdict, reason }) => (reason ? `${verdict} ${reason}` : verdict))

describe('what becomes of a statement', () => {
  it.each([
    ['SELECT 1', ['nothing']],
    ['SET a = 1', ['follows']],
    ['SET LOCAL a = 1', ['nothing']],
    ['SELECT set_config($1, $2, false)', ['pins settings']],
    ['SELECT set_config($1, $2, true)', ['nothing']],
    ['CREATE TEMP TABLE t (a int)', ['pins temporary']],
    ['CREATE TEMP TABLE t (a int) ON COMMIT DROP', ['nothing']],
    [
      'SELECT pg_advisory_lock(1) FROM set_config($$a$$, $1, false)',
      ['pins advisory-lock', 'follows'],
    ],
    ['SELECT pg_advisory_unlock(1)', ['nothing']],
    ["SELECT currval('s')", ['may-pin sequence']],
    ["SELECT nextval('s'), currval('s')", ['nothing']],
    ["LOAD 'x'", ['pins load']],
    ['DECLARE c CURSOR WITH HOLD FOR SELECT 1', ['pins cursor-with-hold', 'nothing']],
    ['DECLARE c CURSOR FOR SELECT 1', ['nothing']],
    ['DO $$ $$', ['follows']],
  ])('%s: %j', (text, expected) => {
    expect(verdicts(text)).toEqual(expected)
  })

  it.each(CORPUS.map(([text]) => text))('is what the session does: %s', (text) => {
    const bytes = Buffer.from(text)
    const { bits } = classify(bytes)
    const { follow, strict } = of(text)
    const pins = follow.filter(({ verdict }) => verdict === 'pins').map(({ reason }) => reason)
    const doubts = reasonsOf(doubtsOf(bits, [], false))
    const possible = new Set([
      ...doubts,
      lastingReason(bits & E.LOAD),
      lastingReason(bits & E.SEED),
    ])
    for (const reason of pins) expect([...possible]).toContain(reason)
    // What strict refuses is what pins.
    expect(strict === undefined).toBe(pins.length === 0)
    if (strict !== undefined) expect(strict.hint).toMatch(/\.$/)
  })

  it('has a rule for every effect that outlives its transaction', () => {
    const told = RULES.reduce((bits, rule) => bits | rule.effects, 0)
    const silent = E.RESET | E.CLOSE | E.DROP | E.INSERT | E.UNSEEN | E.ADVISORY_UNLOCK
    expect(told & silent).toBe(0)
    expect(E.effectsOf(told | silent)).toEqual(E.EFFECTS)
  })

  it('says when a pin ends and nothing of the kind where nothing pins', () => {
    for (const { verdict, reason, until } of RULES) {
      const pins = verdict === 'pins' || verdict === 'may-pin'
      expect([reason !== undefined, until !== undefined]).toEqual([pins, pins])
    }
  })
})

describe('what RDS Proxy pins on', () => {
  const reason = (text: string) => awsPinReason(classify(Buffer.from(text)), text.length)

  it.each([
    ['SET a = 1', 'settings'],
    ['SET LOCAL a = 1', 'settings'],
    ['RESET ALL', 'settings'],
    ["SELECT set_config('a', 'b', true)", 'settings'],
    ['PREPARE p AS SELECT 1', 'sql-prepare'],
    ['EXECUTE p', 'sql-prepare'],
    ['DEALLOCATE ALL', 'sql-prepare'],
    ['DISCARD ALL', 'discard'],
    ['DISCARD PLANS', 'discard'],
    ['CREATE TEMP SEQUENCE s', 'temporary'],
    ['CREATE TEMP TABLE t (a int) ON COMMIT DROP', 'temporary'],
    ['CREATE TEMP VIEW v AS SELECT 1', 'temporary'],
    ['DECLARE c CURSOR FOR SELECT 1', 'cursor-with-hold'],
    ['LISTEN a', 'listen'],
    ["LOAD 'auto_explain'", 'load'],
    ["SELECT nextval('s')", 'sequence'],
    ["SELECT setval('s', 1)", 'sequence'],
    ['SELECT pg_try_advisory_lock(1)', 'advisory-lock'],
    [`SELECT '${'x'.repeat(16_384)}'`, 'large-statement'],
  ])('%.60s: %s', (text, expected) => {
    expect(reason(text)).toBe(expected)
  })

  it.each([
    'SELECT 1',
    'SELECT pg_advisory_xact_lock(1)',
    'SELECT pg_try_advisory_xact_lock_shared(1)',
    "SELECT currval('s')",
    'SELECT f(1)',
    'CALL p()',
    'BEGIN ISOLATION LEVEL SERIALIZABLE',
    'NOTIFY a',
    `SELECT '${'x'.repeat(16_000)}'`,
  ])('not on %.60s', (text) => {
    expect(reason(text)).toBeUndefined()
  })

  it('names each trigger once', () => {
    expect(new Set(AWS_TRIGGERS.map((t) => t.trigger)).size).toBe(AWS_TRIGGERS.length)
  })
})
