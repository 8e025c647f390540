/** What a client's conversation needs to know at its start. */
import type { SessionTerms } from '../contract.ts'
import type { SettingsAtStart } from './followed-settings.ts'
import type { RideCosts } from './ride-costs.ts'
import type { Senders } from './senders.ts'
import type { Habits } from './sequence-watch.ts'
import type { Statements } from './statements.ts'

export interface ClientConversationOptions {
  /** Who it is, and what it asked for; shared by all clients that begin alike. */
  readonly start: SettingsAtStart
  /** Database and user, whose texts mean the same under the same settings. */
  readonly realm: string
  /** That, and those of the settings at start that decide about it. */
  readonly meaning: string
  readonly statements: Statements
  /** Shared by all clients. */
  readonly rideCosts: RideCosts
  readonly habits: Habits
  readonly terms: SessionTerms
  readonly senders: Senders
  /** Longest message that is read whole, bytes. */
  readonly inspectBytes: number
}
