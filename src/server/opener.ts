/**
 * Opens server connections: connects, logs in, runs the init query; and opens the way for cancel
 * requests, which need a connection of their own. Rule: what it hands out is clean and idle; whatever fails on
 * the way leaves no socket behind.
 */
import { messageOf, WeirError } from '../core/errors.ts'
import type { Link } from '../net/link.ts'
import type { Network } from '../net/network.ts'
import type { CancelKey, Introduction, Protocol } from '../protocol/contract.ts'
import { CancelDelivery } from './cancel-delivery.ts'
import type { NodeAddress } from './node-address.ts'
import { type LoggedIn, NodeLogin } from './node-login.ts'
import { bothWays, type NodeTls, waysOf } from './node-tls.ts'
import { ServerConnection, type ServerEvents } from './server-connection.ts'

export interface OpenerOptions {
  readonly network: Network
  readonly protocol: Protocol
  readonly nodeTls: (node: NodeAddress) => NodeTls
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
    const { link, conversation } = await this.logIn(node, database, user, signal, onBehalf)
    const id = this.#nextId++
    return new ServerConnection(id, node.name, link, conversation, this.#options.events)
  }

  /**
   * The login alone, for whoever has use for a connection as it is: tries the ways that the mode of TLS
   * allows and the proofs that are held, each on a connection of its own.
   * @throws WeirError as `open`
   */
  async logIn(
    node: NodeAddress,
    database: string,
    user: string,
    signal: AbortSignal,
    onBehalf?: Introduction,
  ): Promise<LoggedIn> {
    const terms = this.#options.nodeTls(node)
    const { direct, channelBinding } = terms
    let ways = waysOf(terms)
    let first: WeirError | undefined
    for (let attempt: unknown; ; ) {
      const { link, local } = await this.#connect(node)
      const encryption = { tls: ways[0]!, direct, channelBinding }
      const who = { database, user, onBehalf, local, encryption, attempt }
      const login = new NodeLogin(this.#options, node, terms, link, who)
      try {
        return await this.#within(signal, login)
      } catch (error) {
        if (signal.aborted) throw error
        if (!local && ways.length > 1 && login.otherWay) {
          ways = ways.slice(1)
          first = error as WeirError
          continue
        }
        attempt = await login.again
        if (attempt === undefined || signal.aborted) throw bothWays(first, error as WeirError)
      }
    }
  }

  async #within(signal: AbortSignal, login: NodeLogin): Promise<LoggedIn> {
    const abort = (): void => login.fail(new WeirError('WEIR_OPEN_FAILED', 'opening was given up'))
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    try {
      return await login.done
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
      tls: this.#options.nodeTls(node),
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
