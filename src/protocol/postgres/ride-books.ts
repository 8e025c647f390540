/**
 * Between one who reads the answers of a server and one whose request was sent there: what each must
 * know of the other.
 */
import type { Ride } from '../ride.ts'
import type { PreparedBook, Statement } from './statements.ts'

/** Books of the server connection. */
export interface RideBooks {
  readonly prepared: PreparedBook
  readonly parameters: Map<string, string>
}

/** A ride, as its answer is read. */
export interface Passenger extends Ride {
  /** So many messages of the answer are Weir's own: CloseComplete and ParseComplete, ahead of all. */
  skip: number
  /** Its named statement, as shared by all who prepare it, and as the client calls it. */
  readonly statement: Statement | undefined
  readonly clientName: string | undefined
  /** A CloseComplete, or a ParseComplete when `parsed`: to what was sent ahead, or the client's own. */
  accepted(parsed: boolean): void
  /** What was sent ahead was all carried out. */
  placed(): void
  /** An error was answered: the rest of the request was skipped. */
  failed(): void
  /** The client is about to be told what its rows look like, and that is news. */
  readonly notesShape: boolean
  noteShape(shape: string): void
}
