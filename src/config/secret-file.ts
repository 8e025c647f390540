/**
 * Looks whether a secrets file is there and has the shape of an RDS secret, or a list of them.
 * Rule: user names come out, passwords never; not even a JSON error is passed on, for it quotes.
 */
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { isRecord } from './walk.ts'

export type SecretFile =
  | { readonly users: readonly string[] }
  | { readonly got: string; readonly want: string }

const SHAPE = '{ "username": ..., "password": ... } or a list of them'

export function inspectSecretFile(path: string): SecretFile {
  const read = readable(path)
  if ('got' in read) return read
  let value: unknown
  try {
    value = JSON.parse(read.text)
  } catch {
    return { got: `${shown(path)}, which is no JSON`, want: SHAPE }
  }
  const entries = Array.isArray(value) ? value : [value]
  if (entries.length === 0) return { got: `${shown(path)}, which is an empty list`, want: SHAPE }
  const users: string[] = []
  for (const [index, entry] of entries.entries()) {
    const fault = faultOf(entry)
    if (fault !== undefined) {
      const which = Array.isArray(value) ? `entry ${index + 1} of ${shown(path)}` : shown(path)
      return { got: `${which}, which ${fault}`, want: SHAPE }
    }
    users.push((entry as { username: string }).username)
  }
  return { users }
}

/** The text of a file, or what is wrong with it in the words of a problem. */
export function readable(path: string): { text: string } | { got: string; want: string } {
  try {
    return { text: readFileSync(path, 'utf8') }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    const want = 'a file that can be read'
    if (code === 'ENOENT') return { got: `${shown(path)}, which does not exist`, want }
    if (code === 'EACCES') return { got: `${shown(path)}, which may not be read`, want }
    if (code === 'EISDIR') return { got: `${shown(path)}, which is a directory`, want }
    return { got: `${shown(path)}, which cannot be read (${code})`, want }
  }
}

function shown(path: string): string {
  const near = relative(process.cwd(), path)
  return near.startsWith('..') ? path : near
}

function faultOf(entry: unknown): string | undefined {
  if (!isRecord(entry)) return 'is no { ... } object'
  for (const key of ['username', 'password']) {
    if (entry[key] === undefined) return `has no ${key}`
    if (typeof entry[key] !== 'string') return `has a ${key} that is no text`
  }
  return entry.username === '' ? 'has an empty username' : undefined
}
