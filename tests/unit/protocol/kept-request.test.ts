import { expect, it } from 'vitest'
import { ByteCursor } from '../../../src/protocol/postgres/byte-cursor.ts'
import { KeptRequest } from '../../../src/protocol/postgres/kept-request.ts'

function cursorOf(bytes: Buffer, pos = 0): ByteCursor {
  const cursor = new ByteCursor()
  cursor.push(bytes)
  cursor.pos = pos
  return cursor
}

it('keeps a copy of one message, by the number of its batch', () => {
  for (const [length, around] of [
    [3, 0],
    [3, 2],
    [16_384, 0],
    [16_384, 2],
  ] as const) {
    const bytes = Buffer.alloc(length + around, 0x61)
    const kept = new KeptRequest()
    kept.one(cursorOf(bytes, around / 2), length, 7, 42)
    bytes.fill(0xff)
    expect(kept.has(7)).toBe(true)
    expect(kept.has(6)).toBe(false)
    expect(kept.take()).toEqual(Buffer.alloc(length, 0x61))
    expect(kept.requests).toBe(42)
  }
})

it('keeps nothing that is longer than 16 KiB, and not what was kept before either', () => {
  const kept = new KeptRequest()
  kept.one(cursorOf(Buffer.alloc(100)), 100, 1, 0)
  kept.one(cursorOf(Buffer.alloc(16_385)), 16_385, 2, 0)
  expect(kept.has(1)).toBe(false)
  expect(kept.has(2)).toBe(false)
})

it('keeps a batch that lies in one piece', () => {
  const cursor = cursorOf(Buffer.from('..bind execute sync..'), 2)
  const kept = new KeptRequest()
  kept.begins(cursor, 3, 0)
  kept.ends(cursor, 19, 3)
  expect(kept.has(3)).toBe(true)
  expect(kept.take().toString()).toBe('bind execute sync')
})

it('keeps no batch in pieces, though the second lies in the very memory of the first', () => {
  const memory = Buffer.from('bind..')
  const cursor = cursorOf(memory)
  const kept = new KeptRequest()
  kept.begins(cursor, 3, 0)
  cursor.pos = 6
  cursor.takeRun()
  memory.write('sync..')
  cursor.push(memory)
  kept.ends(cursor, 6, 3)
  expect(kept.has(3)).toBe(false)
})

it('keeps nothing of a message that has not arrived whole, and not what was kept before either', () => {
  const kept = new KeptRequest()
  kept.one(cursorOf(Buffer.from('select 1')), 8, 1, 0)
  kept.one(cursorOf(Buffer.from('sel')), 8, 2, 0)
  expect(kept.has(1)).toBe(false)
  expect(kept.has(2)).toBe(false)
})
