/** What a client's conversation needs to know at its start. */
import type { SessionTerms } from '../contract.ts'
import type { Senders } from './senders.ts'
import type { Habits } from './sequence-watch.ts'
import type { Statements } from './statements.ts'

export interface ClientConversationOptions {
  readonly user: string
  readonly settings: ReadonlyMap<string, string>
  readonly settingsKey: string
  /** Database and user, whose texts mean the same under the same settings. */
  readonly realm: string
  readonly statements: Statements
  readonly habits: Habits
  readonly terms: SessionTerms
  readonly senders: Senders
  /** Longest message that is read whole, bytes. */
  readonly inspectBytes: number
}
