/**
 * Which statements make a session keep its server connection. Rule: each reason is told once for a
 * session, before the statement that gives it is sent.
 */
import type { PinReason } from '../contract.ts'
import { digest } from './sql/digest.ts'
import type { Effect } from './sql/effects.ts'

/** Which effect pins for which reason; effects not named here do not outlive the transaction. */
const PINS: Partial<Record<Effect, PinReason>> = {
  set: 'settings',
  prepare: 'sql-prepare',
  discard: 'discard',
  listen: 'listen',
  temporary: 'temporary',
  'cursor-with-hold': 'cursor-with-hold',
  'advisory-lock': 'advisory-lock',
  load: 'load',
  sequence: 'sequence',
}

export class PinWatch {
  /** The newest reason, and the normalised text of the statement that gave it. */
  reason: PinReason = 'configured'
  digest = ''
  #known = new Set<PinReason>()

  /** True when one of `effects` is a reason not told yet. */
  sees(effects: readonly Effect[], text: Buffer): boolean {
    for (let i = 0; i < effects.length; i++) {
      const reason = PINS[effects[i]!]
      if (reason !== undefined && this.tell(reason, text)) return true
    }
    return false
  }

  /** True when this reason is new. */
  tell(reason: PinReason, text: Buffer | undefined): boolean {
    if (this.#known.has(reason)) return false
    this.#known.add(reason)
    this.reason = reason
    this.digest = text === undefined ? '' : digest(text)
    return true
  }
}
