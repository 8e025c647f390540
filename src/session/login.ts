/**
 * A client from its first byte to its session: drives the greeting over the link, TLS included, finds
 * the endpoint it asked for, and learns its welcome. Rule: everything here is bounded in time by the
 * login deadline and in bytes by the greeting, and a refusal always says why and is counted.
 */
import type tls from 'node:tls'
import { messageOf, WeirError } from '../core/errors.ts'
import { Deadline } from '../core/timer-wheel.ts'
import type { Endpoint, Route } from '../endpoint/router.ts'
import type { Link, Receiver } from '../net/link.ts'
import type { Network } from '../net/network.ts'
import type {
  CancelKey,
  GreetingMachine,
  GreetOptions,
  Introduction,
} from '../protocol/contract.ts'
import type { ServerConnection } from '../server/server-connection.ts'
import { ClientSession } from './client-session.ts'
import { openForReplication, replicationRefusal } from './replication-errand.ts'
import { ReplicationSession } from './replication-session.ts'
import type { Rooms } from './rooms.ts'
import { INTERNAL } from './session-errors.ts'
import type { Passer, Turnstile } from './turnstile.ts'
import type { Cancellable } from './welcome.ts'
import { WelcomeErrand } from './welcome-errand.ts'

/** Why nobody may come in just now, or not from there. */
export type TurnedAway = NonNullable<ReturnType<NonNullable<GreetOptions['admit']>>>

/** What a door gives to each login. */
export interface Doorway {
  /** The endpoint of the door it came through. */
  readonly endpoint: Endpoint
  readonly rooms: Rooms
  readonly network: Network
  readonly loginTimeoutMs: number
  /** Where each step of a login waits for its turn. */
  readonly turnstile: Turnstile
  /** The certificate to show; undefined when TLS is off. */
  secureContext(): tls.SecureContext | undefined
  /** Another endpoint by name or by TLS server name; undefined when there is none. */
  byName(name: string): { endpoint: Endpoint; rooms: Rooms } | undefined
  byServerName(name: string): { endpoint: Endpoint; rooms: Rooms } | undefined
  /** All endpoint names, for the error that lists them. */
  endpointNames(): readonly string[]
  /** Why no new session may begin, when that is so (too many clients, draining). */
  refuseSession(): WeirError | undefined
  /** A client has come from `address` (undefined: a Unix socket); why it may not, if so. */
  refuseSource(address: string | undefined): TurnedAway | undefined
  /** Resolves when the request has had its effect; undefined when there is nothing to wait for. */
  cancel(key: CancelKey): Promise<void> | undefined
  /** The login is over, whichever way. */
  ended(login: Login): void
}

/** So much of what a client says before it is welcomed is held (bytes). */
const EARLY_BYTES = 65_536

const LOOPBACK = /^(::ffff:)?127\.|^::1$/

const NOTHING = Buffer.alloc(0)

export class Login implements Receiver, Passer {
  #door: Doorway
  #endpoint: Endpoint
  #rooms: Rooms
  #link: Link
  #greeting: GreetingMachine
  #deadline: Deadline
  #errand: Cancellable | undefined
  #over = false
  #upgrading = false
  /** Waits for its turn to go on. */
  #queued = false
  /** What to do with the welcome that has come. */
  #goOn: (() => void) | undefined
  /** What the client sent on while its welcome was being fetched; its session begins with it. */
  #early: Buffer[] = []
  #earlyBytes = 0

  /** Waits, and is timed, until `begin` is called. */
  constructor(door: Doorway, link: Link) {
    this.#door = door
    this.#endpoint = door.endpoint
    this.#rooms = door.rooms
    this.#link = link
    const address = link.remoteAddress
    const strange = door.refuseSource(address)
    this.#greeting = this.#rooms.protocol.greet({
      loopback: address === undefined || LOOPBACK.test(address),
      secure: link.encrypted,
      admit: () => strange ?? this.#turnedAway(),
    })
    this.#greeting.onReady = () => this.#pull()
    this.#deadline = new Deadline(() => this.#refuse('login-timeout', TOO_SLOW))
    this.#rooms.wheel.arm(this.#deadline, door.loginTimeoutMs)
    link.receiver = this
  }

  /** Its place among those who log in is free: it is read from. */
  begin(): void {
    this.#link.resume()
  }

  data(chunk: Buffer): void {
    if (this.#over) return
    // Whoever keeps it needs its own: the link's buffer is used again.
    const own = Buffer.from(chunk)
    this.#earlyBytes += own.length
    if (this.#earlyBytes > EARLY_BYTES) this.#link.pause()
    if (this.#errand !== undefined) {
      this.#early.push(own)
      return
    }
    this.#greeting.push(own)
    if (this.#queued) return
    this.#queued = true
    this.#door.turnstile.enter(this)
  }

  /** Its turn has come to go on with what it was sent, or with its welcome. */
  pass(): void {
    this.#queued = false
    if (this.#over) return
    if (this.#goOn !== undefined) {
      this.#guarded(this.#goOn)
      return
    }
    this.#earlyBytes = 0
    this.#link.resume()
    this.#pull()
  }

  closed(): void {
    if (this.#over) return
    this.#rooms.counters.refused.add('client-gone')
    this.#end()
  }

  drained(): void {}

  #pull(): void {
    this.#guarded(() => this.#steps())
  }

  #guarded(work: () => void): void {
    try {
      work()
    } catch (error) {
      // Our bug: this login ends, everybody else goes on.
      this.#rooms.log.error({ error: messageOf(error) }, 'BUG: a login failed')
      if (!this.#over) this.#refuse('internal-error', INTERNAL)
    }
  }

  #steps(): void {
    while (!this.#over && this.#errand === undefined && !this.#upgrading) {
      const step = this.#greeting.next()
      switch (step.kind) {
        case 'starved':
        case 'waiting':
          return
        case 'answer':
          this.#link.write(step.bytes)
          break
        case 'upgrade-tls':
          this.#upgrade(step.early)
          return
        case 'cancel':
          void this.#cancel(step.key)
          return
        case 'introduced':
          this.#introduced(step.who)
          return
        case 'refused':
          this.#rooms.log.info(
            { reason: step.reason, user: this.#greeting.user, from: this.#link.remoteAddress },
            `client refused: ${step.message}`,
          )
          this.#link.write(step.bytes)
          this.#refused(step.reason)
          return
        default:
          step satisfies never
          return
      }
    }
  }

  /**
   * Clients take the end of this connection for the sign that what they send now is safe from the
   * request, so it stays until the request has landed. It counts as a login in flight as long.
   */
  async #cancel(key: CancelKey): Promise<void> {
    this.#over = true
    this.#rooms.wheel.cancel(this.#deadline)
    await this.#door.cancel(key)
    this.#door.ended(this)
    this.#link.end()
  }

  #upgrade(early: Buffer): void {
    const context = this.#door.secureContext()
    if (context === undefined) throw new Error('BUG: TLS agreed on without a certificate')
    this.#upgrading = true
    this.#door.network.turn.flush()
    this.#door.network.acceptTls(this.#link, context, early, this.#door.loginTimeoutMs).then(
      ({ link, serverName }) => {
        if (this.#over) {
          link.destroy()
          return
        }
        if (link.closed) {
          this.closed()
          return
        }
        this.#link = link
        link.receiver = this
        const named = serverName === undefined ? undefined : this.#door.byServerName(serverName)
        if (named !== undefined) this.#enter(named)
        this.#greeting.secured()
        this.#upgrading = false
        link.resume()
        this.#pull()
      },
      (error) => {
        if (this.#over) return
        this.#rooms.log.info(
          { reason: 'tls-handshake', from: this.#link.remoteAddress },
          `client refused: ${messageOf(error)}`,
        )
        this.#refused('tls-handshake')
      },
    )
  }

  #enter(named: { endpoint: Endpoint; rooms: Rooms }): void {
    this.#endpoint = named.endpoint
    this.#rooms = named.rooms
  }

  #introduced(who: Introduction): void {
    if (who.endpoint !== undefined) {
      const named = this.#door.byName(who.endpoint)
      if (named === undefined) {
        const names = this.#door.endpointNames().join(', ')
        this.#refuse(
          'no-endpoint',
          new WeirError('WEIR_NO_ENDPOINT', `there is no endpoint "${who.endpoint}"`, {
            sqlstate: '08004',
            hint: `Endpoints here: ${names}.`,
          }),
        )
        return
      }
      this.#enter(named)
    }
    if (this.#full()) return
    const route: Route<ServerConnection> = {
      endpoint: this.#endpoint,
      database: who.database,
      user: who.user,
      node: undefined,
      seenLsn: undefined,
      prefer: () => true,
    }
    if (who.replication !== undefined) {
      this.#replicate(who, route)
      return
    }
    const key = `${this.#endpoint.rule.name} ${this.#rooms.protocol.welcomeKey(who)}`
    const known = this.#rooms.welcomes.find(key)
    if (known !== undefined) {
      this.#begin(who, route, known)
      return
    }
    this.#fetchWelcome(key, who, route)
  }

  /** From here on the endpoint's borrow timeout counts, and a little more for the answer. */
  #allowBorrowing(): void {
    const { borrowTimeout } = this.#endpoint.rule
    const patience = borrowTimeout === 'unlimited' ? Infinity : borrowTimeout
    const patienceMs = patience === 'nowait' ? 0 : patience
    this.#rooms.wheel.arm(this.#deadline, patienceMs + this.#door.loginTimeoutMs)
  }

  #replicate(who: Introduction, route: Route<ServerConnection>): void {
    const refusal = replicationRefusal(this.#endpoint.rule)
    if (refusal !== undefined) {
      this.#refuse('replication', refusal)
      return
    }
    this.#allowBorrowing()
    this.#errand = openForReplication(this.#rooms, who, route, (outcome) => {
      if (outcome instanceof WeirError) {
        if (!this.#over) this.#refuse('no-server', outcome)
      } else if (this.#full()) this.#rooms.home(outcome).discard(outcome, 'draining')
      else
        this.#enterSession(who, (id, rest) => {
          new ReplicationSession(this.#rooms, id, this.#link, who, route, outcome).begin(rest)
        })
    })
  }

  #fetchWelcome(key: string, who: Introduction, route: Route<ServerConnection>): void {
    this.#allowBorrowing()
    const rooms = this.#rooms
    this.#errand = rooms.welcomes.fetch(
      key,
      (done) => {
        const errand = new WelcomeErrand(rooms, who, route, done)
        errand.start()
        return errand
      },
      (outcome) => {
        // Thousands may be told at once.
        this.#goOn = () => {
          if (outcome instanceof WeirError) this.#refuse('no-server', outcome)
          else this.#begin(who, route, outcome)
        }
        this.#door.turnstile.enter(this)
      },
    )
  }

  /** Why no session may begin now. */
  #turnedAway(): TurnedAway | undefined {
    const error = this.#door.refuseSession()
    if (error === undefined) return undefined
    return { reason: error.sqlstate === '53300' ? 'too-many-clients' : 'draining', error }
  }

  /** Refuses when no session may begin now. */
  #full(): boolean {
    const full = this.#turnedAway()
    if (full !== undefined) this.#refuse(full.reason, full.error)
    return full !== undefined
  }

  #begin(
    who: Introduction,
    route: Route<ServerConnection>,
    parameters: ReadonlyMap<string, string>,
  ): void {
    // Others may have come in while the welcome was being fetched.
    if (this.#full()) return
    this.#enterSession(who, (id, rest) => {
      // What it has said by now is given on, and not kept for as long as it stays.
      const quiet = who.rest.length === 0 ? who : { ...who, rest: NOTHING }
      new ClientSession(this.#rooms, id, this.#link, quiet, route).begin(parameters, rest)
    })
  }

  /** @param begin gets the number of the session, and what its client has said already */
  #enterSession(who: Introduction, begin: (id: number, rest: Buffer) => void): void {
    this.#end()
    const rest = this.#early.length === 0 ? who.rest : Buffer.concat([who.rest, ...this.#early])
    begin(this.#rooms.sessions.nextId(), rest)
  }

  /** Ends a login from outside: the proxy stops. */
  abort(error: WeirError): void {
    if (!this.#over) this.#refuse('draining', error)
  }

  #refuse(reason: string, error: WeirError): void {
    this.#rooms.log.info(
      { reason, user: this.#greeting.user, from: this.#link.remoteAddress },
      `client refused: ${error.message}`,
    )
    this.#link.write(this.#rooms.protocol.refusal(error))
    this.#refused(reason)
  }

  #refused(reason: string): void {
    const { counters } = this.#rooms
    counters.refused.add(reason)
    if (AUTH_FAILURES.has(reason)) counters.failedAuth++
    this.#end()
    this.#link.end()
  }

  #end(): void {
    this.#over = true
    this.#errand?.cancel()
    this.#rooms.wheel.cancel(this.#deadline)
    this.#door.ended(this)
  }
}

const AUTH_FAILURES = new Set(['auth-failed', 'auth-method', 'no-user', 'tls-required'])

const TOO_SLOW = new WeirError('WEIR_LOGIN_TIMEOUT', 'canceling authentication due to timeout', {
  sqlstate: '08P01',
  hint: 'limits.loginTimeout bounds the time from connecting to being logged in.',
})
