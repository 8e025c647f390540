import { expect, it } from 'vitest'
import { weave } from '../../../src/protocol/postgres/woven-text.ts'
import type { ErrorFields } from '../../../src/wire/postgres/error-fields.ts'

/** Ours behind each statement whose first byte is `r`. */
function woven(text: string) {
  const bytes = Buffer.from(text)
  return weave(bytes, ([first]) => (bytes[first!.start] === 0x72 ? 'OURS' : ''))
}

const at = (position: number): ErrorFields => ({
  severity: 'ERROR',
  code: '42601',
  message: 'syntax error',
  position: String(position),
})

it('nothing of ours leaves a text alone', () => {
  expect(woven('select 1; select 2')).toBeUndefined()
  expect(woven('')).toBeUndefined()
})

it('ours stand right behind the last token, and comments stay where they are', () => {
  const text = woven('/* a */ reset /* b */ x /* c */; select 1;;reset y -- d')!
  expect(text.bytes.toString()).toBe(
    '/* a */ reset /* b */ x;OURS /* c */; select 1;;reset y;OURS -- d',
  )
})

it('results of ours are counted with those of the client before them', () => {
  expect([...woven('reset x')!.ours]).toEqual([1])
  expect([...woven('select 1; reset x; reset y; select 2')!.ours]).toEqual([2, 4])
})

it('an error is told at its place in the text of the client, in characters', () => {
  const text = woven('reset ü; reset y; oops')!
  const sent = text.bytes.toString()
  expect(text.told(at(sent.indexOf('oops') + 1)).position).toBe('19')
  expect(text.told(at(sent.indexOf('reset y') + 1)).position).toBe('10')
  expect(text.told(at(1)).position).toBe('1')
})

it('an error without a place is told as it is', () => {
  const { position: _, ...fields } = at(1)
  const text = woven('reset x')!
  expect(text.told(fields as ErrorFields)).toBe(fields)
})
