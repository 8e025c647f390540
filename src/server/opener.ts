/**
 * Opens server connections: connects, logs in, runs the init query; and opens the way for cancel
 * requests, which need a connection of their own. Rule: what it hands out is clean and idle; whatever fails on
 * the way leaves no socket behind.
 */
import type tls from 'node:tls'
import { messageOf, WeirError } from '../core/errors.ts'
import type { Link } from '../net/link.ts'
import type { Address, Network } from '../net/network.ts'
import type {
  CancelKey,
  ConnectOptions,
  Introduction,
  Protocol,
  ServerConversation,
} from '../protocol/contract.ts'
import { CancelDelivery } from './cancel-delivery.ts'
import { ServerConnection, type ServerEvents } from './server-connection.ts'

export interface NodeAddress {
  readonly name: string
  readonly host: string
  /** Tried in order: a Unix socket first where there is one. */
  readonly addresses: readonly Address[]
}

export interface OpenerOptions {
  readonly network: Network
  readonly protocol: Protocol
  readonly nodeTls: (node: NodeAddress) => tls.ConnectionOptions
  /** To reach an address of the node. */
  readonly connectTimeoutMs: number
  /** For the TLS handshake, and for a cancel request in all. */
  readonly loginTimeoutMs: number
  /** The login has agreed on TLS with this node and begins its handshake. */
  readonly securing: (node: NodeAddress) => void
  readonly events: ServerEvents
}

export class Opener {
  #options: OpenerOptions
  #nextId = 1

  constructor(options: OpenerOptions) {
    this.#options = options
  }

  /**
   * A logged-in server connection of `user` to `database` on `node`.
   * @param onBehalf the one client it is for, if its bytes are to pass unread
   * @throws WeirError `WEIR_OPEN_REFUSED` when waiting will not mend it, else `WEIR_OPEN_FAILED`
   */
  async open(
    node: NodeAddress,
    database: string,
    user: string,
    signal: AbortSignal,
    onBehalf?: Introduction,
  ): Promise<ServerConnection> {
    const who = { database, user, onBehalf }
    for (let attempt: unknown; ; ) {
      const { link, local } = await this.#connect(node)
      const login = new Login(this.#options, node, link, { ...who, local, attempt })
      try {
        return await this.#loggedIn(login, node, signal)
      } catch (error) {
        attempt = await login.again
        if (attempt === undefined || signal.aborted) throw error
      }
    }
  }

  async #loggedIn(login: Login, node: NodeAddress, signal: AbortSignal): Promise<ServerConnection> {
    const abort = (): void => login.fail(new WeirError('WEIR_OPEN_FAILED', 'opening was given up'))
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    try {
      const { link, conversation } = await login.done
      const id = this.#nextId++
      return new ServerConnection(id, node.name, link, conversation, this.#options.events)
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  /**
   * Sends a cancel request; `encrypted` as its server connection is. Resolves true when it is over:
   * the node took it and closed that connection, or it was never sent. False when it was sent and
   * nobody knows what became of it: a node that hangs may act on it any time later. Bounded by
   * `loginTimeoutMs` in all; `signal` gives it up.
   */
  cancel(
    node: NodeAddress,
    key: CancelKey,
    encrypted: boolean,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const { done } = new CancelDelivery({
      ...this.#options,
      key,
      encrypted,
      tls: () => this.#options.nodeTls(node),
      timeoutMs: this.#options.loginTimeoutMs,
      connecting: this.#connect(node),
      signal,
    })
    return done
  }

  async #connect(node: NodeAddress): Promise<{ link: Link; local: boolean }> {
    let last: unknown
    for (const address of node.addresses) {
      try {
        const link = await this.#options.network.connect(address, this.#options.connectTimeoutMs)
        return { link, local: 'path' in address }
      } catch (error) {
        last = error
      }
    }
    throw new WeirError('WEIR_OPEN_FAILED', `cannot reach ${node.name}: ${messageOf(last)}`, {
      sqlstate: '08001',
      retryable: true,
      cause: last,
    })
  }
}

interface Ready {
  readonly link: Link
  readonly conversation: ServerConversation
}

/** One login towards a node. */
class Login {
  readonly done: Promise<Ready>
  /** When it has failed: what to try on another connection; undefined when there is nothing. */
  again: Promise<unknown> | undefined
  #options: OpenerOptions
  #machine: ReturnType<Protocol['connect']>
  #link: Link
  #node: NodeAddress
  #over = false
  #resolve!: (ready: Ready) => void
  #reject!: (error: WeirError) => void

  constructor(options: OpenerOptions, node: NodeAddress, link: Link, who: ConnectOptions) {
    this.#options = options
    this.#node = node
    this.#link = link
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#machine = options.protocol.connect(who)
    this.#machine.onReady = () => this.#pull()
    this.#listen(link)
    this.#pull()
  }

  fail(error: WeirError): void {
    if (this.#over) return
    this.#over = true
    this.#link.destroy()
    this.#reject(error)
  }

  #listen(link: Link): void {
    this.#link = link
    link.receiver = {
      data: (chunk) => {
        // The machine may keep what it is given; the link's buffer is used again.
        this.#machine.push(Buffer.from(chunk))
        this.#pull()
      },
      drained: () => {},
      closed: (error) => this.#lost(error),
    }
    link.resume()
  }

  #lost(error: Error | undefined): void {
    const why = error === undefined ? '' : `: ${error.message}`
    this.fail(
      new WeirError(
        'WEIR_OPEN_FAILED',
        `${this.#node.name} closed the connection during login${why}`,
        { sqlstate: '08006', retryable: true, cause: error },
      ),
    )
  }

  #pull(): void {
    try {
      this.#steps()
    } catch (error) {
      // A certificate file that went away, or our bug: this opening fails, the process goes on.
      const text = `cannot log in to ${this.#node.name}: ${messageOf(error)}`
      this.fail(new WeirError('WEIR_OPEN_FAILED', text, { sqlstate: '08001', cause: error }))
    }
  }

  #steps(): void {
    for (;;) {
      if (this.#over) return
      const step = this.#machine.next()
      switch (step.kind) {
        case 'starved':
        case 'waiting':
          return
        case 'send':
          this.#link.write(step.bytes)
          break
        case 'upgrade-tls':
          this.#upgrade()
          return
        case 'ready':
          this.#ready(step.conversation, step.rest)
          return
        case 'failed':
          this.again = step.again
          this.fail(step.error)
          return
        default:
          step satisfies never
          return
      }
    }
  }

  #upgrade(): void {
    const { network, nodeTls, loginTimeoutMs, securing } = this.#options
    securing(this.#node)
    network.connectTls(this.#link, nodeTls(this.#node), loginTimeoutMs).then(
      (link) => {
        if (this.#over) {
          link.destroy()
          return
        }
        if (link.closed) {
          this.#lost(undefined)
          return
        }
        this.#machine.secured()
        this.#listen(link)
        this.#pull()
      },
      (error) =>
        this.fail(
          new WeirError('WEIR_OPEN_FAILED', `TLS to ${this.#node.name}: ${messageOf(error)}`, {
            sqlstate: '08006',
            cause: error,
          }),
        ),
    )
  }

  /** Logged in; the init query runs before anybody may have the connection. */
  #ready(conversation: ServerConversation, rest: Buffer): void {
    const link = this.#link
    if (rest.length > 0) conversation.push(rest)
    const first = conversation.initialise()
    if (first.length === 0) {
      this.#finish(conversation)
      return
    }
    link.receiver = {
      ...link.receiver,
      data: (chunk) => {
        conversation.push(chunk)
        for (;;) {
          const step = conversation.next()
          if (step === 'starved') {
            conversation.keep()
            return
          }
          const error = conversation.error ?? conversation.quietError
          if (step === 'boundary' && error === undefined) {
            conversation.keep()
            this.#finish(conversation)
            return
          }
          if (step !== 'forward' && error !== undefined) {
            const { message, sqlstate } = error
            this.fail(
              new WeirError('WEIR_OPEN_REFUSED', `pool.initQuery failed: ${message}`, { sqlstate }),
            )
            return
          }
        }
      },
    }
    link.write(first)
  }

  #finish(conversation: ServerConversation): void {
    this.#over = true
    this.#resolve({ link: this.#link, conversation })
  }
}
