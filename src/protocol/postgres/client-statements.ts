/**
 * A client's own names for its prepared statements, and what has to be sent ahead so that the server
 * connection at hand knows them. Rule: the books change when a message is sent, and are put back
 * when its reply turns out to be an error (the ledger calls `restore`).
 */
import { FRONTEND, HEADER } from '../../wire/postgres/codes.ts'
import { close, parse } from '../../wire/postgres/frontend.ts'
import { OWED } from './ledger.ts'
import type { PostgresServerConversation } from './server-conversation.ts'
import { NAME_PREFIX, type Statement, type Statements } from './statements.ts'

/** Bytes for the server, in order. */
export type Emit = (bytes: Buffer) => void

export class ClientStatements {
  #statements: Statements
  /** By the bytes of the client's name, read as latin1. */
  #names = new Map<string, Statement>()
  #unnamed: Statement | undefined

  constructor(statements: Statements) {
    this.#statements = statements
  }

  get size(): number {
    return this.#names.size
  }

  find(name: string): Statement | undefined {
    return name === '' ? this.#unnamed : this.#names.get(name)
  }

  /** A simple query takes the unnamed statement away, on the server as here. */
  dropUnnamed(): void {
    this.#unnamed = undefined
  }

  /** `DEALLOCATE ALL` and `DISCARD ALL` took all names away. */
  clear(): void {
    this.#names.clear()
    this.#unnamed = undefined
  }

  /**
   * Parse of the unnamed statement: it goes as it is. The caller forwards the message itself.
   */
  parseUnnamed(server: PostgresServerConversation, text: Buffer, types: Buffer): void {
    const statement = this.#statements.intern(text, types)
    this.#unnamed = statement
    server.prepared.unnamed = statement
    server.ledger.push(OWED.PARSE_UNNAMED, {
      statement,
      restore: () => {
        if (this.#unnamed === statement) this.#unnamed = undefined
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
    const taken = this.#names.get(name)
    if (taken !== undefined) {
      // The server finds the clash itself, after any other fault of the text, as it would directly.
      this.#prepare(server, taken, emit)
      emit(parse(taken.serverName, text, types))
      server.ledger.push(OWED.PARSE_DOOMED, { statement: taken, clientName: name })
      return
    }
    const statement = this.#statements.intern(text, types)
    this.#names.set(name, statement)
    const restore = (): void => {
      if (this.#names.get(name) === statement) this.#names.delete(name)
    }
    const presence = server.prepared.use(statement, server.batch)
    if (presence === 'ready') {
      const refused = server.status === 'failed' && statement.classification.transaction !== 'ends'
      if (!refused) {
        server.ledger.push(OWED.PARSE_FAKED, { statement, restore })
        return
      }
      emit(parse(statement.serverName, text, types))
      server.ledger.push(OWED.PARSE_DOOMED, { statement, restore })
      return
    }
    this.#makeRoom(server, statement, presence === 'unsure', emit)
    emit(parse(statement.serverName, text, types))
    server.ledger.push(OWED.PARSE, { statement, restore })
  }

  /**
   * Makes sure that the server connection has the statement that `name` means, and returns the name
   * to use there.
   */
  bring(server: PostgresServerConversation, name: string, emit: Emit): string {
    if (name === '') {
      this.#bringUnnamed(server, emit)
      return name
    }
    const statement = this.#names.get(name)
    if (statement === undefined) {
      // Unknown: the server says so (26000). A name that looks like ours must not find one of ours.
      return name.startsWith(NAME_PREFIX) ? ` ${name}` : name
    }
    this.#prepare(server, statement, emit)
    return statement.serverName
  }

  /** Close of a statement: named ones only in our books, the server keeps its copy for others. */
  close(server: PostgresServerConversation, name: string): 'answered' | 'forward' {
    if (name === '') {
      this.#unnamed = undefined
      server.prepared.unnamed = undefined
      server.ledger.push(OWED.CLOSE)
      return 'forward'
    }
    const statement = this.#names.get(name)
    if (statement === undefined) server.ledger.push(OWED.CLOSE_FAKED)
    else {
      this.#names.delete(name)
      server.ledger.push(OWED.CLOSE_FAKED, {
        statement,
        restore: () => this.#names.set(name, statement),
      })
    }
    return 'answered'
  }

  #bringUnnamed(server: PostgresServerConversation, emit: Emit): void {
    if (server.prepared.unnamed === this.#unnamed) return
    const statement = this.#unnamed
    server.prepared.unnamed = statement
    if (statement === undefined) {
      // Another client's unnamed statement lies there; ours does not exist, and Bind must say so.
      emit(close('S', ''))
      server.ledger.push(OWED.CLOSE_INJECTED)
      return
    }
    emit(parse('', statement.text, statement.types))
    server.ledger.push(OWED.PARSE_UNNAMED_INJECTED, { statement })
  }

  #prepare(server: PostgresServerConversation, statement: Statement, emit: Emit): void {
    const presence = server.prepared.use(statement, server.batch)
    if (presence === 'ready') return
    this.#makeRoom(server, statement, presence === 'unsure', emit)
    emit(parse(statement.serverName, statement.text, statement.types))
    server.ledger.push(OWED.PARSE_INJECTED, { statement })
  }

  #makeRoom(
    server: PostgresServerConversation,
    statement: Statement,
    closeFirst: boolean,
    emit: Emit,
  ): void {
    if (closeFirst) {
      emit(close('S', statement.serverName))
      server.ledger.push(OWED.CLOSE_INJECTED)
    }
    const evicted = server.prepared.add(statement, server.batch)
    if (evicted === undefined) return
    emit(close('S', evicted.serverName))
    server.ledger.push(OWED.CLOSE_INJECTED)
  }
}

/** The head of a Bind or the like with another statement name: type, length, portal, name. */
export function renamedBindHead(
  buffer: Buffer,
  start: number,
  length: number,
  portalEnd: number,
  nameEnd: number,
  name: string,
): Buffer {
  const portalBytes = portalEnd - (start + HEADER)
  const head = Buffer.allocUnsafe(HEADER + portalBytes + 1 + name.length + 1)
  head[0] = FRONTEND.BIND
  head.writeUInt32BE(length - (nameEnd - portalEnd - 1) + name.length, 1)
  buffer.copy(head, HEADER, start + HEADER, portalEnd + 1)
  head.write(name, HEADER + portalBytes + 1, 'latin1')
  head[head.length - 1] = 0
  return head
}
