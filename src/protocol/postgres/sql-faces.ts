/**
 * Statements of the extended protocol whose text prepares, executes or deallocates another: what the
 * client asked for is the face, and what stands for it on a server connection depends on what the
 * client's names mean there at that moment. Rule: it is looked at anew at every Bind; the books
 * change with the Execute.
 */
import { commandComplete } from '../../wire/postgres/backend.ts'
import type { ErrorFields } from '../../wire/postgres/error-fields.ts'
import { type ClientNames, inDoubt, type Mask, type Named, outcomeOf } from './client-names.ts'
import type { Undo } from './ledger.ts'
import type { PostgresServerConversation } from './server-conversation.ts'
import { type Emit, place } from './shelf.ts'
import { actionsIn } from './sql/actions.ts'
import { statementsOf } from './sql/split.ts'
import { type Deallocate, isNaming, type Prepare, tailOf } from './sql-statements.ts'
import { SqlText } from './sql-text.ts'
import { canName } from './sql-words.ts'
import { type Face, NAME_PREFIX, type Statement } from './statements.ts'

export class SqlFaces {
  #names: ClientNames
  #calmBatch = -1
  #calmLength = 0

  constructor(names: ClientNames) {
    this.#names = names
  }

  /** Makes sure that `server` has what the text of `face` names. */
  mask(server: PostgresServerConversation, face: Face, emit: Emit): Mask {
    const tokens = statementsOf(face.text)[0] ?? []
    const action = actionsIn(face.text, tokens).find(isNaming)
    if (action === undefined || !canName(face.text, action)) return this.#plain(server, face)
    if (action.kind === 'deallocate') return this.#deallocate(server, face, action)
    if (action.kind === 'execute') return this.#execute(server, face, action, emit)
    const tail = tailOf(face.text, tokens, action.end)
    return this.#prepare(server, face, action, tail, emit)
  }

  /** Nothing that was sent before could have what follows skipped: only what is masked itself. */
  #isCalm({ ledger, status }: PostgresServerConversation): boolean {
    if (status === 'failed') return false
    if (ledger.certain) {
      this.#calmBatch = ledger.batch
      this.#calmLength = ledger.length
      return true
    }
    return ledger.batch === this.#calmBatch && ledger.length <= this.#calmLength + 1
  }

  #plain(server: PostgresServerConversation, { text, types }: Face): Mask {
    return { statement: this.#names.intern(server, text, types) }
  }

  /** The text with another name in it. */
  #renamed(
    server: PostgresServerConversation,
    { text, types }: Face,
    range: { start: number; end: number },
    serverName: string,
    clientName: string,
  ): Mask {
    const sql = new SqlText(text)
    sql.replace(range, serverName, clientName)
    const statement = this.#names.intern(server, sql.bytes, types)
    const retell = (fields: ErrorFields): Buffer | undefined => sql.retell(fields)
    return { statement, retell, executed: () => ({ retell }) }
  }

  #deallocate(server: PostgresServerConversation, face: Face, action: Deallocate): Mask {
    const names = this.#names
    const { name } = action
    if (name !== undefined && !names.has(name)) {
      if (!name.startsWith(NAME_PREFIX)) return this.#plain(server, face)
      return this.#renamed(server, face, action, ` ${name}`, name)
    }
    const large = [...names.values()].some(({ statement }) => statement.opaque !== undefined)
    if (large) return this.#plain(server, face)
    const executed = (): Undo => {
      if (name === undefined) {
        return { instead: commandComplete('DEALLOCATE ALL'), restore: names.clear() }
      }
      const named = names.get(name)
      names.delete(name)
      const restore = (): void => {
        const outcome = named && outcomeOf(named)
        if (outcome !== undefined && !names.has(name)) names.set(name, outcome)
      }
      return { instead: commandComplete('DEALLOCATE'), restore }
    }
    return { statement: names.statements.idle, executed }
  }

  #execute(server: PostgresServerConversation, face: Face, action: Prepare, emit: Emit): Mask {
    const { name } = action
    const named = this.#names.current(server, name)
    if (named === undefined) {
      if (!name.startsWith(NAME_PREFIX)) return this.#plain(server, face)
      return this.#renamed(server, face, action, ` ${name}`, name)
    }
    if (named.statement.opaque !== undefined) return this.#plain(server, face)
    const target = this.#names.pick(server, named)
    if (server.status !== 'failed') place(server, target, this.#names.presence, emit)
    return this.#renamed(server, face, action, target.serverName, name)
  }

  #prepare(
    server: PostgresServerConversation,
    face: Face,
    action: Prepare,
    { tail, body }: { tail: Buffer; body: number },
    emit: Emit,
  ): Mask {
    const names = this.#names
    const { statements } = names
    const { name } = action
    const { prepared, ledger } = server
    const taken = names.get(name)
    if (taken?.pending) {
      const mask = this.#renamed(server, face, action, taken.statement.serverName, name)
      const own = statements.ownSql(tail, body)
      return { ...mask, executed: (on) => this.#executed(on, name, own, mask) }
    }
    if (taken !== undefined) {
      const { standIn } = statements
      place(server, standIn, prepared.use(standIn, ledger.batch), emit)
      return this.#renamed(server, face, action, standIn.serverName, name)
    }
    const shared = inDoubt(server) ? undefined : statements.internSql(tail, body, names.realm)
    const presence = shared === undefined ? 'unsure' : prepared.use(shared, ledger.batch)
    if (shared !== undefined && presence === 'ready' && this.#isCalm(server)) {
      const executed = (): Undo => {
        const restore = book(names, names.entry(name, shared))
        return { instead: commandComplete('PREPARE'), restore }
      }
      return { statement: statements.idle, executed }
    }
    const target =
      shared !== undefined && presence === 'absent' ? shared : statements.ownSql(tail, body)
    const mask = this.#renamed(server, face, action, target.serverName, name)
    return { ...mask, executed: (on) => this.#executed(on, name, target, mask) }
  }

  /** The PREPARE of `target` itself is about to be carried out. */
  #executed(
    server: PostgresServerConversation,
    name: string,
    target: Statement,
    { retell }: Mask,
  ): Undo {
    const told = retell === undefined ? {} : { retell }
    const taken = this.#names.get(name)
    if (taken?.pending) return { ...told, ...this.#names.contest(server, taken, target) }
    const { prepared, ledger } = server
    const { batch } = ledger
    const named = this.#names.entry(name, target)
    const forget = book(this.#names, named)
    named.pending = true
    prepared.add(target, batch)
    prepared.asked(target)
    return {
      ...told,
      accept: () => {
        named.pending = false
        prepared.confirm(target, batch)
      },
      restore: () => {
        forget()
        prepared.undo(target, batch, 'absent')
      },
    }
  }
}

/** Gives the client a name; returns how to take it back. */
function book(names: ClientNames, named: Named): () => void {
  const { clientName } = named
  names.set(clientName, named)
  return () => {
    named.gone = true
    if (names.get(clientName) === named) names.delete(clientName)
  }
}
