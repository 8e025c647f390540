/**
 * What PostgreSQL's own parse tree says about a statement's effects on its session, for comparison
 * with the classifier. Rule: only what the tree holds; what a name means on a server is not asked.
 */
import { parseSync } from 'libpg-query'
import * as E from '../../../src/protocol/postgres/sql/effects.ts'

/** A node of the tree: plain JSON. */
export type Node = { readonly [key: string]: unknown }

export interface TreeStatement {
  /** `VariableSetStmt`, `SelectStmt` ... */
  readonly kind: string
  readonly node: Node
  /** Bytes of the text, white space and comments included. */
  readonly start: number
  readonly end: number
}

/** Undefined when PostgreSQL refuses the text. */
export function treeOf(text: string): TreeStatement[] | undefined {
  // Long lists of operators may be too deep for the parser's own stack.
  let parsed: { stmts?: unknown }
  try {
    parsed = parseSync(text) as { stmts?: unknown }
  } catch {
    return undefined
  }
  const length = Buffer.byteLength(text)
  return ((parsed.stmts ?? []) as Node[]).map((raw) => {
    const [kind, node] = Object.entries(raw.stmt as Node)[0]!
    const start = (raw.stmt_location as number | undefined) ?? 0
    const end = start + ((raw.stmt_len as number | undefined) ?? length - start)
    return { kind, node: node as Node, start, end }
  })
}

/** Every node below and with `root`, with the name of its kind ('' for nodes without). */
export function* nodesOf(root: TreeStatement): Generator<readonly [kind: string, node: Node]> {
  yield* walk(root.kind, root.node)
}

function* walk(kind: string, value: unknown): Generator<readonly [string, Node]> {
  if (Array.isArray(value)) {
    for (const item of value) yield* walk(kind, item)
    return
  }
  if (typeof value !== 'object' || value === null) return
  yield [kind, value as Node]
  for (const [key, below] of Object.entries(value)) yield* walk(key, below)
}

/** What `actionsOf` has to find, in short; called functions are left out. */
export function treeActions({ kind, node }: TreeStatement): string[] {
  switch (kind) {
    case 'VariableSetStmt':
      return settings(node)
    case 'ListenStmt':
      return [`listen ${node.conditionname}`]
    case 'UnlistenStmt':
      return [`unlisten ${node.conditionname ?? '*'}`]
    case 'DiscardStmt':
      return [`discard ${String(node.target).slice('DISCARD_'.length).toLowerCase()}`]
    case 'PrepareStmt':
      return [`prepare ${node.name}`]
    case 'ExecuteStmt':
      return [`execute ${node.name}`]
    case 'DeallocateStmt':
      return [node.isall === true ? 'deallocate-all' : `deallocate ${node.name}`]
    case 'ExplainStmt':
    case 'CreateTableAsStmt': {
      const [below, inner] = Object.entries(node.query as Node)[0]!
      const runs = below === 'ExecuteStmt' || below === 'CreateTableAsStmt'
      return runs ? treeActions({ kind: below, node: inner as Node, start: 0, end: 0 }) : []
    }
    default:
      return []
  }
}

function settings(node: Node): string[] {
  const name = String(node.name ?? '').toLowerCase()
  const local = node.is_local === true
  switch (node.kind) {
    case 'VAR_RESET_ALL':
      return ['reset-all']
    case 'VAR_RESET':
      return [`reset ${name}`]
    case 'VAR_SET_DEFAULT':
      return [local ? `local ${name}` : `reset ${name}`]
    case 'VAR_SET_MULTI':
      if (name !== 'session characteristics') return []
      return (node.args as { DefElem: Node }[]).map(
        ({ DefElem }) => `${local ? 'local' : 'set'} default_${DefElem.defname}`,
      )
    default:
      return [`${local ? 'local' : 'set'} ${name}`]
  }
}

const HEADS: Readonly<Record<string, number>> = {
  PrepareStmt: E.PREPARE,
  ExecuteStmt: E.PREPARE,
  DeallocateStmt: E.PREPARE,
  DiscardStmt: E.DISCARD,
  ListenStmt: E.LISTEN,
  UnlistenStmt: E.LISTEN,
  NotifyStmt: E.NOTIFY,
  ClosePortalStmt: E.CLOSE,
  LoadStmt: E.LOAD,
  DoStmt: E.PROGRAM,
  CallStmt: E.PROGRAM,
  CopyStmt: E.INSERT,
  InsertStmt: E.INSERT,
  MergeStmt: E.INSERT,
}

const CALLS: Readonly<Record<string, number>> = {
  set_config: E.SET | E.SET_LOCAL,
  nextval: E.SEQUENCE_WRITE,
  setval: E.SEQUENCE_WRITE,
  currval: E.SEQUENCE_READ,
  lastval: E.SEQUENCE_READ,
  setseed: E.SEED,
  pg_notify: E.NOTIFY,
  dblink_connect: E.LOAD,
  pg_advisory_lock: E.ADVISORY_LOCK,
  pg_advisory_lock_shared: E.ADVISORY_LOCK,
  pg_try_advisory_lock: E.ADVISORY_LOCK,
  pg_try_advisory_lock_shared: E.ADVISORY_LOCK,
  pg_advisory_unlock: E.ADVISORY_UNLOCK,
  pg_advisory_unlock_shared: E.ADVISORY_UNLOCK,
  pg_advisory_unlock_all: E.ADVISORY_UNLOCK,
}

const CURSOR_OPT_HOLD = 0x20

/** Each entry is a set of bits of which at least one must be set. */
export function treeNeeds(root: TreeStatement): number[] {
  const needs: number[] = []
  if (root.kind.startsWith('Drop')) needs.push(E.DROP)
  if (/^Create|^View|^Define|^CompositeType/.test(root.kind)) needs.push(...temporaryNamed(root))
  if (root.kind === 'VariableSetStmt') needs.push(...settingNeeds(root))
  for (const [kind, node] of nodesOf(root)) {
    // What a rule or a function says does not happen now; in a new schema nothing temporary may be.
    if (root.kind === 'RuleStmt' || root.kind === 'CreateSchemaStmt') break
    const head = HEADS[kind]
    if (head !== undefined) needs.push(head)
    if (kind === 'DiscardStmt' && node.target === 'DISCARD_ALL') needs.push(E.SET, E.RESET)
    if (kind === 'DeclareCursorStmt') {
      needs.push(E.CURSOR)
      if ((Number(node.options) & CURSOR_OPT_HOLD) !== 0) needs.push(E.CURSOR_WITH_HOLD)
    }
    if (kind === 'FuncCall') needs.push(...callNeeds(node))
    if (kind === 'UpdateStmt' && (node.relation as Node).relname === 'pg_settings') {
      needs.push(E.SET)
    }
    if (node.relpersistence === 't') {
      // ON COMMIT DROP is a table's only; its node is the one above.
      const drops = JSON.stringify(root.node).includes('"ONCOMMIT_DROP"')
      needs.push(drops ? E.TEMPORARY | E.TEMPORARY_LOCAL : E.TEMPORARY)
    }
  }
  return needs
}

function settingNeeds(root: TreeStatement): number[] {
  return treeActions(root).flatMap((action) => {
    const seed = / seed$/.test(action) ? [E.SEED] : []
    if (action.startsWith('reset')) return [E.SET, E.RESET, ...seed]
    return [action.startsWith('local') ? E.SET_LOCAL | E.SET : E.SET, ...seed]
  })
}

function callNeeds(node: Node): number[] {
  const bits = CALLS[functionName(node)]
  return bits === undefined ? [] : [bits]
}

/** Its last part, as it is spelled in the catalogue. */
export function functionName(node: Node): string {
  const parts = node.funcname as { String: { sval: string } }[]
  return parts.at(-1)!.String.sval
}

/** The schema, `''` for none. */
export function functionSchema(node: Node): string {
  const parts = node.funcname as { String: { sval: string } }[]
  return parts.at(-2)?.String.sval ?? ''
}

/** Something made in pg_temp, by that name. */
function temporaryNamed(root: TreeStatement): number[] {
  const made = root.node
  const named = [made.relation, made.view, made.sequence, made.typevar]
  named.push((made.into as Node | undefined)?.rel)
  const lists = [made.funcname, made.typeName, made.domainname, made.defnames]
  const hit =
    named.some((n) => (n as Node | undefined)?.schemaname === 'pg_temp') ||
    lists.some((list) => {
      const first = (list as { String?: { sval?: string } }[] | undefined)?.[0]
      return Array.isArray(list) && list.length > 1 && first?.String?.sval === 'pg_temp'
    })
  return hit ? [E.TEMPORARY] : []
}

/** `BEGIN` and its relatives, as `Classification.transaction` names them. */
export function treeTransaction({ kind, node }: TreeStatement): { begins: boolean; ends: boolean } {
  if (kind !== 'TransactionStmt') return { begins: false, ends: false }
  const what = String(node.kind).slice('TRANS_STMT_'.length)
  const ends = what === 'COMMIT' || what === 'ROLLBACK' || what === 'PREPARE'
  const chained = ends && node.chain === true
  return { begins: what === 'BEGIN' || what === 'START' || chained, ends }
}

/** Something in it that is more than reading. */
export function treeWrites(root: TreeStatement): string | undefined {
  if (root.kind !== 'SelectStmt' && root.kind !== 'VariableShowStmt') return root.kind
  for (const [kind, node] of nodesOf(root)) {
    if (/^(Insert|Update|Delete|Merge)Stmt$/.test(kind)) return kind
    if (node.intoClause !== undefined) return 'INTO'
    if (node.lockingClause !== undefined) return 'FOR UPDATE'
  }
  return undefined
}
