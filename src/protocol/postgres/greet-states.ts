/** Where a client's login stands, and where it may go from there; drawn in `greet.ts`. */
import type { Moves } from '../../core/machine.ts'

export type State =
  | 'first'
  | 'upgrade'
  | 'handshake'
  | 'lookup'
  | 'proof'
  | 'judging'
  | 'proved'
  | 'over'

export const MOVES: Moves<State> = {
  first: ['upgrade', 'handshake', 'lookup', 'over'],
  upgrade: ['handshake', 'over'],
  handshake: ['first', 'over'],
  lookup: ['proof', 'proved', 'over'],
  proof: ['judging', 'proved', 'over'],
  judging: ['proved', 'over'],
  proved: ['over'],
  over: [],
}
