/**
 * Our login to a node, from the first byte to ReadyForQuery: a pull machine, bytes in by `push`,
 * steps out by `next`. Rule: nothing the node says is believed before it is checked, every length
 * and count is bounded, and bytes that come with the answer to a TLS request are refused.
 *
 *   begin -> ssl-asked -> upgrade -> handshake -- secured() --> greeted
 *     |`---- direct -----> upgrade
 *     `--------------------------------------------------------> greeted -> proving -> starting -> over
 */
import type { ScramKeys } from '../../auth/scram-keys.ts'
import { WeirError } from '../../core/errors.ts'
import { Machine, type Moves } from '../../core/machine.ts'
import { BACKEND, PROTOCOL_3_0, PROTOCOL_3_2 } from '../../wire/postgres/codes.ts'
import { sslRequest, startupMessage } from '../../wire/postgres/frontend.ts'
import { ProtocolError } from '../../wire/postgres/protocol-error.ts'
import {
  readAuthentication,
  readBackendKeyData,
  readErrorFields,
  readNegotiateProtocolVersion,
  readParameterStatus,
} from '../../wire/postgres/read.ts'
import { NodeProof } from './connect-proof.ts'
import type { ConnectFailed, ConnectingOptions, ConnectReady, ConnectStep } from './connect-step.ts'
import { type LoginFrame, LoginInbox } from './login-inbox.ts'

type State =
  | 'begin'
  | 'ssl-asked'
  | 'upgrade'
  | 'handshake'
  | 'greeted'
  | 'proving'
  | 'deriving'
  | 'starting'
  | 'over'

const MOVES: Moves<State> = {
  begin: ['ssl-asked', 'upgrade', 'greeted', 'over'],
  'ssl-asked': ['upgrade', 'greeted', 'over'],
  upgrade: ['handshake', 'over'],
  handshake: ['greeted', 'over'],
  greeted: ['proving', 'over'],
  proving: ['deriving', 'starting', 'over'],
  deriving: ['proving', 'over'],
  starting: ['over'],
  over: [],
}

const STARVED: ConnectStep = { kind: 'starved' }
const WAITING: ConnectStep = { kind: 'waiting' }
const YES = 0x53 // S
const NO = 0x4e // N
/** libpq takes 30000 bytes of an error before login. */
const MAX_BODY = 65_536
/** A plain server sends about twenty messages; notices from event triggers may add some. */
const MAX_MESSAGES = 1_000
/** Codes that mean the node does not speak SCRAM as it should, not that a proof was wrong. */
const NOT_SCRAM = new Set(['WEIR_SCRAM_MALFORMED', 'WEIR_SCRAM_NONCE', 'WEIR_SCRAM_UNSUPPORTED'])

type Failure = Omit<ConnectFailed, 'kind' | 'said' | 'severity' | 'detail' | 'hint'> &
  Partial<ConnectFailed>

export class Connecting {
  /** Called once when the step after `waiting` can be pulled. */
  onReady: () => void = () => {}

  #options: ConnectingOptions
  #machine = new Machine<State>('connecting', MOVES, 'begin')
  #inbox = new LoginInbox()
  #secure: boolean
  #encrypted = false
  #certificate: Buffer | undefined
  #tainted = false
  #proof: NodeProof | undefined
  #derived: { keys: ScramKeys } | { error: unknown } | undefined
  #minor: 0 | 2
  #parameters = new Map<string, string>()
  #pid = 0
  #secret: Buffer = Buffer.alloc(0)
  #messages = 0

  constructor(options: ConnectingOptions) {
    this.#options = options
    this.#secure = options.secureOrLocal
    this.#minor = options.minor ?? 0
  }

  push(chunk: Buffer): void {
    this.#inbox.push(chunk)
  }

  /**
   * TLS is up; from now on `push` takes what came out of it.
   * @param certificate what the node showed, DER; without it no proof can be bound to the channel
   */
  secured(certificate?: Buffer): void {
    if (this.#inbox.length > 0) this.#tainted = true
    this.#machine.to('greeted')
    this.#secure = true
    this.#encrypted = true
    this.#certificate = certificate
  }

  /** What to do next. After `ready` or `failed` there is no next. */
  next(): ConnectStep {
    try {
      return this.#step()
    } catch (error) {
      return this.#failFor(error)
    }
  }

  #step(): ConnectStep {
    const state = this.#machine.state
    switch (state) {
      case 'begin':
        return this.#begin()
      case 'ssl-asked':
        return this.#takeTlsAnswer()
      case 'upgrade':
        // Taken as if they had come through TLS, these could be an attacker's (CVE-2021-23222).
        if (this.#inbox.length > 0) return this.#failEarlyBytes()
        this.#machine.to('handshake')
        return { kind: 'upgrade-tls' }
      case 'handshake':
        return this.#inbox.length > 0 ? this.#failEarlyBytes() : STARVED
      case 'greeted':
        return this.#tainted ? this.#failEarlyBytes() : this.#startup()
      case 'deriving':
        return this.#takeKeys()
      case 'proving':
      case 'starting':
        return this.#takeMessages()
      case 'over':
        throw new Error('BUG: a login to a node was pulled after it ended')
      default:
        return state satisfies never
    }
  }

  #begin(): ConnectStep {
    const { tls, direct } = this.#options
    if (this.#secure || tls === 'disable') {
      this.#machine.to('greeted')
      return this.#startup()
    }
    if (direct === true) {
      this.#machine.to('upgrade')
      return this.#step()
    }
    this.#machine.to('ssl-asked')
    return { kind: 'send', bytes: sslRequest() }
  }

  #takeTlsAnswer(): ConnectStep {
    if (this.#inbox.length === 0) return STARVED
    const answer = this.#inbox.take(1)[0]
    if (answer === YES) {
      this.#machine.to('upgrade')
      return this.#step()
    }
    // An error text here would come from somebody unproven, so it is not read.
    if (answer !== NO) throw new ProtocolError('the node gave no valid answer to a request for TLS')
    if (this.#options.tls === 'require') {
      return this.#fail({
        why: 'rejected',
        code: '08004',
        message: 'the node does not speak TLS, and TLS is required',
        hint: 'Set ssl = on in its postgresql.conf, or tls.nodes to prefer if it may do without.',
      })
    }
    this.#machine.to('greeted')
    return this.#startup()
  }

  #startup(): ConnectStep {
    const { user, database, parameters, minor } = this.#options
    const version = minor === 2 ? PROTOCOL_3_2 : PROTOCOL_3_0
    const channel = this.#encrypted ? { certificate: this.#certificate } : undefined
    this.#proof = new NodeProof(this.#options, this.#secure, channel)
    this.#machine.to('proving')
    const pairs = [['user', user], ['database', database], ...parameters] as const
    return { kind: 'send', bytes: startupMessage(version, pairs) }
  }

  #takeMessages(): ConnectStep {
    for (;;) {
      const frame = this.#inbox.frame(MAX_BODY)
      if (frame === undefined) return STARVED
      if (++this.#messages > MAX_MESSAGES) {
        throw new ProtocolError('the node sent too many messages during login')
      }
      const step = this.#machine.is('proving')
        ? this.#takeProving(frame)
        : this.#takeStarting(frame)
      if (step !== undefined) return step
    }
  }

  /** Before AuthenticationOk. */
  #takeProving({ code, body }: LoginFrame): ConnectStep | undefined {
    switch (code) {
      case BACKEND.AUTHENTICATION:
        return this.#takeAuthentication(body)
      case BACKEND.NEGOTIATE_PROTOCOL_VERSION: {
        const { minor } = readNegotiateProtocolVersion(body)
        if (minor > this.#minor) {
          throw new ProtocolError('the node chose a newer protocol than it was asked for')
        }
        this.#minor = minor === 2 ? 2 : 0
        return undefined
      }
      case BACKEND.NOTICE_RESPONSE:
        return undefined
      case BACKEND.ERROR_RESPONSE:
        return this.#takeError(body)
      default:
        throw unexpected(code)
    }
  }

  #takeAuthentication(body: Buffer): ConnectStep | undefined {
    const step = this.#proof!.take(readAuthentication(body))
    switch (step.kind) {
      case 'none':
        return undefined
      case 'send':
        return step
      case 'done':
        this.#machine.to('starting')
        return undefined
      case 'waiting':
        this.#machine.to('deriving')
        step.keys.then(
          (keys) => {
            this.#derived = { keys }
            this.onReady()
          },
          (error: unknown) => {
            this.#derived = { error }
            this.onReady()
          },
        )
        return WAITING
      default:
        return step satisfies never
    }
  }

  #takeKeys(): ConnectStep {
    const derived = this.#derived
    if (derived === undefined) return WAITING
    if ('error' in derived) {
      return this.#fail({ why: 'auth', code: '58000', message: 'could not derive SCRAM keys' })
    }
    this.#machine.to('proving')
    return { kind: 'send', bytes: this.#proof!.respond(derived.keys) }
  }

  /** From AuthenticationOk to ReadyForQuery. */
  #takeStarting({ code, body }: LoginFrame): ConnectStep | undefined {
    switch (code) {
      case BACKEND.PARAMETER_STATUS: {
        const { name, value } = readParameterStatus(body)
        this.#parameters.set(name, value)
        return undefined
      }
      case BACKEND.BACKEND_KEY_DATA: {
        const { pid, secret } = readBackendKeyData(body)
        this.#pid = pid
        this.#secret = Buffer.from(secret)
        return undefined
      }
      case BACKEND.NOTICE_RESPONSE:
        return undefined
      case BACKEND.ERROR_RESPONSE:
        return this.#takeError(body)
      case BACKEND.READY_FOR_QUERY:
        return this.#ready()
      default:
        throw unexpected(code)
    }
  }

  #ready(): ConnectReady {
    this.#machine.to('over')
    return {
      kind: 'ready',
      parameters: this.#parameters,
      pid: this.#pid,
      secret: this.#secret,
      minor: this.#minor,
      rest: this.#inbox.rest(),
    }
  }

  #takeError(body: Buffer): ConnectFailed {
    const { severity, code: said, message: words, detail, hint } = readErrorFields(body)
    // Both go on to clients and logs, which rely on their form.
    const code = /^[0-9A-Z]{5}$/.test(said) ? said : 'XX000'
    const message = words === '' ? 'the node refused and did not say why' : words
    // Class 28: invalid authorization specification, 28P01 among them.
    const why = code.startsWith('28') ? 'auth' : 'rejected'
    return this.#fail({ why, said: true, severity, code, message, detail, hint })
  }

  #failEarlyBytes(): ConnectFailed {
    const message = 'received unencrypted data after SSL response'
    return this.#fail({ why: 'protocol', code: '08P01', message })
  }

  #failFor(error: unknown): ConnectFailed {
    if (error instanceof ProtocolError) {
      return this.#fail({ why: 'protocol', code: error.sqlstate, message: error.message })
    }
    if (error instanceof WeirError) {
      const { sqlstate: code, message, detail, hint } = error
      const why = NOT_SCRAM.has(error.code) ? 'protocol' : 'auth'
      return this.#fail({ why, code, message, detail, hint })
    }
    throw error
  }

  #fail(failure: Failure): ConnectFailed {
    this.#machine.to('over')
    const rest = { said: false, severity: 'FATAL', detail: undefined, hint: undefined } as const
    return { ...rest, ...failure, kind: 'failed' }
  }
}

function unexpected(code: number): ProtocolError {
  const letter = String.fromCharCode(code)
  const shown = /[!-~]/.test(letter) ? `'${letter}'` : code
  return new ProtocolError(`the node sent message type ${shown} during login`)
}
