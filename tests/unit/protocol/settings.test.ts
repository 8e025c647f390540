import { expect, test } from 'vitest'
import { differenceSql } from '../../../src/protocol/postgres/settings.ts'

const settings = (pairs: Record<string, string>) => new Map(Object.entries(pairs))

test('equal settings need nothing', () => {
  expect(differenceSql(settings({ a: '1' }), settings({ a: '1' }))).toBe('')
})

test('a setting nobody wants any more is reset, a new one is set', () => {
  const sql = differenceSql(settings({ 'x.y': '1' }), settings({ TimeZone: "it's" }))
  expect(sql).toBe(`RESET "x"."y";SELECT set_config('TimeZone','it''s',false)`)
})

test('a changed setting is set over the old value', () => {
  const sql = differenceSql(settings({ work_mem: '1MB' }), settings({ work_mem: '2MB' }))
  expect(sql).toBe(`SELECT set_config('work_mem','2MB',false)`)
})

test('a changed DateStyle is reset first, because half of the old one would stay', () => {
  const sql = differenceSql(settings({ DateStyle: 'German, DMY' }), settings({ DateStyle: 'ISO' }))
  expect(sql).toBe(`RESET "DateStyle";SELECT set_config('DateStyle','ISO',false)`)
})

test('bytes beyond ASCII do not depend on the encoding of the client before', () => {
  const sql = differenceSql(settings({}), settings({ application_name: "ä\\'" }))
  expect(sql).toBe(`SELECT set_config('application_name', E'\\xc3\\xa4\\x5c''',false)`)
})
