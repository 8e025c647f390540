/**
 * Where a cancel request goes: to a session of this instance, or on to the instance that its number
 * names. Rule: a request is sent on once and no further, to a peer that was configured, by few
 * connections at a time and for a short time each; a wrong one is ignored as Postgres does.
 */
import { messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { GeneralCounters } from '../metrics/counters.ts'
import type { Link } from '../net/link.ts'
import type { Address, Network } from '../net/network.ts'
import type { CancelKey, Protocol } from '../protocol/contract.ts'
import type { CancelOutcome } from './audit-notes.ts'
import { processNumber, readProcessNumber } from './process-numbers.ts'
import type { Sessions } from './sessions.ts'

/** Requests on their way to one peer at the same time; more are dropped, as they are not urgent. */
const MOST_IN_FLIGHT = 64

export interface PeersOptions {
  /** Of this Weir; `NO_INSTANCE` when it has none. */
  readonly instance: number
  readonly peers: ReadonlyMap<number, Address>
  readonly sessions: Sessions
  readonly network: Network
  readonly protocol: Protocol
  readonly counters: GeneralCounters
  readonly log: Log
  /** For connecting to a peer, and again for its answer. */
  readonly timeoutMs: number
}

export class Peers {
  #options: PeersOptions
  #peers: ReadonlyMap<number, Peer>
  #told = new Set<number>()

  constructor(options: PeersOptions) {
    this.#options = options
    this.#peers = new Map([...options.peers].map(([id, at]) => [id, new Peer(id, at, options)]))
  }

  /**
   * Carries out a cancel request, or has it carried out by a peer. Never rejects.
   * @param tell hears at once what becomes of it
   * @returns resolves when it has had its effect or will have none; undefined when that is so already
   */
  cancel(
    key: CancelKey,
    tell: (outcome: CancelOutcome) => void = () => {},
  ): Promise<void> | undefined {
    const { instance, sessions, counters } = this.#options
    const number = readProcessNumber(key.pid)
    if (number !== undefined && number.instance !== instance) {
      const peer = number.forwarded ? undefined : this.#peers.get(number.instance)
      if (peer !== undefined) {
        const pid = processNumber({ ...number, forwarded: true })
        tell('passed-on')
        return peer.send({ pid, secret: key.secret })
      }
      if (number.forwarded) this.#astray(number.instance)
    } else if (number !== undefined) {
      const session = sessions.find(number.session, key.secret)
      if (session !== undefined) {
        tell('accepted')
        return session.cancel()
      }
    }
    tell('ignored')
    counters.cancelsIgnored++
    return undefined
  }

  #astray(meant: number): void {
    if (this.#told.has(meant)) return
    this.#told.add(meant)
    this.#options.log.warn(
      { meant, instance: this.#options.instance },
      `a peer sends cancel requests for instance ${meant} here, and this is another: see its instance.peers`,
    )
  }
}

/** One other instance. */
class Peer {
  #id: number
  #address: Address
  #options: PeersOptions
  #inFlight = 0
  /** What is wrong with it now; told once and not for each request. */
  #trouble: string | undefined

  constructor(id: number, address: Address, options: PeersOptions) {
    this.#id = id
    this.#address = address
    this.#options = options
    options.counters.peerCancels.add(this.#name, 0)
    options.counters.peerCancelsFailed.add(this.#name, 0)
  }

  get #name(): string {
    return String(this.#id)
  }

  async send(key: CancelKey): Promise<void> {
    const { counters } = this.#options
    if (this.#inFlight >= MOST_IN_FLIGHT) {
      counters.peerCancelsFailed.add(this.#name)
      return
    }
    counters.peerCancels.add(this.#name)
    this.#inFlight++
    try {
      await this.#deliver(key)
      this.#mended()
    } catch (error) {
      counters.peerCancelsFailed.add(this.#name)
      this.#failed(messageOf(error))
    }
    this.#inFlight--
  }

  /** Resolves when the peer has closed the connection, which it does when the request has landed. */
  async #deliver(key: CancelKey): Promise<void> {
    const { network, protocol, timeoutMs } = this.#options
    const link: Link = await network.connect(this.#address, timeoutMs)
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        link.destroy()
        reject(new Error(`it did not close the connection within ${timeoutMs} ms`))
      }, timeoutMs)
      const over = (error: Error | undefined): void => {
        clearTimeout(timer)
        if (error === undefined) resolve()
        else reject(error)
      }
      link.receiver = {
        data: () => {
          link.destroy()
          over(new Error('it answered a cancel request, which no Weir does'))
        },
        drained: () => {},
        closed: over,
      }
      link.resume()
      link.write(protocol.cancelRequest(key))
    })
  }

  #failed(why: string): void {
    if (this.#trouble === why) return
    this.#trouble = why
    this.#options.log.warn(
      { peer: this.#id, reason: why },
      `a cancel request did not get through to peer ${this.#id}: ${why}`,
    )
  }

  #mended(): void {
    if (this.#trouble === undefined) return
    this.#trouble = undefined
    this.#options.log.info({ peer: this.#id }, `peer ${this.#id} takes cancel requests again`)
  }
}
