import { expect, test } from 'vitest'
import { effectOfTag } from '../../../src/protocol/postgres/tags.ts'

test.each([
  ['DEALLOCATE ALL', 'deallocated'],
  ['DISCARD ALL', 'discarded'],
  ['ROLLBACK', 'rolled-back'],
  ['ROLLBACK PREPARED', 'rolled-back'],
  ['RELEASE', undefined],
  ['RESET', undefined],
  ['REFRESH MATERIALIZED VIEW', undefined],
  ['ALTER TABLE', 'reshaped'],
  ['DROP TABLE', 'reshaped'],
  ['CREATE VIEW', 'reshaped'],
  ['DEALLOCATE', undefined],
  ['DISCARD TEMP', undefined],
  ['DECLARE CURSOR', undefined],
  ['DELETE 5', undefined],
  ['DELETE 12345678901234567', undefined],
  ['DO', undefined],
  ['ANALYZE', undefined],
  ['CREATE TABLE', undefined],
  ['COMMIT', undefined],
  ['COPY 5', undefined],
  ['SELECT 1', undefined],
  ['', undefined],
])('the tag %s means %s', (tag, effect) => {
  const buf = Buffer.from(`xx${tag}\0`)
  expect(effectOfTag(buf, 2, buf.length - 1)).toBe(effect)
})
