/**
 * currval and lastval: they tell what the server connection has seen, so a client may ask only where
 * it has moved a sequence itself and nobody else since. Rule: the right answer, or the server's own
 * error that there is none, never the number of another client. A client that reads them later than
 * it moved them keeps its connection from the next time on, and so do all of its kind.
 */
import type { PostgresServerConversation } from './server-conversation.ts'
import { INSERT, SEQUENCE_READ, SEQUENCE_WRITE, UNSEEN } from './sql/effects.ts'

/** What may move a sequence. */
const MOVES = SEQUENCE_WRITE | INSERT | UNSEEN

/** What the sessions of one database, user and set of startup settings were seen to need. */
export interface Habits {
  /** One has read currval or lastval in another transaction than it was made in. */
  readsSequences: boolean
  /** Of all sessions of the database. */
  readonly database: {
    /** One has read them at all; until then nobody cares whose numbers a server connection knows. */
    minds: boolean
  }
}

export class SequenceWatch {
  #habits: Habits
  /** Where this client has moved a sequence last. */
  #server: PostgresServerConversation | undefined
  /** What marks a server connection as knowing this client's numbers; another one after `forget`. */
  #mark = {}

  constructor(habits: Habits) {
    this.#habits = habits
  }

  /** The server connection that knows what this client would read; undefined when none does any more. */
  get knowing(): PostgresServerConversation | undefined {
    return this.#server?.sequencesOf === this.#mark ? this.#server : undefined
  }

  /** Whatever was read or moved before is gone. */
  forget(): void {
    this.#mark = {}
    this.#server = undefined
  }

  /**
   * A statement with these effects is about to be sent. True when the session has to keep the server
   * connection for it; `emit` gets what has to go ahead.
   */
  sees(server: PostgresServerConversation, bits: number, emit: (bytes: Buffer) => void): boolean {
    const moves = (bits & MOVES) !== 0
    const reads = (bits & SEQUENCE_READ) !== 0
    if (!moves && !reads) return false
    const habits = this.#habits
    if (reads) habits.database.minds = true
    if (reads && !moves && server.status === 'idle') habits.readsSequences = true
    // Nothing runs in a transaction that has failed.
    if (server.status === 'failed' && server.ledger.certain) return false
    // What it has moved elsewhere makes its numbers on this one old.
    if (this.#server !== undefined && this.#server !== server) this.#mark = {}
    const strange = server.sequencesOf !== undefined && server.sequencesOf !== this.#mark
    // Before it moves one, too: afterwards nobody could tell its numbers from those of others.
    if (strange && habits.database.minds) emit(server.aside('DISCARD SEQUENCES', () => mix(server)))
    if (strange && !habits.database.minds && (bits & SEQUENCE_WRITE) === 0) mix(server)
    else server.sequencesOf = this.#mark
    this.#server = server
    return moves && habits.readsSequences
  }
}

/** The numbers on it are of more than one client, or may be: whoever reads makes it forget them first. */
function mix(server: PostgresServerConversation): void {
  server.sequencesOf = {}
}
