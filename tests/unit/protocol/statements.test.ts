import { describe, expect, it } from 'vitest'
import { NAME_PREFIX, PreparedBook, Statements } from '../../../src/protocol/postgres/statements.ts'

const NO_TYPES = Buffer.from([0, 0])
const INT4 = Buffer.from([0, 1, 0, 0, 0, 23])

function text(sql: string): Buffer {
  return Buffer.from(sql)
}

describe('statements', () => {
  it('are one object for one text, types and realm, and copies of what they were made of', () => {
    const statements = new Statements()
    const bytes = text('select 1')
    const one = statements.intern(bytes, NO_TYPES, 'realm')
    bytes.fill(0xff)
    expect(statements.intern(text('select 1'), NO_TYPES, 'realm')).toBe(one)
    expect(statements.intern(text('select 1'), INT4, 'realm')).not.toBe(one)
    expect(statements.intern(text('select 1'), NO_TYPES, 'other')).not.toBe(one)
    expect(one.text.toString()).toBe('select 1')
    expect(one.serverName.startsWith(NAME_PREFIX)).toBe(true)
  })

  it('are never shared when a literal means the moment of the Parse', () => {
    const statements = new Statements()
    for (const sql of ["select 'now'::timestamp", "select date ' Today'", "select 'tomorrow'"]) {
      const one = statements.intern(text(sql), NO_TYPES, '')
      expect(statements.intern(text(sql), NO_TYPES, '')).not.toBe(one)
      expect(statements.find(text(sql), NO_TYPES, '')).toBeUndefined()
    }
  })

  it('forget the oldest text beyond the limit and never use a name twice', () => {
    const statements = new Statements(2)
    const names = ['a', 'b', 'c', 'a'].map(
      (sql) => statements.intern(text(sql), NO_TYPES, '').serverName,
    )
    expect(new Set(names).size).toBe(4)
    expect(statements.size).toBe(2)
  })
})

describe('the book of one server connection', () => {
  const statements = new Statements()
  const [a, b, c] = ['a', 'b', 'c'].map((sql) => statements.intern(text(sql), NO_TYPES, ''))

  it('relies on a Parse in its own batch at once, on another only when it was answered', () => {
    const book = new PreparedBook(10)
    expect(book.use(a!, 1)).toBe('absent')
    book.add(a!, 1)
    expect(book.use(a!, 1)).toBe('ready')
    expect(book.use(a!, 2)).toBe('unsure')
    book.confirm(a!, 1)
    expect(book.use(a!, 2)).toBe('ready')
  })

  it('makes room with what was used longest ago, and doubts it until its Close is answered', () => {
    const book = new PreparedBook(2)
    for (const statement of [a!, b!]) {
      book.add(statement, 1)
      book.confirm(statement, 1)
    }
    book.use(a!, 2)
    book.add(c!, 2)
    expect(book.evict(c!)).toBe(b)
    expect(book.evict(c!)).toBe(undefined)
    expect(book.use(b!, 2)).toBe('unsure')
    book.closed(b!)
    expect(book.use(b!, 2)).toBe('absent')
  })

  it('still has what a skipped Close was to take away, and cannot be sure of it', () => {
    const book = new PreparedBook(1)
    book.add(a!, 1)
    book.confirm(a!, 1)
    book.add(b!, 2)
    expect(book.evict(b!)).toBe(a)
    book.undo(b!, 2, 'absent')
    book.kept(a!)
    expect(book.use(b!, 3)).toBe('absent')
    expect(book.use(a!, 3)).toBe('unsure')
  })

  it('lets the newest Parse under way have the last word', () => {
    const book = new PreparedBook(10)
    book.add(a!, 1)
    book.add(a!, 2)
    book.confirm(a!, 1)
    expect(book.use(a!, 3)).toBe('unsure')
    book.undo(a!, 1, 'absent')
    book.confirm(a!, 2)
    expect(book.use(a!, 3)).toBe('ready')
  })
})
