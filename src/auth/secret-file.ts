/**
 * Reads secrets files: one `{"username","password"}` object or an array of them, the shape of an RDS
 * secret, other keys ignored. Rule: an error names the file, the entry and what is wrong with it,
 * and never quotes what the file holds (which is why the parser's own message is dropped).
 */
import { readFile } from 'node:fs/promises'
import { WeirError } from '../core/errors.ts'

export interface SecretEntry {
  readonly username: string
  /** A plain password, or a stored one: `SCRAM-SHA-256$...` or `md5...`. */
  readonly password: string
  /** Where it was written, for errors: `secrets.json, entry 2`. */
  readonly source: string
  /** Other passwords that are right as well, the newest first: the secret is being rotated. */
  readonly also?: readonly AlsoRight[]
}

export interface AlsoRight {
  readonly password: string
  /** Until then (wall clock, ms since 1970). */
  readonly until: number
  /** False: not for clients; a node may know it already. */
  readonly doors: boolean
}

/** @throws WeirError WEIR_SECRETS */
export async function readSecretFile(path: string): Promise<SecretEntry[]> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
    throw bad(`cannot read secrets file ${path}: ${code}`)
  }
  return parseSecrets(text, path)
}

/**
 * @param path where the text comes from
 * @param what a file, or another thing that holds secrets
 * @throws WeirError WEIR_SECRETS
 */
export function parseSecrets(text: string, path: string, what = 'secrets file '): SecretEntry[] {
  let parsed: unknown
  try {
    parsed = JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text)
  } catch {
    throw bad(`${what}${path} is not valid JSON`)
  }
  const entries = Array.isArray(parsed) ? parsed : [parsed]
  if (entries.length === 0) throw bad(`${what}${path} holds an empty list`)
  return entries.map((entry: unknown, i) => {
    const source = Array.isArray(parsed) ? `${path}, entry ${i + 1}` : path
    return readEntry(entry, source)
  })
}

function readEntry(entry: unknown, source: string): SecretEntry {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
    throw bad(`${source} is not an object with "username" and "password"`)
  }
  const { username, password } = entry as Record<string, unknown>
  return {
    username: readText(username, 'username', source),
    password: readText(password, 'password', source),
    source,
  }
}

function readText(value: unknown, key: string, source: string): string {
  if (value === undefined) throw bad(`${source} has no "${key}"`)
  if (typeof value !== 'string') throw bad(`${source}: "${key}" is not a string`)
  if (value === '') throw bad(`${source}: "${key}" is empty`)
  // The protocol ends strings with a zero byte, so no client could ever send this one.
  if (value.includes('\0')) throw bad(`${source}: "${key}" contains a zero byte`)
  return value
}

function bad(message: string): WeirError {
  return new WeirError('WEIR_SECRETS', message, {
    sqlstate: 'F0000',
    hint: 'A secrets file holds {"username": "...", "password": "..."}, or an array of these.',
  })
}
