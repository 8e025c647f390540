/**
 * Postgres as an implementation of the contract: puts the login machines and the conversations
 * together. Rule: this file only translates between them and the neutral rooms.
 */
import { randomBytes } from 'node:crypto'
import type { CredentialLookup, Proof, ProofLookup } from '../../auth/credential.ts'
import type { ScramKeySource } from '../../auth/scram-key-cache.ts'
import type { LoginProof } from '../../core/audit.ts'
import { WeirError } from '../../core/errors.ts'
import type { SecureChannel } from '../../core/secure-channel.ts'
import { cancelRequest } from '../../wire/postgres/frontend.ts'
import type {
  CancelKey,
  ConnectMachine,
  ConnectOptions,
  ConnectStep,
  GreetingMachine,
  GreetOptions,
  GreetStep,
  Introduction,
  Protocol,
} from '../contract.ts'
import { PostgresCancel } from './cancel.ts'
import type { HandOn } from './client-address.ts'
import { PostgresClientConversation } from './client-conversation.ts'
import { Connecting } from './connect.ts'
import type { ConnectFailed } from './connect-step.ts'
import { Greeting } from './greet.ts'
import type { AuthMethod, GreetingOptions } from './greet-step.ts'
import { Kinds, type PostgresIntroduction } from './kinds.ts'
import { PostgresListener } from './listener.ts'
import { PostgresMessageWatch } from './message-watch.ts'
import { PassingConversation } from './passing-conversation.ts'
import { fatalBytes, noticeBytes, warningBytes } from './refusal.ts'
import { RideCosts } from './ride-costs.ts'
import { SecretBlock } from './secret-block.ts'
import { type ListenersElsewhere, Senders } from './senders.ts'
import { PostgresServerConversation } from './server-conversation.ts'
import { type Shapes, Statements } from './statements.ts'
import { WelcomeWords } from './welcome-words.ts'

export interface PostgresOptions {
  readonly secrets: CredentialLookup & ProofLookup
  readonly scramKeys: ScramKeySource
  readonly methods: readonly AuthMethod[]
  /** What holds for one user; default `methods`, and no tokens. */
  readonly rules?: GreetingOptions['rules']
  readonly tokens?: GreetingOptions['tokens']
  readonly tls: 'off' | 'allowed' | 'required'
  /** What clients must show of themselves inside TLS; default nothing. */
  readonly certificates?: GreetingOptions['certificates']
  /** Longest message before login, bytes. */
  readonly startupLimit: number
  /** Longest message that is read whole after login, bytes. */
  readonly inspectBytes: number
  readonly preparedPerServer: number
  /** SQL run on every server connection before its first use; `''` for none. */
  readonly initQuery: string
  /** How addresses of clients are handed on; default not at all. */
  readonly clientAddress?: HandOn
  /** Listeners of the same Weir in other processes; default none. */
  readonly elsewhere?: ListenersElsewhere | undefined
}

/** What the node says where pg_hba.conf has no line for a connection, or one that rejects it. */
const NO_RULE = '28000'

/** What waiting will not mend: wrong credentials, no such database, no right to connect. */
const PERMANENT = new Set(['28000', '28P01', '3D000', '42501', '0A000', '22023'])

export function postgres(options: PostgresOptions): Protocol {
  const statements = new Statements()
  const senders = new Senders(options.elsewhere)
  const rideCosts = new RideCosts()
  const kinds = new Kinds(options.clientAddress)
  const words = new WelcomeWords()
  const cancelSecrets = new SecretBlock()
  return {
    name: 'postgres',
    greet: (greet) => new Greeter(options, kinds, greet),
    connect: (connect) => new Connector(options, connect, statements.shapes),
    watch: (sender) => new PostgresMessageWatch(sender),
    converse: (who, terms) => {
      const { habits, realm, meaning } = kinds.of(who)
      return new PostgresClientConversation({
        habits,
        realm,
        meaning,
        terms,
        senders,
        start: who,
        statements,
        rideCosts,
        inspectBytes: options.inspectBytes,
      })
    },
    welcomeKey: (who) => kinds.of(who).welcome,
    welcome: (who, parameters, key) => words.of(parameters, kinds.of(who).ownName, key),
    newCancelKey: (pid, who) => ({
      pid,
      secret: cancelSecrets.take((who as PostgresIntroduction).protocolMinor >= 2 ? 32 : 4),
    }),
    listen: (server, dialect) =>
      new PostgresListener(server as PostgresServerConversation, dialect, senders),
    dialect: (parameters) => parameters.get('client_encoding') ?? '',
    cancelRequest: (key: CancelKey) => cancelRequest(key.pid, key.secret),
    cancel: (key, way) => new PostgresCancel(key, way),
    warning: warningBytes,
    notice: noticeBytes,
    refusal: fatalBytes,
  }
}

class Greeter implements GreetingMachine {
  onReady: () => void = () => {}
  #greeting: Greeting
  #kinds: Kinds
  #address: string | undefined

  constructor(options: PostgresOptions, kinds: Kinds, greet: GreetOptions) {
    this.#kinds = kinds
    this.#address = greet.address
    this.#greeting = new Greeting({
      secrets: options.secrets,
      methods: options.methods,
      ...(options.rules === undefined ? {} : { rules: options.rules }),
      tokens: options.tokens,
      tls: options.tls,
      certificates: options.certificates,
      startupLimit: options.startupLimit,
      random: randomBytes,
      ...greet,
    })
    this.#greeting.onReady = () => this.onReady()
  }

  get user(): string | undefined {
    return this.#greeting.user
  }

  push(chunk: Buffer): void {
    this.#greeting.push(chunk)
  }

  get proof(): LoginProof | undefined {
    return this.#greeting.proof
  }

  get judging(): boolean {
    return this.#greeting.judging
  }

  secured(channel: SecureChannel): void {
    this.#greeting.secured(channel)
  }

  next(): GreetStep {
    const step = this.#greeting.next()
    switch (step.kind) {
      case 'cancel':
        return { kind: 'cancel', key: { pid: step.pid, secret: step.secret } }
      case 'authenticated':
        return { kind: 'introduced', who: this.#kinds.introduce(step, this.#address) }
      default:
        return step
    }
  }
}

class Connector implements ConnectMachine {
  onReady: () => void = () => {}
  #options: PostgresOptions
  #connecting: Connecting
  #shapes: Shapes
  #passes: boolean
  #user: string
  #attempt: Attempt

  constructor(options: PostgresOptions, connect: ConnectOptions, shapes: Shapes) {
    this.#options = options
    this.#user = connect.user
    const first = { proof: options.secrets.proofOf(connect.user), refused: [] }
    this.#attempt = (connect.attempt as Attempt | undefined) ?? first
    this.#shapes = shapes
    this.#passes = connect.onBehalf !== undefined
    this.#connecting = new Connecting({
      user: connect.user,
      proof: this.#attempt.proof,
      database: connect.database,
      parameters: ownParameters(connect.onBehalf),
      ...connect.encryption,
      secureOrLocal: connect.local,
      scramKeys: options.scramKeys,
      random: randomBytes,
    })
    this.#connecting.onReady = () => this.onReady()
  }

  push(chunk: Buffer): void {
    this.#connecting.push(chunk)
  }

  secured(certificate: Buffer | undefined): void {
    this.#connecting.secured(certificate)
  }

  next(): ConnectStep {
    const step = this.#connecting.next()
    switch (step.kind) {
      case 'ready': {
        const { parameters } = step
        const { proof } = this.#attempt
        if (proof !== undefined) this.#options.secrets.worked?.(this.#user, proof)
        const cancelKey =
          step.pid === 0 ? undefined : { pid: step.pid, secret: Buffer.from(step.secret) }
        if (this.#passes) {
          const conversation = new PassingConversation(parameters, cancelKey)
          return { kind: 'ready', conversation, rest: step.rest }
        }
        const conversation = new PostgresServerConversation({
          parameters,
          cancelKey,
          preparedLimit: this.#options.preparedPerServer,
          shapes: this.#shapes,
          initQuery: this.#options.initQuery,
        })
        return { kind: 'ready', conversation, rest: step.rest }
      }
      case 'failed': {
        const again = this.#again(step)
        const thisWay = step.said && step.code === NO_RULE
        const failed = { kind: 'failed', error: loginError(step), thisWay } as const
        return again === undefined ? failed : { ...failed, again }
      }
      default:
        return step
    }
  }

  /** A password that is being rotated may be the other one, or a newer one may be known by now. */
  #again({ why, code }: ConnectFailed): Promise<Attempt | undefined> | undefined {
    const { proof } = this.#attempt
    const unfit = code === '28P01' || proof === undefined || proof.kind === 'scram-keys'
    if (why !== 'auth' || !unfit) return undefined
    const refused = proof === undefined ? this.#attempt.refused : [...this.#attempt.refused, proof]
    const { secrets } = this.#options
    return secrets
      .another?.(this.#user, refused)
      .then((other) => (other === undefined ? undefined : { proof: other, refused }))
  }
}

/** What a login to a node proves itself with, and what the node has refused already. */
interface Attempt {
  readonly proof: Proof | undefined
  readonly refused: readonly Proof[]
}

/** What a client's own startup message would say besides user and database. */
function ownParameters(who: Introduction | undefined): [string, string][] {
  if (who === undefined) return []
  const { replication, settings } = who
  return replication === undefined ? [...settings] : [['replication', replication], ...settings]
}

function loginError(step: ConnectFailed): WeirError {
  const permanent = PERMANENT.has(step.code) || step.why === 'auth'
  return new WeirError(permanent ? 'WEIR_OPEN_REFUSED' : 'WEIR_OPEN_FAILED', step.message, {
    sqlstate: step.code,
    retryable: !permanent,
    ...(step.detail === undefined ? {} : { detail: step.detail }),
    ...(step.hint === undefined ? {} : { hint: step.hint }),
  })
}
