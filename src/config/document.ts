/**
 * A YAML text as a plain value that still knows where everything stands. Rule: whatever is asked
 * for, some place is answered: the value, else the section that should hold it, else the start.
 */
import {
  isAlias,
  isCollection,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
} from 'yaml'
import { messageOf } from '../core/errors.ts'
import type { Path } from './walk.ts'

export interface Place {
  /** Both from 1. */
  readonly line: number
  readonly column: number
}

export interface YamlDocument {
  /** Plain objects, lists and scalars; `{}` for an empty file, undefined when it cannot be read. */
  readonly value: unknown
  readonly faults: readonly { place: Place; message: string }[]
  /** Where the value of `path` stands; with `key`, where its name stands. */
  locate(path: Path, key?: boolean): Place
}

export function readYaml(text: string): YamlDocument {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true })
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  const faults = [...document.errors, ...document.warnings].map((fault) => ({
    place: placeAt(fault.pos[0]),
    message: plainMessage(fault.code, fault.message),
  }))
  let torn = document.errors.some((e) => e.code !== 'DUPLICATE_KEY')
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) !== undefined) return
      torn = true
      const message = `not valid YAML: an alias of nothing above it; ${quotes('*')}`
      faults.push({ place: placeAt(alias.range?.[0] ?? 0), message })
    },
  })
  let value: unknown
  // A key twice or an unknown tag leaves the rest to be judged; of a torn file it would be guesses.
  if (!torn) {
    try {
      value = document.toJS() ?? {}
    } catch (error) {
      faults.push({ place: placeAt(0), message: messageOf(error) })
    }
  }

  function locate(path: Path, key = false): Place {
    let at: unknown = document.contents
    let offset = startOf(at) ?? 0
    for (const [depth, step] of path.entries()) {
      if (isAlias(at)) at = at.resolve(document)
      const found = child(at, step)
      if (found === undefined) break
      const last = depth === path.length - 1
      const named = last && !key && !isCollection(found.value) ? undefined : startOf(found.key)
      offset = named ?? startOf(found.value) ?? offset
      at = found.value
    }
    return placeAt(offset)
  }

  return { value, faults, locate }
}

function child(at: unknown, step: string | number): { key?: unknown; value: unknown } | undefined {
  if (isSeq(at)) {
    const value = at.items[Number(step)]
    return value === undefined ? undefined : { value }
  }
  if (!isMap(at)) return undefined
  return at.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === String(step))
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined
}

/** The parser quotes what it could not read, and that may be a password: only the rest is told. */
function plainMessage(code: string, message: string): string {
  switch (code) {
    case 'DUPLICATE_KEY':
      return 'this setting stands here twice'
    case 'TAB_AS_INDENT':
      return 'indented with a tab; YAML takes spaces only'
    case 'TAG_RESOLVE_FAILED':
      return `not valid YAML: an unknown tag; ${quotes('!')}`
    case 'BAD_DIRECTIVE':
      return `not valid YAML: an unknown directive; ${quotes('%')}`
    case 'BAD_DQ_ESCAPE':
      return 'not valid YAML: an unknown escape after \\ in double quotes'
    default:
      return `not valid YAML: ${message.split('\n')[0]?.replace(/: .*$/, '')}`
  }
}

function quotes(first: string): string {
  return `a text that begins with ${first} needs quotes`
}
