/** Which requests of a client may ride on a shared server connection. */
import { describe, expect, it } from 'vitest'
import type { RideSource } from '../../../../src/protocol/ride.ts'
import {
  bind,
  close,
  describe as describeMessage,
  execute,
  parse,
  query,
  sync,
} from '../../../../src/wire/postgres/frontend.ts'
import { bareConversation, preparedBy } from './ride-support.ts'

const NO_TYPES = Buffer.alloc(2)
const READ = 'select a from t where id = 1'
const unnamed = (text: string, describes = true): Buffer =>
  Buffer.concat([
    parse('', Buffer.from(text), NO_TYPES),
    bind('', ''),
    ...(describes ? [describeMessage('P', '')] : []),
    execute('', 0),
    sync(),
  ])
const named = (name: string, describes = true): Buffer =>
  Buffer.concat([
    bind('', name),
    ...(describes ? [describeMessage('P', '')] : []),
    execute('', 0),
    sync(),
  ])

function rides(source: RideSource, chunk: Buffer): boolean {
  return source.find(Buffer.from(chunk)) !== undefined
}

describe('a plain Query', () => {
  it('rides from the second of its kind on, whatever its literals are', () => {
    const { rides: source } = bareConversation()
    const text = (id: number): Buffer => query(`select a from t where id = ${id} and b = 'x${id}'`)
    // The first is only noticed.
    expect(rides(source, text(1))).toBe(false)
    expect(rides(source, text(22))).toBe(true)
    expect(rides(source, text(333))).toBe(true)
  })

  it.each([
    ['insert into t values (1)'],
    ['update t set a = 1'],
    ['select nextval($$s$$)'],
    ["select nextval('s')"],
    ["select set_config('a.b', 'c', false)"],
    ["select currval('s')"],
    ['select 1 for update'],
    ['select 1; select 2'],
    ['begin'],
    ['copy t to stdout'],
    ['set search_path = x'],
    ['explain analyze delete from t'],
    ['select f(1)'],
    ['with x as (delete from t returning a) select * from x'],
    ['select 1 into u'],
    ['listen x'],
    [''],
  ])('does not ride when it may do more than read one thing: %s', (text) => {
    const { rides: source } = bareConversation()
    for (let i = 0; i < 4; i++) expect(rides(source, query(text))).toBe(false)
  })

  it('does not ride when it is not here whole, or when more is here', () => {
    const { rides: source } = bareConversation()
    for (let i = 0; i < 3; i++) rides(source, query(READ))
    expect(rides(source, query(READ))).toBe(true)
    const whole = query(READ)
    for (let n = 0; n < whole.length; n++) expect(rides(source, whole.subarray(0, n))).toBe(false)
    expect(rides(source, Buffer.concat([whole, whole]))).toBe(false)
    expect(rides(source, Buffer.concat([whole, sync()]))).toBe(false)
  })
})

describe('a batch', () => {
  it('rides with its unnamed statement, with and without Describe', () => {
    const { rides: source } = bareConversation()
    expect(rides(source, unnamed(READ))).toBe(true)
    expect(rides(source, unnamed(READ, false))).toBe(true)
  })

  it('rides with a statement that was prepared by name before', () => {
    const conversation = bareConversation()
    expect(rides(conversation.rides, named('p'))).toBe(false)
    preparedBy(conversation, 'p', READ)
    expect(rides(conversation.rides, named('p'))).toBe(true)
    expect(rides(conversation.rides, named('p', false))).toBe(true)
    expect(rides(conversation.rides, named('q'))).toBe(false)
  })

  it.each([
    ['a write', unnamed('delete from t')],
    ['no Parse of its unnamed statement', named('')],
    ['a Parse by name', Buffer.concat([parse('p', Buffer.from(READ), NO_TYPES), named('p')])],
    [
      'a Parse of the unnamed and a Bind of a named one',
      Buffer.concat([parse('', Buffer.from(READ), NO_TYPES), named('p')]),
    ],
    [
      'a named portal',
      Buffer.concat([
        parse('', Buffer.from(READ), NO_TYPES),
        bind('c', ''),
        execute('c', 0),
        sync(),
      ]),
    ],
    [
      'only some of the rows',
      Buffer.concat([parse('', Buffer.from(READ), NO_TYPES), bind('', ''), execute('', 5), sync()]),
    ],
    [
      'a Describe of a statement',
      Buffer.concat([
        parse('', Buffer.from(READ), NO_TYPES),
        bind('', ''),
        describeMessage('S', ''),
        execute('', 0),
        sync(),
      ]),
    ],
    [
      'a Close',
      Buffer.concat([
        parse('', Buffer.from(READ), NO_TYPES),
        bind('', ''),
        execute('', 0),
        close('P', ''),
        sync(),
      ]),
    ],
    ['two of them', Buffer.concat([unnamed(READ), unnamed(READ)])],
  ])('does not ride with %s', (_what, bytes) => {
    const { rides: source } = bareConversation()
    expect(rides(source, bytes)).toBe(false)
  })

  it('does not ride when it is cut off anywhere, and is left to the ordinary way', () => {
    const conversation = bareConversation()
    preparedBy(conversation, 'p', READ)
    for (const whole of [unnamed(READ), named('p')]) {
      for (let n = 0; n < whole.length; n++) {
        expect(rides(conversation.rides, whole.subarray(0, n))).toBe(false)
      }
    }
  })

  it('does not ride with lengths that cannot be right, and is left to the ordinary way', () => {
    const conversation = bareConversation()
    preparedBy(conversation, 'p', READ)
    for (const whole of [unnamed(READ), named('p'), query(READ)]) {
      for (let at = 0; at < whole.length; at++) {
        for (const byte of [0, 1, 0x7f, 0xff]) {
          const bent = Buffer.from(whole)
          bent[at] = byte
          expect(() => conversation.rides.find(bent)).not.toThrow()
        }
      }
    }
  })
})

it('nothing rides while the session is in the middle of something', () => {
  const conversation = bareConversation()
  expect(rides(conversation.rides, unnamed(READ))).toBe(true)
  conversation.push(query('select').subarray(0, 3))
  expect(rides(conversation.rides, unnamed(READ))).toBe(false)
})
