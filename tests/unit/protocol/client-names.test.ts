import { beforeEach, describe, expect, it } from 'vitest'
import { ClientNames } from '../../../src/protocol/postgres/client-names.ts'
import { PostgresServerConversation } from '../../../src/protocol/postgres/server-conversation.ts'
import { Statements } from '../../../src/protocol/postgres/statements.ts'

const NO_TYPES = Buffer.from([0, 0])
const TEXT = Buffer.from('select * from t')

let statements: Statements
let server: PostgresServerConversation
let names: ClientNames

beforeEach(() => {
  statements = new Statements()
  names = new ClientNames(statements, 'one')
  server = new PostgresServerConversation({
    parameters: new Map(),
    cancelKey: undefined,
    preparedLimit: 10,
    initQuery: '',
  })
})

function prepare(name: string): void {
  names.set(name, names.entry(name, names.intern(server, TEXT, NO_TYPES)))
}

describe('the statement behind a name', () => {
  it('is another one after the settings of the client have changed', () => {
    prepare('a')
    const before = names.current(server, 'a')!.statement
    names.realm = 'two'
    const after = names.current(server, 'a')!.statement
    expect(after).not.toBe(before)
    expect(after).toBe(statements.intern(TEXT, NO_TYPES, 'two'))
    names.realm = 'one'
    expect(names.current(server, 'a')!.statement).toBe(before)
  })

  it('stays while settings are in doubt, because nobody knows yet what they are', () => {
    prepare('a')
    const before = names.current(server, 'a')!.statement
    names.realm = 'two'
    server.dirty = true
    expect(names.current(server, 'a')!.statement).toBe(before)
  })

  it('is the own one of a client that prepares while settings are in doubt', () => {
    server.coloured = true
    prepare('a')
    const own = names.current(server, 'a')!.statement
    expect(own.shared).toBe(false)
    server.coloured = false
    names.realm = 'two'
    expect(names.current(server, 'a')!.statement).toBe(own)
  })

  it('has a twin where it would have to be parsed under settings in doubt', () => {
    prepare('a')
    const named = names.current(server, 'a')!
    expect(names.pick(server, named)).toBe(named.statement)
    expect(names.presence).toBe('absent')
    server.coloured = true
    const twin = names.pick(server, named)
    expect(twin).not.toBe(named.statement)
    expect(twin.text.equals(TEXT)).toBe(true)
    expect(names.pick(server, named)).toBe(twin)
    server.prepared.add(named.statement, 0)
    server.prepared.confirm(named.statement, 0)
    expect(names.pick(server, named)).toBe(named.statement)
    expect(names.presence).toBe('ready')
  })
})

describe('all names', () => {
  it('come back when taking them away failed, but for those given since', () => {
    prepare('a')
    prepare('b')
    const restore = names.clear()
    expect(names.size).toBe(0)
    prepare('b')
    const since = names.get('b')
    restore()
    expect(names.has('a')).toBe(true)
    expect(names.get('b')).toBe(since)
  })

  it('go with what the server deallocated, but for those sent behind that', () => {
    prepare('a')
    prepare('b')
    names.get('b')!.pending = true
    names.deallocated()
    expect(names.has('a')).toBe(false)
    expect(names.has('b')).toBe(true)
  })
})
