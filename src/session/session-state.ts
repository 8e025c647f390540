/** The states of a client session and the moves between them; the picture is in client-session.ts. */
import type { Moves } from '../core/machine.ts'
import type { ServerConversation } from '../protocol/contract.ts'

export type SessionState = 'welcoming' | 'idle' | 'waiting' | 'leased' | 'riding' | 'closed'

export const MOVES: Moves<SessionState> = {
  welcoming: ['idle', 'closed'],
  idle: ['waiting', 'leased', 'riding', 'closed'],
  waiting: ['leased', 'idle', 'closed'],
  leased: ['idle', 'closed'],
  riding: ['idle', 'closed'],
  closed: [],
}

export type AsServed = Pick<ServerConversation, 'owing' | 'status' | 'answered'>

/** No transaction is open and no answer is owed. */
export function isQuiet({ owing, status }: AsServed): boolean {
  return !owing && status === 'idle'
}

/** A transaction is open in which nothing is under way. */
export function isDawdling({ owing, status }: AsServed): boolean {
  return !owing && status !== 'idle'
}
