/**
 * A client's unnamed statement, which every client has and every server connection has only once.
 * Rule: what the client did to it counts from the moment it is sent; what the server turns out to
 * have skipped is left out of the chain of changes, in whatever order that becomes known.
 */
import { close, parse } from '../../wire/postgres/frontend.ts'
import { type ClientNames, inDoubt } from './client-names.ts'
import { OWED, type Undo } from './ledger.ts'
import type { PostgresServerConversation } from './server-conversation.ts'
import type { Face, PreparedBook, Statement } from './statements.ts'

/** One Parse or Close of it, or a simple query, which takes it away too. */
class Change implements Undo {
  /** What it was from then on. */
  to: Statement | undefined
  /** Undefined as soon as nobody can need it. */
  before: Change | undefined
  skipped = false
  #accepted = false
  /** The realm in which `to` is shared; undefined when it is this client's own. */
  readonly realm: string | undefined
  /** What the client asked for, where `to` was prepared for it. */
  face: Face | undefined
  #prepared: PreparedBook | undefined

  constructor(prepared?: PreparedBook, to?: Statement, realm?: string, before?: Change) {
    this.#prepared = prepared
    this.realm = to?.shared ? realm : undefined
    this.to = to
    this.before = before
  }

  accept(): void {
    this.before = undefined
    this.#accepted = true
  }

  restore(failed: boolean): void {
    // The server was lost between the answer to its statement and the end of the request.
    if (this.#accepted) return
    this.#prepared!.unnamed = 'unknown'
    // A Parse that fails has taken the old one away all the same.
    if (failed) this.to = undefined
    else this.skipped = true
  }
}

/** There is none and was none; the same for everybody, for it never changes. */
const UNTOUCHED = new Change()

export class UnnamedStatement {
  #last = UNTOUCHED
  #names: ClientNames

  constructor(names: ClientNames) {
    this.#names = names
  }

  get statement(): Statement | undefined {
    return this.#change().to
  }

  get face(): Face | undefined {
    return this.#change().to === undefined ? undefined : this.#change().face
  }

  #change(): Change {
    let change = this.#last
    while (change.skipped) change = change.before!
    this.#last = change
    return change
  }

  /** All statements of the client are gone. */
  clear(): void {
    this.#last = UNTOUCHED
  }

  /** It is `statement` from now on, which no server connection has yet. */
  adopt(statement: Statement): void {
    this.#last = new Change(undefined, statement)
  }

  /** The same of one that clients of this realm share. */
  adoptShared(statement: Statement): void {
    if (this.#last.to === statement && this.#last.before === undefined) return
    this.#last = new Change(undefined, statement, this.#names.realm)
  }

  /** Books another one here and on the server; returns how to put both back. */
  set(server: PostgresServerConversation, statement: Statement | undefined, face?: Face): Undo {
    const before = this.#change()
    const { prepared, ledger } = server
    if (ledger.certain) before.before = undefined
    const change = new Change(prepared, statement, this.#names.realm, before)
    // If this is skipped the old one stays on the server, and that may be another client's.
    const harmless = ledger.startsBatch || (this.#isThere(server) && prepared.unnamed === before.to)
    change.face = face
    this.#last = change
    prepared.unnamed = statement
    prepared.unnamedFrom = harmless ? -1 : ledger.batch
    return change
  }

  /** A simple query takes it away. Undefined when there is nothing to put back. */
  drop(server: PostgresServerConversation): Undo | undefined {
    const change = this.#change()
    if (change.to === undefined && server.prepared.unnamed === undefined) {
      if (change.before === undefined) return undefined
      if (server.ledger.certain) {
        change.before = undefined
        return undefined
      }
    }
    return this.set(server, undefined)
  }

  /** Makes sure that the server connection has it. */
  bring(server: PostgresServerConversation, emit: (bytes: Buffer) => void): void {
    const { prepared, ledger } = server
    const change = this.#change()
    if (change.to !== undefined && change.realm !== undefined && prepared.unnamed !== change.to) {
      // It would be parsed under other settings than where others use it.
      const strange = change.realm !== this.#names.realm || inDoubt(server)
      if (strange) change.to = this.#names.statements.twin(change.to)
    }
    const statement = change.to
    if (prepared.unnamed === statement && this.#isThere(server)) return
    prepared.unnamed = statement
    prepared.unnamedFrom = ledger.batch
    const restore = (): void => {
      prepared.unnamed = 'unknown'
    }
    if (statement === undefined) {
      // Another client's unnamed statement lies there; ours does not exist, and Bind must say so.
      emit(close('S', ''))
      ledger.push(OWED.CLOSE_INJECTED, { restore })
      return
    }
    emit(parse('', statement.text, statement.types))
    ledger.push(OWED.PARSE_UNNAMED_INJECTED, { restore })
    server.injected++
  }

  /** False when the message that made it so may have been skipped with an earlier batch. */
  #isThere({ prepared, ledger }: PostgresServerConversation): boolean {
    const { unnamedFrom } = prepared
    return unnamedFrom === -1 || unnamedFrom === ledger.batch || ledger.certain
  }
}
