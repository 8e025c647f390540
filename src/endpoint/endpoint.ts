/**
 * An endpoint is a name clients connect to plus a rule for choosing nodes. Kinds follow Aurora:
 * writer, reader, custom, instance.
 */
import type { BorrowTimeout } from '../pool/member.ts'

export type EndpointKind = 'writer' | 'reader' | 'custom' | 'instance'
export type CustomType = 'READER' | 'WRITER' | 'ANY'
export type Balance = 'leastLeases' | 'roundRobin' | 'random' | 'fastestResponse'

/** What a reader endpoint does while no reader can serve. */
export type NoReaderPolicy = 'writer' | 'wait' | 'error'

export interface EndpointRule {
  readonly name: string
  readonly kind: EndpointKind
  /** `custom` only: which roles may serve. */
  readonly customType: CustomType
  /** `custom` only: either a static list or an exclusion list, never both. */
  readonly staticMembers: readonly string[] | undefined
  readonly excludedMembers: readonly string[] | undefined
  /** `instance` only. */
  readonly node: string | undefined
  readonly balance: Balance
  /** Readers further behind than this many milliseconds are skipped; undefined: no limit. */
  readonly maxLagMs: number | undefined
  readonly noReader: NoReaderPolicy
  readonly borrowTimeout: BorrowTimeout
  /** `transaction`, or `session`: every session is pinned with reason `configured`. */
  readonly pooling: 'transaction' | 'session'
  /** What becomes of session state that outlives a transaction. */
  readonly pinning: 'follow' | 'strict' | 'aws'
  /** Ask the server what functions have changed that nobody can see through. */
  readonly verify: boolean
  /** What provably only reads is sent again when its server is lost before it answers. Default: no. */
  readonly retryReads?: boolean
}
