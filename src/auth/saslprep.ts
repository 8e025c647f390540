/**
 * The bytes of a password that go into SCRAM. Postgres applies SASLprep (RFC 4013) to a password
 * when it can and takes it raw when it cannot, and so must we, or one side's proof never fits the
 * other's verifier. Rule: never refuses a password. Order of checks as in Postgres: pure ASCII is
 * left alone (controls included), prohibited characters are looked for before normalisation.
 */
import { inTable, LEFT_TO_RIGHT, PROHIBITED, RIGHT_TO_LEFT } from './saslprep-tables.ts'

const SPACE = 0x20

function isOtherSpace(code: number): boolean {
  return (
    code === 0xa0 ||
    code === 0x1680 ||
    (code >= 0x2000 && code <= 0x200b) ||
    code === 0x202f ||
    code === 0x205f ||
    code === 0x3000
  )
}

function isMappedToNothing(code: number): boolean {
  return (
    code === 0xad ||
    code === 0x34f ||
    code === 0x1806 ||
    (code >= 0x180b && code <= 0x180d) ||
    code === 0x200c ||
    code === 0x200d ||
    code === 0x2060 ||
    (code >= 0xfe00 && code <= 0xfe0f) ||
    code === 0xfeff
  )
}

/** Text that mixes directions, or has right-to-left text not reaching both ends, is refused. */
function breaksDirectionRule(codes: readonly number[]): boolean {
  if (!codes.some((code) => inTable(RIGHT_TO_LEFT, code))) return false
  if (codes.some((code) => inTable(LEFT_TO_RIGHT, code))) return true
  return !inTable(RIGHT_TO_LEFT, codes[0]!) || !inTable(RIGHT_TO_LEFT, codes[codes.length - 1]!)
}

/** `password` as UTF-8 after SASLprep, or its plain UTF-8 where SASLprep would refuse it. */
export function prepare(password: string): Buffer {
  const raw = Buffer.from(password, 'utf8')
  if (raw.length === password.length) return raw // pure ASCII
  const codes: number[] = []
  for (const character of password) {
    const code = character.codePointAt(0)!
    if (isOtherSpace(code)) codes.push(SPACE)
    else if (!isMappedToNothing(code)) codes.push(code)
  }
  if (codes.length === 0) return raw
  if (codes.some((code) => inTable(PROHIBITED, code))) return raw
  if (breaksDirectionRule(codes)) return raw
  // One character at a time: spreading a very long password would overflow the argument stack.
  let mapped = ''
  for (const code of codes) mapped += String.fromCodePoint(code)
  return Buffer.from(mapped.normalize('NFKC'), 'utf8')
}
