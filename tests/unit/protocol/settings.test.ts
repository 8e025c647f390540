import { expect, test } from 'vitest'
import {
  actingSql,
  differenceSql,
  meaningKeyOf,
  setSql,
  settingsKeyOf,
} from '../../../src/protocol/postgres/settings.ts'

const settings = (pairs: Record<string, string>) => new Map(Object.entries(pairs))

test('equal settings need nothing', () => {
  expect(differenceSql(settings({ a: '1' }), settings({ a: '1' }))).toBe('')
})

test('a setting nobody wants any more is reset, a new one is set', () => {
  const sql = differenceSql(settings({ 'x.y': '1' }), settings({ TimeZone: "it's" }))
  expect(sql).toBe(`RESET "x"."y";SELECT pg_catalog.set_config('TimeZone','it''s',false)`)
})

test('a changed setting is set over the old value', () => {
  const sql = differenceSql(settings({ work_mem: '1MB' }), settings({ work_mem: '2MB' }))
  expect(sql).toBe(`SELECT pg_catalog.set_config('work_mem','2MB',false)`)
})

test('a changed DateStyle is reset first, because half of the old one would stay', () => {
  const sql = differenceSql(settings({ DateStyle: 'German, DMY' }), settings({ DateStyle: 'ISO' }))
  expect(sql).toBe(`RESET "DateStyle";SELECT pg_catalog.set_config('DateStyle','ISO',false)`)
})

test('bytes beyond ASCII do not depend on the encoding of the client before', () => {
  const sql = differenceSql(settings({}), settings({ application_name: "ä\\'" }))
  expect(sql).toBe(`SELECT pg_catalog.set_config('application_name', E'\\xc3\\xa4\\x5c''',false)`)
})

test('another role is given up first, with the rights of the login, and taken on last', () => {
  const sql = differenceSql(
    settings({ role: 'clerk', work_mem: '1MB' }),
    settings({ role: 'auditor', work_mem: '2MB' }),
  )
  expect(sql).toBe(
    "RESET session_authorization;RESET role;SELECT pg_catalog.set_config('work_mem','2MB',false)," +
      "pg_catalog.set_config('role','auditor',false)",
  )
})

test('a role that stays is taken on again when another setting needs the rights of the login', () => {
  const sql = differenceSql(
    settings({ role: 'clerk' }),
    settings({ role: 'clerk', log_statement: 'all' }),
  )
  expect(sql).toBe(
    "RESET session_authorization;RESET role;SELECT pg_catalog.set_config('log_statement','all',false)," +
      "pg_catalog.set_config('role','clerk',false)",
  )
})

test('the session user comes before the role it takes on', () => {
  const sql = setSql(settings({ role: 'clerk', session_authorization: 'ann', work_mem: '1MB' }))
  expect(sql.match(/set_config\('(\w+)'/g)).toEqual([
    "set_config('work_mem'",
    "set_config('session_authorization'",
    "set_config('role'",
  ])
})

test('what the init query had set is set again behind a RESET of it', () => {
  const sql = differenceSql(settings({ work_mem: '1MB' }), settings({}), 'SET work_mem = 2MB')
  expect(sql).toBe('RESET "work_mem";SET work_mem = 2MB\n;')
})

test('equal settings have one key, whatever order they came in', () => {
  expect(settingsKeyOf(settings({ a: '1', b: '2' }))).toBe(
    settingsKeyOf(settings({ b: '2', a: '1' })),
  )
  expect(settingsKeyOf(settings({ a: '1' }))).not.toBe(settingsKeyOf(settings({ a: '2' })))
  expect(settingsKeyOf(settings({}))).toBe('')
})

test('settings that no text of SQL depends on do not count for its meaning', () => {
  expect(meaningKeyOf(settings({ application_name: 'a', statement_timeout: '1' }))).toBe('')
  expect(meaningKeyOf(settings({ search_path: 'a', work_mem: '1' }))).toBe(
    settingsKeyOf(settings({ search_path: 'a' })),
  )
})

test('who acts as somebody ends the server process where that was refused', () => {
  expect(actingSql(settings({ work_mem: '1MB' }))).toBe('')
  expect(actingSql(settings({ role: "o'clerk" }))).toBe(
    "SELECT pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid()) WHERE pg_catalog.current_setting('role')<>'o''clerk'",
  )
})
