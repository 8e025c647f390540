/**
 * SQL that Weir writes itself out of what clients sent: settings brought to a server connection, LISTEN
 * and UNLISTEN. Rule: PostgreSQL's own parser reads exactly the statements meant, with exactly the names
 * and values given; no name and no value ends its quotes.
 */
import { loadModule, parseSync } from 'libpg-query'
import { listenSql } from '../../../src/protocol/postgres/listener.ts'
import { actingSql, differenceSql } from '../../../src/protocol/postgres/settings.ts'
import { Lexer, TOKEN } from '../../../src/protocol/postgres/sql/lexer.ts'
import { decode } from '../../../src/wire/postgres/text.ts'
import type { Target } from '../../support/fuzz.ts'
import type { Draw } from '../../support/fuzz-draw.ts'

await loadModule()

interface Case {
  from: [string, string][]
  to: [string, string][]
  channel: string
}

const SHARDS = [
  ...[
    "'",
    "''",
    '"',
    '""',
    '\\',
    "\\'",
    ';',
    '--',
    '/*',
    '*/',
    '$$',
    '$a$',
    ')',
    ',',
    '::',
    '\n',
    '\r',
  ],
  ...[
    "E'",
    "U&'",
    '; DROP TABLE x; --',
    "',false);SELECT 1;--",
    'search_path',
    'role',
    'a.b',
    '.',
    'é',
    '漢',
  ],
]
const NAMES = [
  'search_path',
  'role',
  'session_authorization',
  'datestyle',
  'a.b',
  'application_name',
]

function make(draw: Draw): Case {
  const name = () => (draw.maybe(40) ? draw.text(4, SHARDS) : draw.pick(NAMES))
  const settings = () => draw.list(4, (): [string, string] => [name(), draw.text(6, SHARDS)])
  return { from: settings(), to: settings(), channel: draw.text(5, SHARDS) }
}

type Node = Record<string, unknown>

/** The statements of `sql`, each in a few words; undefined when PostgreSQL refuses the text. */
function statementsIn(sql: string): string[] | undefined {
  if (sql === '') return []
  let parsed: { stmts?: { stmt: Node }[] }
  try {
    parsed = parseSync(sql) as typeof parsed
  } catch {
    return undefined
  }
  return (parsed.stmts ?? []).flatMap(({ stmt }) => {
    const [kind, node] = Object.entries(stmt)[0] as [string, Node]
    switch (kind) {
      case 'VariableSetStmt':
        return [`${node.kind} ${node.name}`]
      case 'ListenStmt':
      case 'UnlistenStmt':
        return [`${kind} ${node.conditionname}`]
      case 'SelectStmt': {
        if (node.whereClause !== undefined) return [`end unless ${constants(node.whereClause)}`]
        return (node.targetList as Node[]).map((target) => `set ${constants(target)}`)
      }
      default:
        return [kind]
    }
  })
}

/** Every string constant below `root`, in order; what is called too. */
function constants(root: unknown): string {
  const found: string[] = []
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    for (const [key, inner] of Object.entries(node)) {
      if (key === 'sval' && typeof inner === 'string') found.push(inner)
      else if (key === 'sval') found.push(String((inner as { sval?: string }).sval ?? ''))
      else walk(inner)
    }
  }
  walk(root)
  return JSON.stringify(found)
}

function check({ from, to, channel }: Case): string {
  const [before, after] = [new Map(from), new Map(to)]
  const sql = differenceSql(before, after)
  const names = [...before.keys(), ...after.keys()]
  // A name with an empty part is none for the parser: such a text is refused as a whole.
  const nameless = names.some((name) => name.split('.').includes(''))
  const seen = statementsIn(sql)
  const identities = ['session_authorization', 'role']
  const acting = [...before.keys()].some((name) => identities.includes(name))
  if (seen === undefined) {
    if (!nameless) throw new Error(`not SQL: ${sql}`)
  } else {
    const resets = [...before]
      .filter(([name, value]) => {
        if (identities.includes(name)) return false
        const wanted = after.get(name)
        return wanted === undefined || (wanted !== value && name.toLowerCase() === 'datestyle')
      })
      .map(([name]) => `VAR_RESET ${name}`)
    const sets = [...after]
      .filter(
        ([name, value]) => before.get(name) !== value || (acting && identities.includes(name)),
      )
      .sort(([a], [b]) => identities.indexOf(a) - identities.indexOf(b))
      .map(([name, value]) => `set ${JSON.stringify(['pg_catalog', 'set_config', name, value])}`)
    const first = acting ? ['VAR_RESET session_authorization', 'VAR_RESET role'] : []
    compare([...first, ...resets, ...sets], seen, sql)
  }
  const end = actingSql(after)
  for (const text of [sql, end, listenSql(channel)]) clear(text)
  if (end !== '') {
    const due = identities
      .filter((name) => after.has(name))
      .flatMap((name) => ['<>', 'pg_catalog', 'current_setting', name, after.get(name)!])
    const told = statementsIn(end)
    compare([[...due].sort().join('|')], told?.map((one) => sortedWords(one)) ?? [], end)
  }
  if (channel !== '')
    compare([`ListenStmt ${cut(channel)}`], statementsIn(listenSql(channel)) ?? [], channel)
  return `${seen === undefined ? 'refused' : Math.min(4, seen.length)}, ${end === '' ? '' : 'acting'}`
}

/** Strings end in one place only, also where `standard_conforming_strings` is off. */
function clear(sql: string): void {
  const lexer = new Lexer(Buffer.from(sql))
  while (lexer.next() !== TOKEN.END);
  if (lexer.ambiguous) throw new Error(`two ways to read: ${sql}`)
}

function sortedWords(one: string): string {
  return (JSON.parse(one.replace(/^end unless /, '')) as string[]).sort().join('|')
}

/** As the parser cuts names: to 63 bytes, with no character halved. */
function cut(name: string): string {
  let bytes = Buffer.from(name)
  if (bytes.length <= 63) return name
  bytes = bytes.subarray(0, 63)
  while (decode(bytes, 0, bytes.length) !== bytes.toString('utf8')) bytes = bytes.subarray(0, -1)
  return bytes.toString('utf8')
}

function compare(due: readonly string[], seen: readonly string[], sql: string): void {
  const cutDue = due.map((one) => (one.startsWith('VAR_RESET') ? dotted(one) : one))
  if (JSON.stringify(cutDue) === JSON.stringify(seen)) return
  throw new Error(`${JSON.stringify(seen)} is read, not ${JSON.stringify(cutDue)}: ${sql}`)
}

function dotted(reset: string): string {
  return `VAR_RESET ${reset.slice('VAR_RESET '.length).split('.').map(cut).join('.')}`
}

export const ownSql: Target<Case> = {
  name: 'own-sql',
  promise:
    'SQL of our own says what it is meant to say, whatever clients put into names and values',
  runs: 3_000,
  make,
  check,
}
