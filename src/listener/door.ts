/**
 * One listening address of one endpoint: accepts links, bounds how many are logging in, and starts
 * each login. Rule: a link that may not come in is told why in the protocol's own words before it
 * is closed, and costs as little as possible; one that waits for others to have logged in is not read
 * from.
 *
 *   link ──(prelude of a relay)──> logins (at most maxLoginsInFlight) ──> session
 *                             └──> line, in the order of arrival ─┘
 */
import { WeirError } from '../core/errors.ts'
import type { Link } from '../net/link.ts'
import type { Address, Listener } from '../net/network.ts'
import type { Doorway, LoginInFlight } from '../session/doorway.ts'
import { Login } from '../session/login.ts'
import { noteRefused } from '../session/login-notes.ts'
import { Turnstile } from '../session/turnstile.ts'
import { Prelude } from './prelude.ts'

const NOTHING = Buffer.alloc(0)

export interface DoorOptions extends Omit<Doorway, 'ended' | 'turnstile'> {
  readonly backlog: number
  readonly maxLoginsInFlight: number
  /** What becomes of whoever comes while so many log in. */
  readonly loginsBeyond?: 'wait' | 'refuse'
  /** Most who may wait for that. */
  readonly maxWaiting?: number
}

export class Door {
  #options: DoorOptions
  #listeners: Listener[] = []
  #logins = new Set<LoginInFlight>()
  /** Have not begun, and wait for a place among the logins; with what each has said already. */
  #line = new Map<LoginInFlight, Buffer>()
  /** Have yet to be told for whom they come. */
  #preludes = new Set<Prelude>()
  #doorway: Doorway

  constructor(options: DoorOptions) {
    this.#options = options
    this.#doorway = {
      ...options,
      turnstile: new Turnstile(),
      ended: (login) => this.#ended(login),
    }
  }

  /** Where it listens now. */
  get addresses(): readonly Address[] {
    return this.#listeners.map((l) => l.address)
  }

  /** As many may be heard ahead of their login as may log in and wait for it. */
  get #most(): number {
    const { maxLoginsInFlight, maxWaiting = Infinity } = this.#options
    return maxLoginsInFlight + maxWaiting
  }

  get loginsInFlight(): number {
    return this.#logins.size
  }

  /** Clients that have not begun to log in, because too many others do. */
  get loginsWaiting(): number {
    return this.#line.size
  }

  /** Starts listening. Rejects with the system's error (EADDRINUSE and so on). */
  async open(address: Address): Promise<void> {
    const { network, backlog } = this.#options
    this.#listeners.push(await network.listen(address, backlog, (link) => this.accept(link)))
  }

  /** Somebody has come. The link is paused. */
  accept(link: Link): void {
    const { rooms, guard } = this.#options
    rooms.counters.received++
    if (!guard.relays(link.remoteAddress)) this.#come(link, NOTHING)
    else if (this.#preludes.size >= this.#most) this.#turnAway(link, 'too-many-logins', TOO_MANY)
    else this.#hearPrelude(link)
  }

  #hearPrelude(link: Link): void {
    const { rooms, loginTimeoutMs } = this.#options
    const prelude = new Prelude(link, rooms.wheel, loginTimeoutMs, (outcome) => {
      this.#preludes.delete(prelude)
      if (typeof outcome !== 'string') this.#come(link, outcome.rest)
      else this.#note(link, 'proxy-header', `no header of a relay: ${outcome}`)
    })
    this.#preludes.add(prelude)
  }

  /** @param rest what the client has said already */
  #come(link: Link, rest: Buffer): void {
    const { guard, endpoint, maxLoginsInFlight } = this.#options
    const { loginsBeyond = 'wait', maxWaiting = Infinity } = this.#options
    const away = guard.atDoor(endpoint.rule.name, link.remoteAddress)
    if (away !== undefined) {
      this.#turnAway(link, away.reason, away.error)
      return
    }
    if (this.#logins.size < maxLoginsInFlight) {
      const login = new Login(this.#doorway, link)
      this.#logins.add(login)
      login.begin(rest)
      return
    }
    if (loginsBeyond === 'wait' && this.#line.size < maxWaiting) {
      this.#line.set(new Login(this.#doorway, link), rest)
      return
    }
    this.#turnAway(link, 'too-many-logins', TOO_MANY)
  }

  /** Before anything is read: it is told why, and that is all. */
  #turnAway(link: Link, reason: string, error: WeirError): void {
    link.write(this.#options.rooms.protocol.refusal(error))
    this.#note(link, reason, error.message)
    link.end()
  }

  #note(link: Link, reason: string, message: string): void {
    const { rooms, endpoint } = this.#options
    noteRefused({ rooms, endpointName: endpoint.rule.name, link, user: undefined }, reason, message)
  }

  #ended(login: LoginInFlight): void {
    this.#logins.delete(login)
    this.#line.delete(login)
    const { maxLoginsInFlight } = this.#options
    for (const [next, rest] of this.#line) {
      if (this.#logins.size >= maxLoginsInFlight) return
      this.#line.delete(next)
      this.#logins.add(next)
      next.begin(rest)
    }
  }

  /** Stops accepting; logins under way go on. */
  async close(): Promise<void> {
    await Promise.all(this.#listeners.splice(0).map((l) => l.close()))
  }

  /** Ends every login under way. */
  abort(error: WeirError): void {
    for (const prelude of [...this.#preludes]) prelude.abort()
    for (const login of [...this.#line.keys(), ...this.#logins]) login.abort(error)
  }
}

const TOO_MANY = new WeirError('WEIR_TOO_MANY', 'too many clients are logging in at once', {
  sqlstate: '53300',
  retryable: true,
  hint: 'Try again in a moment; limits.maxLoginsInFlight sets the bound, limits.loginsBeyond lets clients wait.',
})
