import { expect, it } from 'vitest'
import { SecondTry } from '../../../src/protocol/postgres/second-try.ts'

const BATCH = Buffer.from('..bind execute sync..')

function kept(buffer: Buffer, start: number, end: number, endsIn = buffer): SecondTry {
  const again = new SecondTry()
  again.begins(buffer, start)
  again.ends(endsIn, end)
  return again
}

it('keeps a copy of a batch that lies in one piece', () => {
  const bytes = Buffer.from(BATCH)
  const again = kept(bytes, 2, bytes.length - 2)
  bytes.fill(0xff)
  expect(again.armed).toBe(true)
  expect(again.take().toString()).toBe('bind execute sync')
})

it('keeps nothing of a batch in pieces, or too long', () => {
  expect(kept(BATCH, 2, 10, Buffer.from(BATCH)).armed).toBe(false)
  expect(kept(Buffer.alloc(20_000), 0, 16_385).armed).toBe(false)
  expect(kept(Buffer.alloc(20_000), 0, 16_384).armed).toBe(true)
})

it('does not keep what is being played again, up to its Sync', () => {
  const again = kept(BATCH, 2, 10)
  again.armed = false
  again.take()
  again.begins(BATCH, 2)
  again.ends(BATCH, 10)
  expect(again.armed).toBe(false)
  again.begins(BATCH, 2)
  again.ends(BATCH, 10)
  expect(again.armed).toBe(true)
})
