/**
 * The md5 method of Postgres, kept for old clients and nodes. What is stored is
 * `md5` + hex(md5(password + user)); what travels is `md5` + hex(md5(those 32 digits + salt)).
 * Rule: whoever holds the stored hash can log in with it, so it is as secret as the password.
 */
import { createHash } from 'node:crypto'
import { sameBytes } from './equal.ts'

const STORED = /^md5[0-9a-f]{32}$/

/** Is this the stored form of a md5 password? */
export function isMd5Hash(text: string): boolean {
  return STORED.test(text)
}

/** The stored form: `md5` and 32 hex digits. */
export function md5Hash(password: string, username: string): string {
  return `md5${createHash('md5').update(password, 'utf8').update(username, 'utf8').digest('hex')}`
}

/** What a client sends for `salt` (4 bytes), from the stored form. */
export function md5Response(stored: string, salt: Uint8Array): string {
  return `md5${createHash('md5').update(stored.slice(3), 'latin1').update(salt).digest('hex')}`
}

/** Does `response` (without its closing zero) prove knowledge of `stored` under `salt`? */
export function md5Proves(stored: string, salt: Uint8Array, response: Uint8Array): boolean {
  return sameBytes(Buffer.from(md5Response(stored, salt), 'latin1'), response)
}
