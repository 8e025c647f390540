/**
 * A client's login, from its first byte to "authenticated": a pull machine, bytes in by `push`,
 * steps out by `next`. Rule: no sockets, promises or clocks show outside; nothing is read beyond
 * what the current phase allows, and whatever came after login is handed on in `rest`.
 *
 *   first -- SSLRequest --> upgrade --> handshake -- secured() --> first
 *     |-- StartupMessage --> lookup --> proof --> proved --> over
 */
import type { Verifier } from '../../auth/credential.ts'
import type { LoginProof } from '../../core/audit.ts'
import { Machine } from '../../core/machine.ts'
import { BARE_CHANNEL, type SecureChannel } from '../../core/secure-channel.ts'
import { authenticationOk, negotiateProtocolVersion } from '../../wire/postgres/backend.ts'
import { FRONTEND } from '../../wire/postgres/codes.ts'
import { readFirstPacket, type Startup } from '../../wire/postgres/startup.ts'
import {
  type Certified,
  certificateFault,
  isCertified,
  refuseUncertified,
} from './greet-certificate.ts'
import { ClearProof } from './greet-clear.ts'
import { ClientProof, chooseMethod, type ProofStep } from './greet-proof.ts'
import {
  isGoodbye,
  refusal,
  refusalFor,
  refuseDirectTls,
  refuseEarlyBytes,
  refuseEntry,
  refuseGoodbye,
  refuseHttp,
  refuseLookup,
  refuseProof,
  refuseRepeated,
  refuseTokenInClear,
  refuseWithoutMethod,
  refuseWithoutTls,
} from './greet-refusal.ts'
import { readStartupRequest, type StartupRequest } from './greet-startup.ts'
import { MOVES, type State } from './greet-states.ts'
import type {
  AuthMethod,
  ClearMethod,
  GreetingOptions,
  GreetStep,
  RefusalReason,
  Refused,
} from './greet-step.ts'
import { LoginInbox } from './login-inbox.ts'

const STARVED: GreetStep = { kind: 'starved' }
const WAITING: GreetStep = { kind: 'waiting' }
const YES = Buffer.from('S')
const NO = Buffer.from('N')
const NOTHING = Buffer.alloc(0)
/** A length below this but above our limit still looks like a startup packet, only a huge one. */
const PLAUSIBLE_STARTUP = 1 << 20

export class Greeting {
  /** Called once when the step after `waiting` can be pulled. */
  onReady: () => void = () => {}

  #options: GreetingOptions
  #machine = new Machine<State>('greeting', MOVES, 'first')
  #inbox = new LoginInbox()
  #secure: boolean
  /** What is known of TLS, once it is up. */
  #channel: SecureChannel | undefined
  /** Bytes in clear came after TLS was agreed on; set once, never forgiven. */
  #tainted = false
  #askedTls: boolean
  #askedGss: boolean
  #request: StartupRequest | undefined
  #verifier: Verifier | undefined
  #lookupFailed = false
  #method: AuthMethod | ClearMethod | undefined
  #proof: ClientProof | undefined
  /** What was said at a second look at the proof. */
  #second: ProofStep | undefined
  #clear: ClearProof | undefined

  constructor(options: GreetingOptions) {
    this.#options = options
    this.#secure = options.secure
    this.#askedTls = options.secure
    this.#askedGss = options.secure
  }

  /** The user name, once the startup packet has named one; for the log of a refusal. */
  get user(): string | undefined {
    return this.#request?.user
  }

  push(chunk: Buffer): void {
    this.#inbox.push(chunk)
  }

  /** How the client was asked to prove itself, once that is decided, and with what key. */
  get proof(): LoginProof | undefined {
    const method = this.#proof?.name ?? this.#method
    if (method === undefined) return undefined
    const tokenKey = this.#clear?.tokenKey
    return tokenKey === undefined ? { method } : { method, tokenKey }
  }

  /** A proof has come, and whether it is right is being found out. */
  get judging(): boolean {
    return this.#machine.state === 'judging'
  }

  /** TLS is up, and `channel` is known of it; from now on `push` takes what came out of it. */
  secured(channel: SecureChannel = BARE_CHANNEL): void {
    if (this.#inbox.length > 0) this.#tainted = true
    this.#machine.to('first')
    this.#channel = channel
    this.#secure = true
    this.#askedTls = true
    this.#askedGss = true
  }

  /** What to do next. After `cancel`, `authenticated` or `refused` there is no next. */
  next(): GreetStep {
    try {
      return this.#step()
    } catch (error) {
      return this.#refuse(refusalFor(error))
    }
  }

  #step(): GreetStep {
    const state = this.#machine.state
    switch (state) {
      case 'first':
        return this.#tainted ? this.#refuse(refuseEarlyBytes()) : this.#first()
      case 'upgrade':
        if (this.#inbox.length > 0) return this.#refuse(refuseEarlyBytes())
        this.#machine.to('handshake')
        return { kind: 'upgrade-tls', direct: false, early: NOTHING }
      case 'handshake':
        return this.#inbox.length > 0 ? this.#refuse(refuseEarlyBytes()) : STARVED
      case 'lookup':
        return this.#offer()
      case 'proof':
        return this.#takeProof()
      case 'judging':
        return this.#judged()
      case 'proved':
        return this.#authenticated()
      case 'over':
        throw new Error('BUG: a greeting was pulled after it ended')
      default:
        return state satisfies never
    }
  }

  #first(): GreetStep {
    const limit = this.#options.startupLimit
    const packet = readFirstPacket(this.#inbox.bytes, limit)
    switch (packet.kind) {
      case 'incomplete':
        return STARVED
      case 'ssl':
        return this.#answerTlsRequest(packet.length)
      case 'gss':
        if (this.#askedGss) return this.#refuse(refuseRepeated('1234.5680'))
        this.#inbox.take(packet.length)
        this.#askedGss = true
        return { kind: 'answer', bytes: NO }
      case 'cancel':
        this.#machine.to('over')
        return { kind: 'cancel', pid: packet.pid, secret: packet.secret }
      case 'startup':
        this.#inbox.take(packet.length)
        return this.#startup(packet)
      case 'direct-tls':
        return this.#startDirectTls()
      case 'http':
        return this.#refuse(refuseHttp())
      case 'junk': {
        if (isGoodbye(this.#inbox.bytes)) return this.#refuse(refuseGoodbye())
        const reason = packet.sqlstate === '0A000' ? 'unsupported-protocol' : this.#junkReason()
        return this.#refuse(refusal(reason, { code: packet.sqlstate, message: packet.why }))
      }
      default:
        return packet satisfies never
    }
  }

  #junkReason(): RefusalReason {
    const length = this.#inbox.bytes.readInt32BE(0)
    const tooLong = length > this.#options.startupLimit && length < PLAUSIBLE_STARTUP
    return tooLong ? 'startup-too-long' : 'junk'
  }

  #answerTlsRequest(length: number): GreetStep {
    if (this.#askedTls) return this.#refuse(refuseRepeated('1234.5679'))
    this.#askedTls = true
    this.#inbox.take(length)
    if (this.#options.tls === 'off') return { kind: 'answer', bytes: NO }
    if (this.#inbox.length > 0) return this.#refuse(refuseEarlyBytes())
    this.#machine.to('upgrade')
    return { kind: 'answer', bytes: YES }
  }

  #startDirectTls(): GreetStep {
    if (this.#askedTls || this.#askedGss || this.#options.tls === 'off') {
      return this.#refuse(refuseDirectTls(this.#secure))
    }
    this.#machine.to('handshake')
    return { kind: 'upgrade-tls', direct: true, early: this.#inbox.rest() }
  }

  #startup(packet: Startup): GreetStep {
    if (this.#options.tls === 'required' && !this.#secure) {
      return this.#refuse(refuseWithoutTls())
    }
    const request = readStartupRequest(packet)
    if ('reason' in request) {
      const { reason, ...fields } = request
      return this.#refuse(refusal(reason, fields))
    }
    this.#request = request
    const away = this.#away()
    if (away !== undefined) return away
    const uncertified = certificateFault(this.#certified())
    if (uncertified !== undefined) return this.#refuse(uncertified)
    this.#machine.to('lookup')
    const found = this.#options.secrets.verifierOf(request.user)
    if (!(found instanceof Promise)) {
      this.#verifier = found
      return this.#offer()
    }
    found.then(
      (verifier) => {
        this.#verifier = verifier
        this.onReady()
      },
      () => {
        this.#lookupFailed = true
        this.onReady()
      },
    )
    return WAITING
  }

  #offer(): GreetStep {
    if (this.#lookupFailed) {
      return this.#refuse(refuseLookup(this.#request!.user))
    }
    const verifier = this.#verifier
    if (verifier === undefined) return WAITING
    const { loopback, secrets: lookup, random } = this.#options
    const { methods, iamAuth } = this.#rule()
    const client = this.#certified()
    const certified = isCertified(client)
    const method = chooseMethod(methods, { loopback, certified }, verifier)
    if (iamAuth === 'required') return this.#askInClear(verifier, 'iam')
    // RDS asks in clear wherever a token may be the answer; without TLS there can be none.
    if (iamAuth === 'enabled' && this.#secure && (method === 'scram-sha-256' || method === 'md5')) {
      return this.#askInClear(verifier, 'password')
    }
    this.#method = method
    switch (method) {
      case undefined:
        return this.#refuse(
          methods.includes('cert') ? refuseUncertified(client) : refuseWithoutMethod(),
        )
      case 'trust':
      case 'cert':
        this.#machine.to('proved')
        return { kind: 'answer', bytes: this.#withNegotiation(authenticationOk()) }
      case 'md5':
      case 'scram-sha-256':
        this.#proof = new ClientProof({
          ...{ method, user: client.user, verifier, lookup, random },
          serverEndPoint: this.#channel?.serverEndPoint,
        })
        this.#machine.to('proof')
        return { kind: 'answer', bytes: this.#withNegotiation(this.#proof.request) }
      default:
        return method satisfies never
    }
  }

  #certified(): Certified {
    const { certificates: rules } = this.#options
    return { channel: this.#channel, rules, user: this.#request!.user }
  }

  /** What holds for this user. */
  #rule(): ReturnType<NonNullable<GreetingOptions['rules']>> {
    const { rules, methods } = this.#options
    return rules?.(this.#request!.user) ?? { methods, iamAuth: 'disabled' }
  }

  /** Asks for a token, or for a token or the password. */
  #askInClear(verifier: Verifier, method: ClearMethod): GreetStep {
    this.#method = method
    if (!this.#secure) return this.#refuse(refuseTokenInClear())
    const { secrets: lookup, tokens } = this.#options
    const { user } = this.#request!
    const password = method === 'password'
    this.#clear = new ClearProof({ user, verifier, lookup, tokens, password })
    this.#machine.to('proof')
    return { kind: 'answer', bytes: this.#withNegotiation(this.#clear.request) }
  }

  #judged(): GreetStep {
    if (this.#second !== undefined) return this.#proofSaid(this.#second)
    const verdict = this.#clear?.verdict
    if (verdict === undefined) return WAITING
    const away = this.#away()
    if (away !== undefined) return away
    if (verdict.kind === 'refused') return this.#refuse(verdict.refused)
    this.#method = verdict.method
    this.#machine.to('proved')
    return { kind: 'answer', bytes: verdict.bytes }
  }

  #withNegotiation(bytes: Buffer): Buffer {
    const { negotiate, protocolMinor, unsupported } = this.#request!
    if (!negotiate) return bytes
    return Buffer.concat([negotiateProtocolVersion(protocolMinor, unsupported), bytes])
  }

  #takeProof(): GreetStep {
    const proof = this.#clear ?? this.#proof!
    const code = this.#inbox.peek()
    if (code !== undefined && code !== FRONTEND.PASSWORD) {
      const message = `expected ${proof.expected} response, got message type ${code}`
      return this.#refuse(refusal('login-message', { code: '08P01', message }))
    }
    const frame = this.#inbox.frame(this.#options.startupLimit)
    if (frame === undefined) return STARVED
    if (proof instanceof ClearProof) {
      this.#machine.to('judging')
      proof.take(frame.body, () => this.onReady())
      return WAITING
    }
    return this.#proofSaid(proof.take(frame.body))
  }

  /**
   * Asked again before a proof is answered, right or wrong: others who came at the same time may have
   * failed too often since.
   */
  #away(): GreetStep | undefined {
    const away = this.#options.admit?.(this.#request!.user)
    return away && this.#refuse(refuseEntry(away.reason, away.error))
  }

  #proofSaid(step: ProofStep): GreetStep {
    if (step.kind === 'proved' || step.kind === 'wrong') {
      const away = this.#away()
      if (away !== undefined) return away
    }
    switch (step.kind) {
      case 'answer':
        return step
      case 'waiting':
        this.#machine.to('judging')
        void step.second.then((second) => {
          this.#second = second
          this.onReady()
        })
        return WAITING
      case 'proved':
        this.#machine.to('proved')
        return { kind: 'answer', bytes: step.bytes }
      case 'wrong':
        return this.#refuse(refuseProof(this.#request!.user))
      default:
        return step satisfies never
    }
  }

  #authenticated(): GreetStep {
    const { user, database, parameters, options, replication, endpoint, protocolMinor } =
      this.#request!
    this.#machine.to('over')
    return {
      kind: 'authenticated',
      user,
      database,
      parameters,
      protocolMinor,
      replication,
      options,
      endpoint,
      method: this.#method!,
      rest: this.#inbox.rest(),
    }
  }

  #refuse(step: Refused): GreetStep {
    this.#machine.to('over')
    return step
  }
}
