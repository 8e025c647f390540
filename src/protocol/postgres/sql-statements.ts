/**
 * Statements that a client prepares, executes and deallocates by SQL: they follow it as those of the
 * protocol do, whose names they share. Rule: a name in a text is replaced by ours and the rest goes
 * as it is; what a statement changes in the books counts from the moment it is sent, and is put back
 * when that statement of the text fails.
 *
 *   EXECUTE foo(5)  ──>  PREPARE "weir:12"(int) AS ...   swallowed, where it is missing
 *                        EXECUTE "weir:12"(5)
 */
import { commandComplete, errorResponse } from '../../wire/postgres/backend.ts'
import type { ErrorFields } from '../../wire/postgres/error-fields.ts'
import { type ClientNames, inDoubt, type Named, outcomeOf } from './client-names.ts'
import type { Undo } from './ledger.ts'
import type { PostgresServerConversation } from './server-conversation.ts'
import { type Emit, placeAhead } from './shelf.ts'
import { type Action, actionsIn, actionsOf } from './sql/actions.ts'
import type { Classification } from './sql/classify.ts'
import { statementsOf, type Token } from './sql/split.ts'
import { NUMBER_MASK, W } from './sql/words.ts'
import { characters, SqlText } from './sql-text.ts'
import { canName } from './sql-words.ts'
import { NAME_PREFIX, prepareSql, type Statement } from './statements.ts'

export type Prepare = Extract<Action, { kind: 'prepare' | 'execute' }>
export type Deallocate = Extract<Action, { kind: 'deallocate' }>

/** A statement that an EXECUTE runs, whose effects count. */
export interface Run {
  readonly classification: Classification
  readonly text: Buffer
}

/** What to send for a text, and how its replies are told. */
export interface SqlQuery {
  readonly text: Buffer
  readonly undo: Undo
}

/** A change in the books by one statement of a text. */
interface Change {
  readonly undo: () => void
  readonly done?: () => void
}

/** What lies behind the name in a PREPARE of `text`, and where its body begins. */
export function tailOf(
  text: Buffer,
  tokens: readonly Token[],
  nameEnd: number,
): { tail: Buffer; body: number } {
  const tail = text.subarray(nameEnd, tokens.at(-1)!.end)
  let depth = 0
  for (const { start, end, code } of tokens) {
    const number = code & NUMBER_MASK
    if (start < nameEnd) continue
    if (number === W.OPEN_PAREN) depth++
    else if (number === W.CLOSE_PAREN) depth--
    else if (number === W.AS && depth === 0) return { tail, body: end - nameEnd }
  }
  return { tail, body: tail.length }
}

/** The actions of which this file is about. */
export function isNaming(action: Action): action is Prepare | Deallocate {
  return action.kind === 'prepare' || action.kind === 'execute' || action.kind === 'deallocate'
}

export class SqlStatements {
  #names: ClientNames

  constructor(names: ClientNames) {
    this.#names = names
  }

  /** What the EXECUTEs in `text` run, as far as it was prepared before. */
  runs(text: Buffer): Run[] {
    const runs: Run[] = []
    for (const action of actionsOf(text)) {
      const named = action.kind === 'execute' ? this.#names.get(action.name) : undefined
      if (named === undefined) continue
      const { classification, body, text: whole } = named.statement
      runs.push({ classification, text: body ?? whole })
    }
    return runs
  }

  /** A simple query with statements of this kind is about to be sent; `emit` what goes ahead. */
  query(server: PostgresServerConversation, text: Buffer, emit: Emit): SqlQuery {
    const statements = statementsOf(text)
    const work = new Work(this.#names, server, text, statements.length === 1, emit)
    for (const tokens of statements) {
      work.begin()
      for (const action of actionsIn(text, tokens)) {
        if (!isNaming(action) || !canName(text, action)) continue
        if (action.kind === 'deallocate') work.deallocate(action)
        else if (action.kind === 'prepare') work.prepare(action, tokens)
        else work.execute(action)
      }
    }
    return work.result()
  }
}

/** One text on its way to one server connection. */
class Work {
  #names: ClientNames
  #server: PostgresServerConversation
  #text: Buffer
  #lone: boolean
  #emit: Emit
  #sql: SqlText
  /** By statement of the text. */
  #changes: Change[][] = []
  #instead: string | undefined
  /** What was sent ahead has failed, and therefore the text will. */
  #failure: ErrorFields | undefined

  constructor(
    names: ClientNames,
    server: PostgresServerConversation,
    text: Buffer,
    lone: boolean,
    emit: Emit,
  ) {
    this.#names = names
    this.#server = server
    this.#text = text
    this.#lone = lone
    this.#emit = emit
    this.#sql = new SqlText(text)
  }

  begin(): void {
    this.#changes.push([])
  }

  #change(change: Change): void {
    this.#changes.at(-1)!.push(change)
  }

  prepare(action: Prepare, tokens: readonly Token[]): void {
    const { name } = action
    const names = this.#names
    const { statements } = names
    const { prepared, ledger, status } = this.#server
    const { batch } = ledger
    const taken = names.get(name)
    if (taken !== undefined && taken.pending !== true) {
      this.#bring(statements.standIn, undefined)
      this.#sql.replace(action, statements.standIn.serverName, name)
      return
    }
    const { tail, body } = tailOf(this.#text, tokens, action.end)
    if (taken !== undefined) {
      this.#contest(action, taken, statements.ownSql(tail, body))
      return
    }
    const own = inDoubt(this.#server)
    let statement = own
      ? statements.ownSql(tail, body)
      : statements.internSql(tail, body, names.realm)
    const presence = prepared.use(statement, batch)
    if (presence === 'ready' && this.#lone && ledger.certain && status !== 'failed') {
      this.#book(action, statement)
      this.#instead = 'PREPARE'
      return
    }
    if (presence !== 'absent') statement = statements.ownSql(tail, body)
    const made = statement
    const named = this.#book(action, made)
    named.pending = true
    prepared.add(made, batch)
    prepared.asked(made)
    this.#change({
      undo: () => prepared.undo(made, batch, 'absent'),
      done: () => {
        named.pending = false
        prepared.confirm(made, batch)
      },
    })
    this.#sql.replace(action, made.serverName, name)
  }

  /** What took the name may fail yet: then this one is accepted, and lies under its name. */
  #contest(action: Prepare, taken: Named, own: Statement): void {
    const { accept, restore } = this.#names.contest(this.#server, taken, own)
    this.#change({ undo: restore, done: accept })
    this.#sql.replace(action, taken.statement.serverName, action.name)
  }

  #book(action: Prepare, statement: Statement): Named {
    const { name, end } = action
    const names = this.#names
    const named: Named = {
      ...names.entry(name, statement),
      nameEnd: characters(this.#text, 0, end),
    }
    names.set(name, named)
    this.#change({
      undo: () => {
        named.gone = true
        if (names.get(name) === named) names.delete(name)
      },
    })
    return named
  }

  execute(action: Prepare): void {
    const { name } = action
    const named = this.#names.current(this.#server, name)
    if (named === undefined) {
      this.#unknown(action, name)
      return
    }
    if (named.statement.opaque !== undefined) return
    const statement = this.#names.pick(this.#server, named)
    if (this.#names.presence !== 'ready') this.#bring(statement, named)
    this.#sql.replace(action, statement.serverName, name)
  }

  deallocate(action: Deallocate): void {
    const { name } = action
    const names = this.#names
    if (name === undefined) {
      this.#deallocateAll()
      return
    }
    const named = names.get(name)
    if (named === undefined) {
      this.#unknown(action, name)
      return
    }
    const { statement } = named
    const { prepared } = this.#server
    if (named.pending === true) {
      // Whether it is there, and for how long, is known when this is carried out.
      const done = (): void => {
        prepared.dropped(statement)
        // What was contested meanwhile may stand there as what it became, or come back for good.
        const outcome = outcomeOf(named)
        if (outcome !== undefined) outcome.gone = true
        const now = names.get(name)
        if (now === named || now === outcome) names.delete(name)
      }
      this.#change({ undo: () => {}, done })
      this.#sql.replace(action, statement.serverName, name)
      return
    }
    names.delete(name)
    this.#change({
      undo: () => {
        const outcome = outcomeOf(named)
        if (outcome !== undefined && !names.has(name)) names.set(name, outcome)
      },
    })
    if (statement.opaque !== undefined) return
    if (this.#lone) {
      this.#instead = 'DEALLOCATE'
      return
    }
    // Others may use the statement itself, so another one is thrown away.
    const victim = names.statements.twin(names.statements.standIn)
    this.#bring(victim, undefined)
    this.#change({ undo: () => {}, done: () => prepared.dropped(victim) })
    this.#sql.replace(action, victim.serverName, name)
  }

  #deallocateAll(): void {
    const large = [...this.#names.values()].some(({ statement }) => statement.opaque !== undefined)
    this.#change({ undo: this.#names.clear() })
    if (this.#lone && !large) this.#instead = 'DEALLOCATE ALL'
  }

  /** A name that looks like ours must not find one of ours. */
  #unknown(action: { start: number; end: number }, name: string): void {
    if (name.startsWith(NAME_PREFIX)) this.#sql.replace(action, ` ${name}`, name)
  }

  #bring(statement: Statement, named: Named | undefined): void {
    const { prepared, ledger, status } = this.#server
    // There it would fail, as the text does by itself.
    if (ledger.skipping || (status === 'failed' && this.#lone)) return
    const presence = prepared.use(statement, ledger.batch)
    placeAhead(this.#server, statement, presence, this.#emit, (fields) => {
      this.#failure ??= inOwnPlace(fields, statement, named)
    })
  }

  result(): SqlQuery {
    const changes = this.#changes
    let completed = 0
    const back = (): void => {
      for (const list of changes.slice(completed).reverse()) {
        for (const change of list.reverse()) change.undo()
      }
    }
    const undo: Undo = {
      accept: () => {
        for (const change of changes[completed++] ?? []) change.done?.()
      },
      failed: back,
      restore: (failed) => {
        if (!failed) back()
      },
      retell: (fields) => this.#retell(fields),
    }
    if (this.#instead === undefined) return { text: this.#sql.bytes, undo }
    const { text } = this.#names.statements.idle
    return { text, undo: { ...undo, instead: commandComplete(this.#instead) } }
  }

  #retell(fields: ErrorFields): Buffer | undefined {
    const failure = this.#failure
    const follows = fields.code === '26000' || fields.code === '25P02'
    if (failure !== undefined && follows) return errorResponse(failure)
    return this.#sql.retell(fields)
  }
}

/** An error of our PREPARE, pointing into the text that the client once prepared. */
function inOwnPlace(
  fields: ErrorFields,
  statement: Statement,
  named: Named | undefined,
): ErrorFields {
  const { position } = fields
  if (position === undefined || statement.body === undefined) return fields
  const ours = prepareSql(statement).length - statement.text.length
  return { ...fields, position: String(Number(position) - ours + (named?.nameEnd ?? 0)) }
}
