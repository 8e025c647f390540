/**
 * A client from its first byte to its session: drives the greeting over the link, TLS included, until
 * `comeIn` takes it on. Rule: everything here is bounded in time by the login deadline and in bytes by
 * the greeting, and a login ends in exactly one note: refused and why, gone, or entered.
 */
import { isLoopbackAddress } from '../core/address-list.ts'
import type { LoginProof } from '../core/audit.ts'
import { messageOf, WeirError } from '../core/errors.ts'
import type { SecureChannel } from '../core/secure-channel.ts'
import { Deadline } from '../core/timer-wheel.ts'
import type { Endpoint } from '../endpoint/router.ts'
import type { Link, Receiver } from '../net/link.ts'
import type { TlsAccepted } from '../net/network.ts'
import type { Handshake } from '../net/tls-accept.ts'
import type { CancelKey, GreetingMachine, Introduction } from '../protocol/contract.ts'
import { auditCancel } from './audit-notes.ts'
import type { Doorway, LoginInFlight, TurnedAway } from './doorway.ts'
import { comeIn, type Entering } from './entrance.ts'
import { failsProof, noteEntered, noteGone, noteRefused } from './login-notes.ts'
import type { Rooms } from './rooms.ts'
import { INTERNAL } from './session-errors.ts'
import type { Passer } from './turnstile.ts'
import type { Cancellable } from './welcome.ts'

/** So much of what a client says before it is welcomed is held (bytes). */
const EARLY_BYTES = 65_536
/** Whoever will be refused anyway, unless it is here to cancel, has so long to say so (ms). */
const HURRY_MS = 2_000

export class Login implements Receiver, Passer, Entering, LoginInFlight {
  readonly door: Doorway
  endpoint: Endpoint
  rooms: Rooms
  link: Link
  /** What is known of TLS, once it is up. */
  channel: SecureChannel | undefined
  #greeting: GreetingMachine
  #deadline: Deadline
  #errand: Cancellable | undefined
  #over = false
  #handshake: Handshake<TlsAccepted> | undefined
  /** Waits for its turn to go on. */
  #queued = false
  /** The greeting can take nothing more until it has found something out. */
  #waiting = false
  /** What to do with the welcome that has come. */
  #goOn: (() => void) | undefined
  /** What the client sent on while its welcome was being fetched; its session begins with it. */
  #early: Buffer[] = []
  #earlyBytes = 0

  /** Waits, and is timed, until `begin` is called. */
  constructor(door: Doorway, link: Link) {
    this.door = door
    this.endpoint = door.endpoint
    this.rooms = door.rooms
    this.link = link
    const address = link.remoteAddress
    const strange = door.guard.tooOften(address)
    this.#greeting = this.rooms.protocol.greet({
      // Where a relay came from says nothing of those it speaks for.
      loopback: !link.relayed && (address === undefined || isLoopbackAddress(address)),
      secure: link.encrypted,
      address,
      admit: (user) => strange ?? door.guard.tooManyFailures(address, user) ?? this.#noRoom(),
    })
    this.#greeting.onReady = () => this.#found()
    const unwelcome = strange ?? door.guard.tooManyFailures(address, undefined)
    const { reason, error } = unwelcome ?? { reason: 'login-timeout', error: TOO_SLOW }
    this.#deadline = new Deadline(() => this.refuse(reason, error))
    const { loginTimeoutMs } = door
    const withinMs = unwelcome === undefined ? loginTimeoutMs : Math.min(HURRY_MS, loginTimeoutMs)
    this.rooms.wheel.arm(this.#deadline, withinMs)
    link.receiver = this
  }

  get over(): boolean {
    return this.#over
  }

  get user(): string | undefined {
    return this.#greeting.user
  }

  get proof(): LoginProof | undefined {
    return this.#greeting.proof
  }

  get endpointName(): string {
    return this.endpoint.rule.name
  }

  /**
   * Its place among those who log in is free: it is read from.
   * @param rest what the client has said already
   */
  begin(rest: Buffer): void {
    this.link.resume()
    if (rest.length > 0) this.data(rest)
  }

  data(chunk: Buffer): void {
    if (this.#over) return
    // Whoever keeps it needs its own: the link's buffer is used again.
    const own = Buffer.from(chunk)
    this.#earlyBytes += own.length
    if (this.#earlyBytes > EARLY_BYTES) this.link.pause()
    if (this.#errand !== undefined) {
      this.#early.push(own)
      return
    }
    this.#greeting.push(own)
    if (this.#queued) return
    this.#queued = true
    this.door.turnstile.enter(this)
  }

  /** Its turn has come to go on with what it was sent, or with its welcome. */
  pass(): void {
    this.#queued = false
    if (this.#over) return
    if (this.#goOn !== undefined) {
      this.#guarded(this.#goOn)
      return
    }
    if (!this.#waiting) this.#hear()
    this.#pull()
  }

  /** What it waited for is known, and what was said meanwhile can be taken. */
  #found(): void {
    if (this.#over) return
    this.#waiting = false
    this.#hear()
    this.#pull()
  }

  #hear(): void {
    this.#earlyBytes = 0
    this.link.resume()
  }

  closed(): void {
    if (this.#over) return
    // A right proof is answered at once: whoever need not hear the rest may not guess for nothing.
    if (this.#greeting.judging === true) this.#refused('auth-failed', LEFT_UNJUDGED, undefined)
    else {
      noteGone(this)
      this.#end()
    }
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
      this.rooms.log.error({ error: messageOf(error) }, 'BUG: a login failed')
      if (!this.#over) this.refuse('internal-error', INTERNAL)
    }
  }

  #steps(): void {
    while (!this.#over && this.#errand === undefined && this.#handshake === undefined) {
      const step = this.#greeting.next()
      switch (step.kind) {
        case 'starved':
          return
        case 'waiting':
          this.#waiting = true
          return
        case 'answer':
          this.link.write(step.bytes)
          break
        case 'upgrade-tls':
          this.#upgrade(step.direct, step.early)
          return
        case 'cancel':
          void this.#cancel(step.key)
          return
        case 'introduced':
          this.#errand = comeIn(this, step.who)
          return
        case 'refused':
          this.#refused(step.reason, step.message, step.bytes)
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
    this.rooms.wheel.cancel(this.#deadline)
    await this.door.cancel(key, (outcome) => auditCancel(this, key.pid, outcome))
    this.door.ended(this)
    this.link.end()
  }

  #upgrade(direct: boolean, early: Buffer): void {
    const { door } = this
    const offer = door.tlsOffer()
    if (offer === undefined) throw new Error('BUG: TLS agreed on without a certificate')
    door.network.turn.flush()
    const timeoutMs = door.loginTimeoutMs
    this.#handshake = door.network.acceptTls(this.link, offer, { direct, early, timeoutMs })
    this.#handshake.done.then(
      (accepted) => this.#guarded(() => this.#secured(accepted)),
      (error) => {
        if (!this.#over) this.#refused('tls-handshake', messageOf(error), undefined)
      },
    )
  }

  #secured({ link, channel }: TlsAccepted): void {
    if (this.#over) {
      link.destroy()
      return
    }
    if (link.closed) {
      this.closed()
      return
    }
    if (this.link.relayed) link.cameFrom(this.link.remoteAddress, this.link.remotePort)
    this.link = link
    link.receiver = this
    this.channel = channel
    this.#handshake = undefined
    const { serverName } = channel
    const named = serverName === undefined ? undefined : this.door.byServerName(serverName)
    if (named !== undefined && !this.moveTo(named)) return
    this.#greeting.secured(channel)
    link.resume()
    this.#pull()
  }

  moveTo(named: { endpoint: Endpoint; rooms: Rooms }): boolean {
    this.endpoint = named.endpoint
    this.rooms = named.rooms
    const away = this.door.guard.atDoor(this.endpointName, this.link.remoteAddress)
    if (away !== undefined) this.refuse(away.reason, away.error)
    return away === undefined
  }

  turnedAway(user: string): TurnedAway | undefined {
    const { door, endpointName, link } = this
    return this.#noRoom() ?? door.guard.tooMany(endpointName, user, link.remoteAddress)
  }

  #noRoom(): TurnedAway | undefined {
    const error = this.door.refuseSession()
    if (error === undefined) return undefined
    return { reason: reasonOf(error), error }
  }

  allow(ms: number): void {
    this.rooms.wheel.arm(this.#deadline, ms)
  }

  later(work: () => void): void {
    this.#goOn = work
    this.door.turnstile.enter(this)
  }

  /** What the client of an accepted login has said by now is its session's. */
  enter(who: Introduction, id: number): Buffer {
    this.#end()
    noteEntered(this, who, id)
    this.door.guard.succeeded(this.link.remoteAddress, who.user)
    return this.#early.length === 0 ? who.rest : Buffer.concat([who.rest, ...this.#early])
  }

  /** Ends a login from outside: the proxy stops. */
  abort(error: WeirError): void {
    if (!this.#over) this.refuse('draining', error)
  }

  refuse(reason: string, error: WeirError): void {
    this.#refused(reason, error.message, this.rooms.protocol.refusal(error))
  }

  /** The one place where a login is refused; `bytes`: undefined when the client cannot be told. */
  #refused(reason: string, message: string, bytes: Buffer | undefined): void {
    if (bytes !== undefined) this.link.write(bytes)
    noteRefused(this, reason, message)
    if (failsProof(reason) || this.#greeting.judging === true) {
      this.door.guard.failed(this.link.remoteAddress, this.user)
    }
    this.#end()
    this.link.end()
  }

  #end(): void {
    this.#over = true
    this.#errand?.cancel()
    this.#handshake?.stop()
    this.rooms.wheel.cancel(this.#deadline)
    this.door.ended(this)
  }
}

function reasonOf({ code, sqlstate }: WeirError): TurnedAway['reason'] {
  if (code === 'WEIR_AUDIT') return 'audit'
  return sqlstate === '53300' ? 'too-many-clients' : 'draining'
}

const LEFT_UNJUDGED = 'it left before it was told whether its proof was right'

const TOO_SLOW = new WeirError('WEIR_LOGIN_TIMEOUT', 'canceling authentication due to timeout', {
  sqlstate: '08P01',
  hint: 'limits.loginTimeout bounds the time from connecting to being logged in.',
})
