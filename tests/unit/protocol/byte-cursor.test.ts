import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteCursor } from '../../../src/protocol/postgres/byte-cursor.ts'

function text(bytes: Buffer): string {
  return bytes.toString('latin1')
}

describe('the cursor over one direction', () => {
  it('gives a whole chunk out as it came, without a copy', () => {
    const cursor = new ByteCursor()
    const chunk = Buffer.from('abc')
    cursor.push(chunk)
    cursor.pos = 3
    expect(cursor.hasRun).toBe(true)
    expect(cursor.takeRun()).toBe(chunk)
    expect(cursor.hasRun).toBe(false)
    expect(cursor.waiting).toBe(0)
  })

  it('keeps what was not consumed although the memory of the chunk is used again', () => {
    const cursor = new ByteCursor()
    const chunk = Buffer.from('abcdef')
    cursor.push(chunk)
    cursor.pos = 2
    expect(text(cursor.takeRun())).toBe('ab')
    cursor.keep()
    chunk.fill(0xff)
    expect(cursor.available).toBe(4)
    cursor.push(Buffer.from('gh'))
    cursor.pos = cursor.end
    expect(text(cursor.takeRun())).toBe('cdefgh')
  })

  it('keeps a run that was begun and not taken', () => {
    const cursor = new ByteCursor()
    const chunk = Buffer.from('abcdef')
    cursor.push(chunk)
    cursor.pos = 3
    cursor.keep()
    chunk.fill(0xff)
    expect(cursor.waiting).toBe(6)
    expect(text(cursor.takeRun())).toBe('abc')
  })

  it('leaves out what is dropped', () => {
    const cursor = new ByteCursor()
    cursor.push(Buffer.from('abcdef'))
    cursor.pos = 2
    cursor.dropRun()
    cursor.pos = 4
    expect(text(cursor.takeRun())).toBe('cd')
    expect(cursor.waiting).toBe(2)
  })

  it('gives out what was pushed, however it was cut, kept, taken and dropped', () => {
    const steps = fc.array(
      fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 20 }), fc.nat(30), fc.boolean()),
      { maxLength: 20 },
    )
    fc.assert(
      fc.property(steps, (list) => {
        const cursor = new ByteCursor()
        const due: Buffer[] = []
        const out: Buffer[] = []
        for (const [bytes, take, drop] of list) {
          const chunk = Buffer.from(bytes)
          due.push(Buffer.from(bytes))
          cursor.push(chunk)
          cursor.pos += Math.min(take, cursor.available)
          const run = Buffer.from(cursor.takeRun())
          out.push(drop ? Buffer.alloc(run.length) : run)
          if (drop) due.push(zeroed(due, out))
          cursor.keep()
          chunk.fill(0xff)
        }
        cursor.pos = cursor.end
        out.push(Buffer.from(cursor.takeRun()))
        expect(Buffer.concat(out)).toEqual(Buffer.concat(due))
      }),
    )
  })
})

/** Blanks in `due` what the last of `out` left out; returns nothing to add. */
function zeroed(due: Buffer[], out: Buffer[]): Buffer {
  const whole = Buffer.concat(due)
  const end = out.reduce((sum, piece) => sum + piece.length, 0)
  whole.fill(0, end - out.at(-1)!.length, end)
  due.splice(0, due.length, whole)
  return Buffer.alloc(0)
}
