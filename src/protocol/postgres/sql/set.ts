/**
 * SET and RESET in all their spellings, down to the names of settings (VariableSetStmt and
 * VariableResetStmt of src/backend/parser/gram.y). Rule: a SET LOCAL to the default is a local set,
 * because the session's own value comes back behind it.
 */
import { lower } from './names.ts'
import type { Reader } from './reader.ts'

export type SettingAction =
  /** `name`: lower case, parts joined by dots, as in pg_settings. */
  | { readonly kind: 'set'; readonly name: string; readonly local: boolean }
  /** Back to what the session started with. */
  | { readonly kind: 'reset'; readonly name: string }
  | { readonly kind: 'reset-all' }
  /** A setting whose name is not to be read in the text. */
  | { readonly kind: 'set-unknown' }

/** `at`: index behind the word SET. */
export function readSet(reader: Reader, at: number): SettingAction[] {
  const scope = reader.wordAt(at)
  if (isAssignment(reader, at + 1)) return generic(reader, at, false)
  if (scope === 'local') return readRest(reader, at + 1, true)
  const special = startsSession(reader, at)
  return readRest(reader, scope === 'session' && !special ? at + 1 : at, false)
}

/** `at`: index behind the word RESET. */
export function readReset(reader: Reader, at: number): SettingAction[] {
  const next = reader.wordAt(at + 1)
  switch (reader.wordAt(at)) {
    case 'all':
      return [{ kind: 'reset-all' }]
    case 'time':
      if (next === 'zone') return [{ kind: 'reset', name: 'timezone' }]
      break
    case 'session':
      if (next === 'authorization') return [{ kind: 'reset', name: 'session_authorization' }]
      break
    case 'transaction':
      if (next === 'isolation') return [{ kind: 'reset', name: 'transaction_isolation' }]
  }
  const found = settingAt(reader, at)
  return found === undefined ? [{ kind: 'set-unknown' }] : [{ kind: 'reset', name: found.name }]
}

function readRest(reader: Reader, at: number, local: boolean): SettingAction[] {
  if (isAssignment(reader, at + 1)) return generic(reader, at, local)
  const next = reader.wordAt(at + 1)
  switch (reader.wordAt(at)) {
    case 'transaction':
    case 'constraints':
      return []
    case 'session':
      if (next === 'authorization') return assigned(reader, at + 2, 'session_authorization', local)
      return next === 'characteristics' ? characteristics(reader, at + 2, local) : []
    case 'time':
      return next === 'zone' ? assigned(reader, at + 2, 'timezone', local, 'local') : []
    case 'schema':
      return reader.isString(at + 1) ? [{ kind: 'set', name: 'search_path', local }] : []
    case 'catalog':
      if (reader.isString(at + 1)) return [] // the server knows the words and refuses them
      break
    case 'names':
      if (at + 1 === reader.length) return toDefault('client_encoding', local)
      return assigned(reader, at + 1, 'client_encoding', local)
    case 'role':
      return [{ kind: 'set', name: 'role', local }]
    case 'xml':
      if (next === 'option') return [{ kind: 'set', name: 'xmloption', local }]
  }
  return generic(reader, at, local)
}

/** SESSION AUTHORIZATION and SESSION CHARACTERISTICS AS, where SESSION is no scope. */
function startsSession(reader: Reader, at: number): boolean {
  const next = reader.wordAt(at + 1)
  return next === 'authorization' || (next === 'characteristics' && reader.wordAt(at + 2) === 'as')
}

/** `name = value`, `name TO value`, `name FROM CURRENT`. */
function generic(reader: Reader, at: number, local: boolean): SettingAction[] {
  const found = settingAt(reader, at)
  if (found === undefined) return local ? [] : [{ kind: 'set-unknown' }]
  return assigned(reader, found.next + 1, found.name, local)
}

/** `other`: a second word that means DEFAULT. */
function assigned(
  reader: Reader,
  value: number,
  name: string,
  local: boolean,
  other?: string,
): SettingAction[] {
  const word = reader.wordAt(value)
  const only = value === reader.length - 1
  if (only && word !== undefined && (word === 'default' || word === other)) {
    return toDefault(name, local)
  }
  return [{ kind: 'set', name, local }]
}

function toDefault(name: string, local: boolean): SettingAction[] {
  return local ? [{ kind: 'set', name, local }] : [{ kind: 'reset', name }]
}

/** AS TRANSACTION and its modes. */
function characteristics(reader: Reader, at: number, local: boolean): SettingAction[] {
  const found: SettingAction[] = []
  const set = (name: string): void => {
    if (!found.some((action) => action.kind === 'set' && action.name === name)) {
      found.push({ kind: 'set', name, local })
    }
  }
  for (let i = at; i < reader.length; i++) {
    const next = reader.wordAt(i + 1)
    switch (reader.wordAt(i)) {
      case 'isolation':
        set('default_transaction_isolation')
        break
      case 'read':
        if (next === 'only' || next === 'write') set('default_transaction_read_only')
        break
      case 'deferrable':
        set('default_transaction_deferrable')
    }
  }
  return found
}

function isAssignment(reader: Reader, at: number): boolean {
  return /^([=.]|to|from)$/.test(reader.symbolAt(at) ?? reader.wordAt(at) ?? '')
}

/** Parts joined by dots; in either case, quoted or not, it is the same setting. */
function settingAt(reader: Reader, at: number): { name: string; next: number } | undefined {
  const parts: string[] = []
  for (let i = at; ; i++) {
    const part = reader.nameAt(i)
    if (part === undefined) return undefined
    parts.push(part.name)
    if (reader.symbolAt(part.next) !== '.') return { name: lower(parts.join('.')), next: part.next }
    i = part.next
  }
}
