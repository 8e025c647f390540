/**
 * Prepared statements of one client by protocol messages: its own names, and what has to be sent
 * ahead so that the server connection at hand knows them. Rule: the books change when a message is
 * sent, and are put back when its reply turns out to be an error (the ledger calls `restore`).
 */
import { parse } from '../../wire/postgres/frontend.ts'
import { decode } from '../../wire/postgres/text.ts'
import { ClientNames, type Mask, type Named, outcomeOf } from './client-names.ts'
import { FLOW, flowOfStatement } from './flow.ts'
import { OWED, type Undo } from './ledger.ts'
import type { PostgresServerConversation } from './server-conversation.ts'
import { type Emit, makeRoom, place } from './shelf.ts'
import { PREPARE } from './sql/effects.ts'
import { SqlFaces } from './sql-faces.ts'
import { type Run, SqlStatements } from './sql-statements.ts'
import { type Face, NAME_PREFIX, type Statement, type Statements } from './statements.ts'
import { ToldShapes } from './told-shapes.ts'
import { UnnamedStatement } from './unnamed-statement.ts'

export class ClientStatements {
  readonly names: ClientNames
  readonly sql: SqlStatements
  readonly shapes: ToldShapes
  #faces: SqlFaces
  /** What the Execute of the portal bound last changes in the books. */
  #executed: Mask['executed']
  #statements: Statements
  #unnamed: UnnamedStatement
  #lastName = ''

  /** `realm`: equal for clients to whom a text means the same (database, user, settings). */
  constructor(statements: Statements, realm: string) {
    this.#statements = statements
    this.names = new ClientNames(statements, realm)
    this.sql = new SqlStatements(this.names)
    this.shapes = new ToldShapes(this.names)
    this.#faces = new SqlFaces(this.names)
    this.#unnamed = new UnnamedStatement(this.names)
  }

  get size(): number {
    return this.names.size
  }

  /** The client's settings have changed: the same text may mean something else from now on. */
  set realm(realm: string) {
    this.names.realm = realm
  }

  /** A statement is in use that only the server connection at hand knows. */
  get keepsLarge(): boolean {
    for (const { statement } of this.names.values()) if (statement.opaque) return true
    return this.find('')?.opaque === true
  }

  /** The name in `buffer[start, end)`. A client says the same one again and again: it is kept. */
  nameIn(buffer: Buffer, start: number, end: number): string {
    const known = this.#lastName
    if (known.length === end - start) {
      let i = 0
      while (i < known.length && known.charCodeAt(i) === buffer[start + i]) i++
      if (i === known.length) return known
    }
    const name = decode(buffer, start, end)
    // Only a name whose characters are its bytes can be compared like that.
    this.#lastName = name.length === end - start ? name : ''
    return name
  }

  find(name: string): Statement | undefined {
    return name === '' ? this.#unnamed.statement : this.names.get(name)?.statement
  }

  /**
   * A simple query takes the unnamed statement away, on the server as here. Returns how to put it
   * back should the query be skipped.
   */
  dropUnnamed(server: PostgresServerConversation): Undo | undefined {
    return this.#unnamed.drop(server)
  }

  /** What the statements do to transactions, by name, of those that do anything. */
  flows(): Map<string, number> {
    const flows = new Map<string, number>()
    const note = (name: string, statement: Statement | undefined): void => {
      const flow = flowOfStatement(statement)
      if (flow !== FLOW.NONE) flows.set(name, flow)
    }
    note('', this.find(''))
    for (const { clientName, statement } of this.names.values()) note(clientName, statement)
    return flows
  }

  /** `DEALLOCATE ALL` and `DISCARD ALL` took all names away. */
  clear(): void {
    this.names.clear()
    this.#unnamed.clear()
  }

  /** The statements that running the one of this name runs, besides itself. */
  runs(name: string): readonly Run[] {
    const face = name === '' ? this.#unnamed.face : this.names.get(name)?.face
    return face === undefined ? [] : this.sql.runs(face.text)
  }

  /**
   * Parse of the unnamed statement. True when the message goes as it is, which the caller forwards;
   * otherwise another has been sent in its place.
   */
  parseUnnamed(
    server: PostgresServerConversation,
    text: Buffer,
    types: Buffer,
    emit: Emit,
  ): boolean {
    const statement = this.names.intern(server, text, types)
    const { ledger } = server
    if (!(statement.classification.bits & PREPARE)) {
      ledger.push(OWED.PARSE_UNNAMED, this.#unnamed.set(server, statement))
      return true
    }
    const mask = this.#faces.mask(server, statement, emit)
    emit(parse('', mask.statement.text, types))
    const change = this.#unnamed.set(server, mask.statement, statement)
    ledger.push(OWED.PARSE_UNNAMED, {
      accept: () => change.accept?.(),
      restore: (failed) => change.restore?.(failed),
      retell: (fields) => mask.retell?.(fields),
    })
    return false
  }

  /** What an Execute changes in the books, to be pushed with it; undefined for nearly all. */
  executed(server: PostgresServerConversation): Undo | undefined {
    const executed = this.#executed
    this.#executed = undefined
    return executed?.(server)
  }

  /**
   * Parse of a statement too long to keep: it goes as it is, under the client's own name. The caller
   * has pinned the session and forwards the message itself.
   */
  parseLarge(server: PostgresServerConversation, name: string): void {
    const statement = this.#statements.opaque(name)
    if (name === '') {
      server.ledger.push(OWED.PARSE_UNNAMED, this.#unnamed.set(server, statement))
      return
    }
    const before = this.names.get(name)
    this.names.set(name, this.names.entry(name, statement))
    server.ledger.push(OWED.PARSE_UNNAMED, {
      restore: () => {
        if (before === undefined) this.names.delete(name)
        else this.names.set(name, before)
      },
    })
  }

  /** Parse of a named statement: sent under our name, or answered by us when it is there already. */
  parseNamed(
    server: PostgresServerConversation,
    name: string,
    text: Buffer,
    types: Buffer,
    emit: Emit,
  ): void {
    const { names } = this
    const taken = names.get(name)
    if (taken !== undefined) {
      this.#parseTaken(server, taken, text, types, emit)
      return
    }
    const { ledger, prepared } = server
    const { batch } = ledger
    let statement = names.intern(server, text, types)
    const face = statement.classification.bits & PREPARE ? statement : undefined
    const mask = face && this.#faces.mask(server, face, emit)
    if (mask !== undefined) statement = mask.statement
    let presence = prepared.use(statement, batch)
    if (presence !== 'absent' && !(server.status !== 'failed' && ledger.certain)) {
      // Whether this Parse will be skipped or refused is not known yet, so the server is asked, and
      // under a name that exists only if it is accepted.
      statement = this.#statements.twin(statement)
      presence = 'absent'
    }
    const made = statement
    const named: Named = { ...names.entry(name, made), face, mask }
    names.set(name, named)
    const forget = (): void => {
      named.gone = true
      if (names.get(name) === named) names.delete(name)
    }
    if (presence === 'ready') {
      ledger.push(OWED.PARSE_FAKED, { restore: forget })
      return
    }
    makeRoom(server, made, presence === 'unsure', emit)
    prepared.asked(made)
    emit(parse(made.serverName, made.text, types))
    named.pending = true
    const accept = (): void => {
      named.pending = false
    }
    const restore = (): void => {
      forget()
      prepared.undo(made, batch, presence)
    }
    const retell = mask?.retell
    const undo = { statement: made, batch, accept, restore }
    ledger.push(OWED.PARSE, retell === undefined ? undo : { ...undo, retell })
  }

  /**
   * Parse of a name that is taken. The server finds the clash itself, after any other fault of the
   * text, as it would directly; all it needs is some statement of the name that is sent.
   */
  #parseTaken(
    server: PostgresServerConversation,
    taken: Named,
    text: Buffer,
    types: Buffer,
    emit: Emit,
  ): void {
    const { ledger, prepared } = server
    const { batch } = ledger
    const { clientName } = taken
    let { statement } = taken
    let there = true
    if (statement.opaque === undefined) {
      const presence = prepared.use(statement, batch)
      // Its own text might be refused here, in a failed transaction for one: an empty one never is.
      there = presence === 'ready' || (presence === 'asked' && taken.pending === true)
      if (!there) {
        statement = this.#statements.standIn
        place(server, statement, prepared.use(statement, batch), emit)
      }
    }
    emit(parse(statement.serverName, text, types))
    const own = this.#statements.own(text, types)
    const open = there && taken.pending === true
    const outcome = this.names.contest(server, taken, own, open)
    ledger.push(OWED.PARSE_DOOMED, { statement, clientName, ...outcome })
  }

  /**
   * Parse with no server connection at hand: true when it needs none, because a server has accepted
   * this text in this realm before. A driver that prepares while all connections are lent to its
   * own other sessions would otherwise wait for itself.
   */
  parseAlone(name: string, text: Buffer, types: Buffer): boolean {
    if (name === '' || this.names.has(name)) return false
    const statement = this.#statements.find(text, types, this.names.realm)
    if (statement === undefined) return false
    if (statement.classification.bits & PREPARE) return false
    if (statement.provenAt !== this.#statements.shapes.epoch) return false
    this.names.set(name, this.names.entry(name, statement))
    return true
  }

  /** Parse with no server connection, of a text that any would take. */
  adopt(name: string, text: Buffer, types: Buffer): void {
    const statement = this.#statements.own(text, types)
    if (name === '') this.#unnamed.adopt(statement)
    else this.names.set(name, this.names.entry(name, statement))
  }

  /** The unnamed statement is gone, and no server connection is at hand. */
  loseUnnamed(): void {
    this.#unnamed.clear()
  }

  /** The unnamed statement is `statement` of this realm now, wherever that was parsed. */
  adoptShared(statement: Statement): void {
    this.#unnamed.adoptShared(statement)
  }

  /** The named statement of this name if it is an ordinary one, prepared by message and known whole. */
  plain(name: string): Statement | undefined {
    const named = this.names.get(name)
    if (named === undefined || named.face !== undefined || named.pending) return undefined
    const { statement } = named
    return statement.opaque || statement.body !== undefined ? undefined : statement
  }

  /** Close of a named statement with no server connection at hand. */
  closeAlone(name: string): void {
    this.names.delete(name)
  }

  /**
   * Makes sure that the server connection has the statement that `name` means, books the reply of
   * the Bind or Describe that needs it, and returns the name to use there.
   */
  bring(server: PostgresServerConversation, kind: number, name: string, emit: Emit): string {
    const { names } = this
    if (kind === OWED.BIND) {
      this.#executed = undefined
      this.shapes.bound(undefined)
    }
    if (name === '') {
      const { face } = this.#unnamed
      if (face !== undefined) return this.#bringMasked(server, kind, name, face, emit)
      this.#unnamed.bring(server, emit)
      server.ledger.push(kind)
      return name
    }
    const named = names.current(server, name) ?? this.#unknown(name)
    if (named === undefined) {
      // The server says so (26000).
      server.ledger.push(kind)
      return name
    }
    if (named.face !== undefined) {
      return this.#bringMasked(server, kind, name, named.face, emit, named)
    }
    if (named.statement.opaque !== undefined) {
      server.ledger.push(kind, named)
      return named.statement.serverName
    }
    const statement = names.pick(server, named)
    place(server, statement, names.presence, emit)
    const own = statement === named.statement
    if (kind === OWED.BIND) {
      this.shapes.bound(named, statement)
      server.ledger.push(kind, own ? named : { statement, clientName: name })
    } else {
      const described = this.shapes.describing(server, named, statement)
      server.ledger.push(kind, { statement, clientName: name, described })
    }
    return statement.serverName
  }

  /** As `bring`, of a statement that names another in its text. */
  #bringMasked(
    server: PostgresServerConversation,
    kind: number,
    clientName: string,
    face: Face,
    emit: Emit,
    named?: Named,
  ): string {
    const { prepared, ledger } = server
    // Its Parse is under way and may fail, and then there is nothing to bind.
    const same = named?.pending === true && named.mask !== undefined
    const mask = same ? named.mask : this.#faces.mask(server, face, emit)
    const { executed, retell } = mask
    const statement = same ? named.statement : mask.statement
    if (kind === OWED.BIND) this.#executed = executed
    const undo = retell === undefined ? {} : { retell }
    if (clientName === '' && statement === this.#unnamed.statement) {
      this.#unnamed.bring(server, emit)
      ledger.push(kind, undo)
      return ''
    }
    const presence = prepared.use(statement, ledger.batch)
    place(server, statement, same && presence === 'asked' ? 'ready' : presence, emit)
    ledger.push(kind, { ...undo, statement, clientName })
    return statement.serverName
  }

  /** A name that looks like ours must not find one of ours. */
  #unknown(name: string): Named | undefined {
    if (!name.startsWith(NAME_PREFIX)) return undefined
    return this.names.entry(name, this.#statements.opaque(` ${name}`))
  }

  /** Close of a statement: named ones only in our books, the server keeps its copy for others. */
  close(server: PostgresServerConversation, name: string): 'answered' | 'forward' {
    if (name === '') {
      server.ledger.push(OWED.CLOSE, this.#unnamed.set(server, undefined))
      return 'forward'
    }
    const { names } = this
    const named = names.get(name)
    if (named === undefined) {
      server.ledger.push(OWED.CLOSE_FAKED)
      return 'answered'
    }
    names.delete(name)
    const kind = named.statement.opaque === undefined ? OWED.CLOSE_FAKED : OWED.CLOSE
    const restore = (): void => {
      const outcome = outcomeOf(named)
      if (outcome !== undefined) names.set(name, outcome)
    }
    server.ledger.push(kind, { restore })
    return kind === OWED.CLOSE ? 'forward' : 'answered'
  }
}
