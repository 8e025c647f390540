/**
 * What one client was told of the results of its statements, held against what server connections
 * make of them. Rule: a client that does not ask for a description again gets rows of the shape it
 * knows, or the error that PostgreSQL gives; so before such a statement runs on a server connection for
 * the first time, that one has described it.
 */
import { describe, flush } from '../../wire/postgres/frontend.ts'
import type { ClientNames, Named } from './client-names.ts'
import { OWED, type Undo } from './ledger.ts'
import type { PostgresServerConversation } from './server-conversation.ts'
import { type Emit, place } from './shelf.ts'
import type { Statement } from './statements.ts'

export class ToldShapes {
  #names: ClientNames
  #bound: Named | undefined
  #boundStatement: Statement | undefined

  constructor(names: ClientNames) {
    this.#names = names
  }

  /** What was bound last, and what stands for it on the server; undefined when it is no plain one. */
  bound(named: Named | undefined, statement?: Statement): void {
    this.#bound = named
    this.#boundStatement = statement
  }

  /** Whether what the client was told of the results of `name` holds on `server`. */
  at(server: PostgresServerConversation, name: string): 'holds' | 'changed' | 'unknown' {
    const named = this.#names.current(server, name)
    if (named?.told === undefined || named.face !== undefined) return 'holds'
    if (named.statement.opaque !== undefined || named.statement.body !== undefined) return 'holds'
    const statement = this.#names.pick(server, named)
    const shape = this.#names.presence === 'ready' ? server.prepared.look(statement) : undefined
    if (shape === undefined) return 'unknown'
    return shape === named.told ? 'holds' : 'changed'
  }

  /** Has `server` describe the statement of `name`, which it is sent first when it lacks it. */
  look(server: PostgresServerConversation, name: string, emit: Emit, done: () => void): void {
    const named = this.#names.current(server, name)!
    const statement = this.#names.pick(server, named)
    place(server, statement, this.#names.presence, emit)
    emit(Buffer.concat([describe('S', statement.serverName), flush()]))
    server.ledger.push(OWED.DESCRIBE_INJECTED, {
      statement,
      clientName: name,
      described: (shape) => {
        server.prepared.looked(statement, shape)
        done()
      },
      restore: done,
    })
  }

  /** For a Describe of what was bound last: takes down what the client is told, where that is news. */
  noting(server: PostgresServerConversation): Undo | undefined {
    const named = this.#bound
    const statement = this.#boundStatement
    if (named === undefined || statement === undefined) return undefined
    if (named.told !== undefined && named.told === server.prepared.look(statement)) return undefined
    return { described: this.describing(server, named, statement) }
  }

  /** Takes down the shape that a description tells the client. */
  describing(
    server: PostgresServerConversation,
    named: Named,
    statement: Statement,
  ): (shape: string) => void {
    return (shape) => {
      named.told = shape
      server.prepared.looked(statement, shape)
    }
  }
}
