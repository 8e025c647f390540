/**
 * What statements do to the session, by name: which settings, channels and prepared statements. The
 * second and slow pass, for texts of which `classify` has said that there is something to know.
 * Rule: whatever changes the session is named or told as unknown; a text that PostgreSQL would
 * refuse may give anything.
 */

import { Lexer, OTHER_READINGS, TOKEN } from './lexer.ts'
import { lower, nameAt, stringOf } from './names.ts'
import { Reader } from './reader.ts'
import { readReset, readSet, type SettingAction } from './set.ts'
import { statementsOf, type Token } from './split.ts'
import { CALLS_SET_CONFIG, SETTINGS_VIEW, W } from './words.ts'

export type Action =
  | SettingAction
  | { readonly kind: 'listen'; readonly channel: string }
  /** `undefined`: all channels. */
  | { readonly kind: 'unlisten'; readonly channel: string | undefined }
  /** `[start, end)`: the bytes of the name in the text, quotes included. */
  | {
      readonly kind: 'prepare'
      readonly name: string
      readonly start: number
      readonly end: number
    }
  | {
      readonly kind: 'execute'
      readonly name: string
      readonly start: number
      readonly end: number
    }
  /** `undefined`: all of them; the range is then that of the word ALL. */
  | {
      readonly kind: 'deallocate'
      readonly name: string | undefined
      readonly start: number
      readonly end: number
    }
  | { readonly kind: 'discard'; readonly what: 'all' | 'plans' | 'sequences' | 'temp' }

/**
 * In the order of the text.
 *
 * @param text SQL without its terminating NUL
 * @returns `statement` counts as `Classification.statements` does, from 0
 */
export function actionsOf(text: Buffer): (Action & { statement: number })[] {
  const lexer = new Lexer(text)
  const found = actionsBy(text, lexer)
  if (!lexer.ambiguous) return found
  const known = new Set(found.map((action) => JSON.stringify(action)))
  for (const how of OTHER_READINGS) {
    for (const action of actionsBy(text, new Lexer(text, how))) {
      // A name that may not be one is not to be replaced; what it may set is asked for.
      const named = 'start' in action
      if (named || known.has(JSON.stringify(action))) continue
      known.add(JSON.stringify(action))
      found.push(action)
    }
  }
  return found
}

function actionsBy(text: Buffer, lexer: Lexer): (Action & { statement: number })[] {
  return statementsOf(text, lexer).flatMap((tokens, statement) =>
    actionsIn(text, tokens).map((action) => ({ ...action, statement })),
  )
}

/** Of one statement of `statementsOf`. */
export function actionsIn(text: Buffer, tokens: readonly Token[]): Action[] {
  const reader = new Reader(text, tokens)
  return [...headAction(reader), ...settingsChanged(reader)]
}

function headAction(reader: Reader): Action[] {
  const head = reader.head
  switch (reader.wordAt(head)) {
    case 'set':
      return readSet(reader, head + 1)
    case 'reset':
      return readReset(reader, head + 1)
    case 'listen':
      return named(reader, head + 1, (channel) => ({ kind: 'listen', channel }))
    case 'unlisten':
      if (reader.symbolAt(head + 1) === '*') return [{ kind: 'unlisten', channel: undefined }]
      return named(reader, head + 1, (channel) => ({ kind: 'unlisten', channel }))
    case 'discard':
      return discard(reader.wordAt(head + 1))
    case 'prepare':
      return prepare(reader, head + 1)
    case 'execute':
      return execute(reader, head + 1)
    case 'deallocate':
      return deallocate(reader, head + 1)
    case 'create':
      return execute(reader, reader.behindAsExecute(head + 1))
    default:
      return []
  }
}

function named(reader: Reader, at: number, make: (name: string) => Action): Action[] {
  const found = reader.nameAt(at)
  return found === undefined ? [] : [make(found.name)]
}

function discard(word: string | undefined): Action[] {
  switch (word) {
    case 'all':
    case 'plans':
    case 'sequences':
    case 'temp':
      return [{ kind: 'discard', what: word }]
    case 'temporary':
      return [{ kind: 'discard', what: 'temp' }]
    default:
      return []
  }
}

/** `PREPARE name [(types)] AS`; not PREPARE TRANSACTION 'x'. */
function prepare(reader: Reader, at: number): Action[] {
  const found = reader.nameAt(at)
  if (found === undefined) return []
  if (reader.symbolAt(found.next) !== '(' && reader.wordAt(found.next) !== 'as') return []
  const { name, start, end } = found
  return [{ kind: 'prepare', name, start, end }]
}

/** `EXECUTE name [(values)]`, and what CREATE TABLE AS may add. */
function execute(reader: Reader, at: number): Action[] {
  const found = reader.nameAt(at)
  if (found === undefined) return []
  const { name, start, end, next } = found
  const ends = next === reader.length || reader.symbolAt(next) === '('
  return ends || reader.wordAt(next) === 'with' ? [{ kind: 'execute', name, start, end }] : []
}

function deallocate(reader: Reader, at: number): Action[] {
  const first = reader.nameAt(at)
  if (first === undefined) return []
  const wordy = reader.wordAt(at) === 'prepare' && first.next < reader.length
  const found = wordy ? reader.nameAt(first.next) : first
  if (found === undefined || found.next !== reader.length) return []
  const { name, start, end } = found
  const all = reader.wordAt(found.next - 1) === 'all'
  return [{ kind: 'deallocate', name: all ? undefined : name, start, end }]
}

/** By set_config(), or by an UPDATE of the view of all settings, wherever in the statement. */
function settingsChanged(reader: Reader): SettingAction[] {
  const { text, tokens } = reader
  const found: SettingAction[] = []
  tokens.forEach(({ kind, code }, i) => {
    if ((code & SETTINGS_VIEW) !== 0 && isUpdated(reader, i)) found.push({ kind: 'set-unknown' })
    if (kind !== TOKEN.UNICODE_QUOTED) {
      if ((code & CALLS_SET_CONFIG) !== 0) found.push(...setConfig(text, tokens, i + 1))
      return
    }
    const name = nameAt(text, tokens, i)
    if (name?.name === 'set_config') found.push(...setConfig(text, tokens, name.next))
    const escaped = reader.wordAt(i + 1) === 'uescape'
    if (escaped && (name === undefined || name.name === 'pg_settings')) {
      found.push({ kind: 'set-unknown' })
    }
  })
  return found
}

function isUpdated(reader: Reader, at: number): boolean {
  const before = reader.symbolAt(at - 1) === '.' ? at - 3 : at - 1
  const word = reader.wordAt(before)
  return word === 'update' || word === 'only' || reader.symbolAt(before) === '('
}

/** The arguments of a set_config whose opening parenthesis should be at `open`. */
function setConfig(text: Buffer, tokens: readonly Token[], open: number): SettingAction[] {
  if (tokens[open]?.code !== W.OPEN_PAREN) return []
  const args = argumentsFrom(tokens, open + 1)
  const third = args[2]
  const local = args.length === 3 && third?.length === 1 && third[0]!.code === trueCode(third[0]!)
  const name = settingName(text, args)
  if (name !== undefined) return [{ kind: 'set', name: lower(name), local }]
  // Whatever its name is, it goes back with the transaction.
  return local ? [] : [{ kind: 'set-unknown' }]
}

function trueCode({ kind, code }: Token): number {
  return kind === TOKEN.WORD && (code & 0xff) === W.TRUE ? code : -1
}

function argumentsFrom(tokens: readonly Token[], from: number): Token[][] {
  const args: Token[][] = [[]]
  let depth = 0
  for (let i = from; i < tokens.length; i++) {
    const token = tokens[i]!
    if (token.code === W.OPEN_PAREN) depth++
    if (token.code === W.CLOSE_PAREN && --depth < 0) return args
    if (token.code === W.COMMA && depth === 0) args.push([])
    else args.at(-1)!.push(token)
  }
  return args
}

/** A constant, maybe with `::text` behind it, in its place or by its name. */
function settingName(text: Buffer, args: readonly Token[][]): string | undefined {
  const spelled = args.map((tokens) => new Reader(text, tokens))
  const byName = spelled.find((arg) => arg.wordAt(0) === 'setting_name' && arg.length > 1)
  const arg = byName ?? spelled[0]
  if (arg === undefined) return undefined
  // => or := is two symbols
  const at = byName === undefined ? 0 : 3
  const constant = arg.tokens[at]
  if (constant === undefined) return undefined
  const cast = arg.symbolAt(at + 1) === ':' && arg.wordAt(at + 3) === 'text'
  if (arg.length !== at + (cast ? 4 : 1)) return undefined
  return stringOf(text, constant)
}
