import { describe, expect, it } from 'vitest'
import { prepare } from '../../../src/auth/saslprep.ts'

const raw = (text: string) => Buffer.from(text, 'utf8')

describe('a password prepared for SCRAM', () => {
  it.each([
    ['plain ASCII stays', 'pencil', 'pencil'],
    ['ASCII controls stay, as in Postgres', 'a\u0007b', 'a\u0007b'],
    ['a soft hyphen goes', 'I\u00adX', 'IX'],
    ['other spaces become a space', 'a\u00a0b\u3000c', 'a b c'],
    ['a zero width space becomes a space too', 'a\u200bé', 'a é'],
    ['compatibility forms are folded', '\u2168', 'IX'],
    ['a letter and its accent are joined', 'e\u0301', '\u00e9'],
    ['right-to-left text stays', '\u0627\u0628', '\u0627\u0628'],
  ])('%s', (_, password, expected) => {
    expect(prepare(password)).toEqual(raw(expected))
  })

  it.each([
    ['mixed directions', '\u0627\u2168\u0628'],
    ['right-to-left text that does not reach the end', '\u06271\u00aa'],
    ['a control character beyond ASCII', '\u2168\u0085'],
    ['a private character', '\u2168\ue000'],
    ['a character newer than Unicode 3.2', '\u2168\u{1f600}'],
    ['nothing left after mapping', '\u00ad'],
  ])('is taken raw with %s', (_, password) => {
    expect(prepare(password)).toEqual(raw(password))
  })

  it('may be very long', () => {
    expect(prepare('\u2168'.repeat(200_000)).length).toBe(400_000)
  })
})
