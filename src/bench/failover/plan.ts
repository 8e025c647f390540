/**
 * What one run is to do: clients by kind, pace, patience. Rule: pure; everything that decides a
 * figure is a field here, and is printed with the result.
 */
import type { ClientKind } from './result.ts'

export interface Plan {
  readonly clients: Readonly<Record<ClientKind, number>>
  /** Statements (transactions) of each client of the schedule, a second. */
  readonly rate: number
  /** Load before the fault and after the recovery (ms). */
  readonly beforeMs: number
  readonly afterMs: number
  /** From the fault to the command to promote (ms). */
  readonly promoteAfterMs: number
  /** A client's own patience with a connection and with an answer (ms). */
  readonly connectTimeoutMs: number
  readonly clientTimeoutMs: number
  /** Between an error and the next try of a client (ms); it doubles twice when errors go on. */
  readonly retryMs: number
  /** How long a transaction stays open between its two writes (ms). */
  readonly holdMs: number
  /** No recovery in this time ends the round (ms). */
  readonly giveUpMs: number
  /**
   * A round in which the instrument itself stood still for longer does not count (ms), unless it is
   * less than a fifth of the time from the fault to the recovery of all clients.
   */
  readonly maxStallMs: number
}

export const DEFAULT_PLAN: Omit<Plan, 'clients'> = {
  rate: 5,
  beforeMs: 1_500,
  afterMs: 1_000,
  promoteAfterMs: 0,
  connectTimeoutMs: 1_000,
  clientTimeoutMs: 10_000,
  retryMs: 50,
  holdMs: 20,
  giveUpMs: 30_000,
  maxStallMs: 150,
}

const SHARES = { writer: 0.5, reader: 0.3, transaction: 0.15, listener: 0.05 } as const

/**
 * `total` clients of the schedule, split half writers, 30 % readers, 15 % transactions, 5 %
 * listeners; what `wanted` names is taken as it is and not out of `total`.
 */
export function splitClients(
  total: number,
  idle: number,
  wanted: Partial<Record<Exclude<ClientKind, 'idle'>, number>> = {},
): Record<ClientKind, number> {
  const reader = Math.round(total * SHARES.reader)
  const transaction = Math.round(total * SHARES.transaction)
  const listener = Math.round(total * SHARES.listener)
  const writer = Math.max(0, total - reader - transaction - listener)
  return { writer, reader, transaction, listener, ...wanted, idle }
}
