/**
 * One listening address of one endpoint: accepts links, bounds how many are logging in, and starts
 * each login. Rule: a link that may not come in is told why in the protocol's own words before it
 * is closed, and costs as little as possible.
 */
import { WeirError } from '../core/errors.ts'
import type { Link } from '../net/link.ts'
import type { Address, Listener } from '../net/network.ts'
import { type Doorway, Login } from '../session/login.ts'

export interface DoorOptions extends Omit<Doorway, 'ended'> {
  readonly backlog: number
  readonly maxLoginsInFlight: number
}

export class Door {
  #options: DoorOptions
  #listeners: Listener[] = []
  #logins = new Set<Login>()
  #doorway: Doorway

  constructor(options: DoorOptions) {
    this.#options = options
    this.#doorway = { ...options, ended: (login) => this.#logins.delete(login) }
  }

  /** Where it listens now. */
  get addresses(): readonly Address[] {
    return this.#listeners.map((l) => l.address)
  }

  get loginsInFlight(): number {
    return this.#logins.size
  }

  /** Starts listening. Rejects with the system's error (EADDRINUSE and so on). */
  async open(address: Address): Promise<void> {
    const { network, backlog } = this.#options
    this.#listeners.push(await network.listen(address, backlog, (link) => this.#accept(link)))
  }

  #accept(link: Link): void {
    const { rooms, maxLoginsInFlight } = this.#options
    rooms.counters.received++
    if (this.#logins.size >= maxLoginsInFlight) {
      rooms.counters.refused.add('too-many-logins')
      link.write(rooms.protocol.refusal(TOO_MANY_LOGINS))
      link.end()
      return
    }
    this.#logins.add(new Login(this.#doorway, link))
  }

  /** Stops accepting; logins under way go on. */
  async close(): Promise<void> {
    await Promise.all(this.#listeners.splice(0).map((l) => l.close()))
  }

  /** Ends every login under way. */
  abort(error: WeirError): void {
    for (const login of [...this.#logins]) login.abort(error)
  }
}

const TOO_MANY_LOGINS = new WeirError(
  'WEIR_TOO_MANY_LOGINS',
  'too many clients are logging in at once',
  {
    sqlstate: '53300',
    retryable: true,
    hint: 'Try again in a moment; limits.maxLoginsInFlight sets the bound.',
  },
)
