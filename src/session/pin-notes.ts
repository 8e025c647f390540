/**
 * The pins of one session, told to log and metrics as they come and go. Rule: a pin is counted when
 * it is set, once, and its end is only logged.
 */
import type { Log } from '../core/log.ts'
import type { EndpointCounters } from '../metrics/counters.ts'
import type { PinReason } from '../protocol/contract.ts'

/** A session whose pins are looked at; `pins` are as they were last time. */
export interface Pinned {
  readonly id: number
  readonly pins: Set<PinReason>
  readonly route: { readonly endpoint: { readonly rule: { readonly name: string } } }
}

export class PinNotes {
  #rooms: { readonly log: Log; readonly counters: EndpointCounters }
  #session: Pinned

  constructor(rooms: { readonly log: Log; readonly counters: EndpointCounters }, session: Pinned) {
    this.#rooms = rooms
    this.#session = session
  }

  /** Tells what has pinned the session and what no longer does; by reason the statement's digest. */
  look(now: ReadonlyMap<PinReason, string>): void {
    const { log, counters } = this.#rooms
    const { id: client, pins, route } = this.#session
    const endpoint = route.endpoint.rule.name
    for (const [reason, digest] of now) {
      if (pins.has(reason)) continue
      pins.add(reason)
      counters.pins.add(reason)
      if (reason === 'configured') continue
      const message = 'session pinned to its server connection'
      log.info({ client, endpoint, reason, digest }, message)
    }
    for (const reason of pins) {
      if (now.has(reason)) continue
      pins.delete(reason)
      log.info({ client, endpoint, reason }, 'session no longer pinned for this')
    }
  }
}
