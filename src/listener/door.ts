/**
 * One listening address of one endpoint: accepts links, bounds how many are logging in, and starts
 * each login. Rule: a link that may not come in is told why in the protocol's own words before it
 * is closed, and costs as little as possible; one that waits for others to have logged in is not read
 * from.
 *
 *   link ──> logins (at most maxLoginsInFlight) ──> session
 *       └──> line, in the order of arrival ─┘
 */
import { WeirError } from '../core/errors.ts'
import type { Link } from '../net/link.ts'
import type { Address, Listener } from '../net/network.ts'
import type { Doorway, TurnedAway } from '../session/doorway.ts'
import { Login } from '../session/login.ts'
import { Turnstile } from '../session/turnstile.ts'
import type { ConnectRates } from './connect-rates.ts'

export interface DoorOptions extends Omit<Doorway, 'ended' | 'turnstile' | 'refuseSource'> {
  readonly backlog: number
  readonly maxLoginsInFlight: number
  /** What becomes of whoever comes while so many log in. */
  readonly loginsBeyond?: 'wait' | 'refuse'
  /** Most who may wait for that. */
  readonly maxWaiting?: number
  /** How often clients may come from one address; undefined when that is not bounded. */
  readonly rates?: ConnectRates | undefined
}

export class Door {
  #options: DoorOptions
  #listeners: Listener[] = []
  #logins = new Set<Login>()
  /** Have not begun, and wait for a place among the logins. */
  #line = new Set<Login>()
  #doorway: Doorway

  constructor(options: DoorOptions) {
    this.#options = options
    this.#doorway = {
      ...options,
      turnstile: new Turnstile(),
      refuseSource: (address) => this.#refuseSource(address),
      ended: (login) => this.#ended(login),
    }
  }

  /** Where it listens now. */
  get addresses(): readonly Address[] {
    return this.#listeners.map((l) => l.address)
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

  /** A client has come. The link is paused. */
  accept(link: Link): void {
    const { rooms, maxLoginsInFlight } = this.#options
    const { loginsBeyond = 'wait', maxWaiting = Infinity } = this.#options
    rooms.counters.received++
    if (this.#logins.size < maxLoginsInFlight) {
      const login = new Login(this.#doorway, link)
      this.#logins.add(login)
      login.begin()
      return
    }
    if (loginsBeyond === 'wait' && this.#line.size < maxWaiting) {
      this.#line.add(new Login(this.#doorway, link))
      return
    }
    rooms.counters.refused.add('too-many-logins')
    link.write(rooms.protocol.refusal(TOO_MANY_LOGINS))
    link.end()
  }

  #ended(login: Login): void {
    this.#logins.delete(login)
    this.#line.delete(login)
    const { maxLoginsInFlight } = this.#options
    for (const next of this.#line) {
      if (this.#logins.size >= maxLoginsInFlight) return
      this.#line.delete(next)
      this.#logins.add(next)
      next.begin()
    }
  }

  #refuseSource(address: string | undefined): TurnedAway | undefined {
    const { rates } = this.#options
    if (rates === undefined || address === undefined || rates.takes(address)) return undefined
    return TOO_OFTEN
  }

  /** Stops accepting; logins under way go on. */
  async close(): Promise<void> {
    await Promise.all(this.#listeners.splice(0).map((l) => l.close()))
  }

  /** Ends every login under way. */
  abort(error: WeirError): void {
    for (const login of [...this.#line, ...this.#logins]) login.abort(error)
  }
}

const TOO_MANY_LOGINS = new WeirError(
  'WEIR_TOO_MANY_LOGINS',
  'too many clients are logging in at once',
  {
    sqlstate: '53300',
    retryable: true,
    hint: 'Try again in a moment; limits.maxLoginsInFlight sets the bound, limits.loginsBeyond lets clients wait.',
  },
)

const TOO_OFTEN: TurnedAway = {
  reason: 'connect-rate',
  error: new WeirError('WEIR_CONNECT_RATE', 'too many new clients from this address', {
    sqlstate: '53300',
    retryable: true,
    hint: 'Try again in a moment; limits.connectRate and limits.connectBurst set the bound.',
  }),
}
