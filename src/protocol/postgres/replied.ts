/**
 * The books of a server connection that its replies change, as the parts that read them see it.
 * Rule: only what a reply reads or writes is here.
 */
import { WeirError } from '../../core/errors.ts'
import type { ServerStep, TransactionStatus } from '../contract.ts'
import type { Ledger } from './ledger.ts'
import type { SecondTry } from './second-try.ts'
import type { PreparedBook } from './statements.ts'

export interface Replied {
  status: TransactionStatus
  error: WeirError | undefined
  quietError: WeirError | undefined
  sign: string | undefined
  dirty: boolean
  settings: ReadonlyMap<string, string>
  settingsKey: string
  rolledBack: boolean
  sequencesOf: object | undefined
  readonly notifications: boolean
  /** A transaction under way notifies the client itself. */
  notifiesOwn: boolean
  readonly ledger: Ledger
  readonly secondTry: SecondTry
  readonly prepared: PreparedBook
  readonly parameters: Map<string, string>
  readonly onReported: ((name: string) => void) | undefined
  readonly onDeallocated: (() => void) | undefined
}

/** What arrives is no longer the protocol, or nothing that was asked for. */
export function broken(server: Replied, what: string): ServerStep {
  server.error = new WeirError('WEIR_SERVER_PROTOCOL', `the server sent ${what}`, {
    sqlstate: '08P01',
  })
  return 'broken'
}
