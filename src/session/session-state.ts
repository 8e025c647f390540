/** The states of a client session and the moves between them; the picture is in client-session.ts. */
import type { Moves } from '../core/machine.ts'

export type SessionState = 'welcoming' | 'idle' | 'waiting' | 'leased' | 'riding' | 'closed'

export const MOVES: Moves<SessionState> = {
  welcoming: ['idle', 'closed'],
  idle: ['waiting', 'leased', 'riding', 'closed'],
  waiting: ['leased', 'idle', 'closed'],
  leased: ['idle', 'closed'],
  riding: ['idle', 'closed'],
  closed: [],
}
