import { expect, it } from 'vitest'
import { SqlText } from '../../../src/protocol/postgres/sql-text.ts'
import { canName } from '../../../src/protocol/postgres/sql-words.ts'
import { readErrorFields } from '../../../src/wire/postgres/read.ts'

function renamed(text: string, name: string, serverName: string): SqlText {
  const bytes = Buffer.from(text)
  const sql = new SqlText(bytes)
  for (let at = bytes.indexOf(name); at >= 0; at = bytes.indexOf(name, at + 1)) {
    sql.replace({ start: at, end: at + name.length }, serverName, name)
  }
  return sql
}

function told(sql: SqlText, message: string, position?: string) {
  const error = { severity: 'ERROR' as const, code: '42601', message }
  const bytes = sql.retell(position === undefined ? error : { ...error, position })
  if (bytes === undefined) return undefined
  const fields = readErrorFields(bytes.subarray(5))
  return [fields.message, fields.position]
}

it('replaces names and leaves every other byte as it is', () => {
  const text = Buffer.from("execute a('\u00fc'); execute a(2)")
  const latin = Buffer.from(text.toString('utf8'), 'latin1')
  const sql = new SqlText(latin)
  sql.replace({ start: 8, end: 9 }, 'weir:1', 'a')
  expect(sql.bytes.toString('latin1')).toBe(`execute "weir:1"('\u00fc'); execute a(2)`)
  const both = renamed('execute a(1); execute a(2)', ' a'.trim(), 'weir:12')
  expect(both.bytes.toString()).toBe('execute "weir:12"(1); execute "weir:12"(2)')
})

it('tells places in the text of the client, in characters', () => {
  const sql = renamed(
    '/* \u00fc\u00fc\u00fc\u00fc\u00fc */ execute foo(x); execute foo(y)',
    'foo',
    'weir:123',
  )
  const sent = sql.bytes.toString()
  const place = (what: string): string => String([...sent.slice(0, sent.indexOf(what))].length + 1)
  const direct = '/* \u00fc\u00fc\u00fc\u00fc\u00fc */ execute foo(x); execute foo(y)'
  for (const what of ['x)', 'y)']) {
    const due = String(direct.indexOf(what) + 1)
    expect(told(sql, 'no column', place(what)) ?? ['no column', place(what)]).toEqual([
      'no column',
      due,
    ])
  }
  expect(told(sql, 'syntax error', '1')).toBeUndefined()
  expect(told(sql, 'syntax error', place('"weir:123"'))?.[1] ?? place('"weir:123"')).toBe(
    String(direct.indexOf('foo') + 1),
  )
})

it('tells names of the client, whatever they look like', () => {
  const sql = new SqlText(Buffer.from('execute "$&"'))
  sql.replace({ start: 8, end: 12 }, 'weir:7', '$&')
  const [message] = told(sql, 'prepared statement "weir:7" does not exist') ?? []
  expect(message).toBe('prepared statement "$&" does not exist')
})

it('takes no reserved word for a name unless it is quoted', () => {
  const at = (text: string, name: string) => canName(Buffer.from(text), { start: 8, name })
  expect(at('prepare all as', 'all')).toBe(false)
  expect(at('prepare "all" as', 'all')).toBe(true)
  expect(at('prepare u&"all" as', 'all')).toBe(true)
  expect(at('prepare alls as', 'alls')).toBe(true)
  expect(at('prepare "" as', '')).toBe(false)
})
