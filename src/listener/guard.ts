/**
 * Who may come in from where, and how many: networks, rates, failed logins, and clients at once. Rule:
 * one guard for all doors, so that going through another door gains nothing; each answer is a reason
 * with the words for the client, which do not tell what the lists hold.
 */
import { type AddressList, AddressRule } from '../core/address-list.ts'
import { WeirError } from '../core/errors.ts'
import type { DoorGuard, TurnedAway } from '../session/doorway.ts'
import type { Headcount } from '../session/headcount.ts'
import type { AuthFailures } from './auth-failures.ts'
import type { ConnectRates } from './connect-rates.ts'

export interface GuardOptions {
  /** Holds for every endpoint. */
  readonly everywhere: AddressRule
  readonly endpoints: ReadonlyMap<string, EndpointGuard>
  /** Whose connections begin with a header that says for whom they are; undefined: nobody's. */
  readonly relays: AddressList | undefined
  /** Undefined when not bounded. */
  readonly rates: ConnectRates | undefined
  readonly failures: AuthFailures | undefined
  /** Those who are here. */
  readonly heads: Headcount
  /** Most clients of one user, and from one source; Infinity when not bounded. */
  readonly mostOfUser: (user: string) => number
  readonly mostOfSource: number
}

export interface EndpointGuard {
  readonly addresses: AddressRule
  readonly mostClients: number
}

export class Guard implements DoorGuard {
  #options: GuardOptions
  #everywhere: AddressRule

  constructor(options: GuardOptions) {
    this.#options = options
    this.#everywhere = options.everywhere
  }

  /** Other networks may come to every endpoint from now on; who is here stays. */
  replaceLists(allow: readonly string[] | undefined, deny: readonly string[] | undefined): void {
    this.#everywhere = new AddressRule(allow, deny)
  }

  relays(address: string | undefined): boolean {
    const { relays } = this.#options
    return relays !== undefined && address !== undefined && relays.has(address)
  }

  atDoor(endpoint: string, address: string | undefined): TurnedAway | undefined {
    const { endpoints } = this.#options
    const permitted =
      this.#everywhere.permits(address) &&
      endpoints.get(endpoint)?.addresses.permits(address) !== false
    return permitted ? undefined : notFromThere(endpoint, address)
  }

  tooOften(address: string | undefined): TurnedAway | undefined {
    const { rates } = this.#options
    if (rates === undefined || address === undefined || rates.takes(address)) return undefined
    return TOO_OFTEN
  }

  tooManyFailures(address: string | undefined, user: string | undefined): TurnedAway | undefined {
    const leftMs = this.#options.failures?.refusedFor(address, user) ?? 0
    return leftMs > 0 ? failedTooOften(leftMs) : undefined
  }

  tooMany(endpoint: string, user: string, address: string | undefined): TurnedAway | undefined {
    const { heads, endpoints, mostOfUser, mostOfSource } = this.#options
    const most = endpoints.get(endpoint)?.mostClients ?? Infinity
    if (heads.ofEndpoint(endpoint) >= most) {
      return tooMany('endpoint', `endpoint "${endpoint}"`, most, 'endpoints[].maxClients')
    }
    const ofUser = mostOfUser(user)
    if (heads.ofUser(user) >= ofUser) {
      return tooMany('user', `user "${user}"`, ofUser, 'limits.maxClientsPerUser')
    }
    if (address !== undefined && heads.ofSource(address) >= mostOfSource) {
      return tooMany('source', 'this address', mostOfSource, 'limits.maxClientsPerSource')
    }
    return undefined
  }

  failed(address: string | undefined, user: string | undefined): void {
    this.#options.failures?.failed(address, user)
  }

  succeeded(address: string | undefined, user: string): void {
    this.#options.failures?.succeeded(address, user)
  }
}

function notFromThere(endpoint: string, address: string | undefined): TurnedAway {
  const error = new WeirError(
    'WEIR_ADDRESS',
    `clients from ${address === '' ? 'an unknown address' : address} may not use endpoint "${endpoint}"`,
    {
      sqlstate: '28000',
      hint: 'listen.allow and deny, and those of the endpoint, say who may.',
    },
  )
  return { reason: 'address', error }
}

const TOO_OFTEN: TurnedAway = {
  reason: 'connect-rate',
  error: new WeirError('WEIR_CONNECT_RATE', 'too many new clients from this address', {
    sqlstate: '53300',
    retryable: true,
    hint: 'Try again in a moment; limits.connectRate and limits.connectBurst set the bound.',
  }),
}

function failedTooOften(leftMs: number): TurnedAway {
  const error = new WeirError('WEIR_AUTH_FAILURES', 'too many failed logins from this address', {
    sqlstate: '53300',
    retryable: true,
    hint: `Try again in ${Math.ceil(leftMs / 1_000)} s; limits.authFailures sets the bound.`,
  })
  return { reason: 'auth-failures', error }
}

function tooMany(
  what: 'endpoint' | 'user' | 'source',
  named: string,
  most: number,
  setting: string,
): TurnedAway {
  const error = new WeirError('WEIR_TOO_MANY_CLIENTS', `too many clients of ${named} already`, {
    sqlstate: '53300',
    retryable: true,
    hint: `${setting} allows ${most}.`,
  })
  return { reason: `too-many-of-${what}`, error }
}
