/**
 * Server connections as the app makes them: opened for a pool, sent home to it, their signs of
 * trouble passed on as hints. Rule: what is seen on the byte path only ever causes a probe.
 */
import { setMaxListeners } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Settings } from '../config/settings.ts'
import { WeirError } from '../core/errors.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { Network } from '../net/network.ts'
import type { PoolKey, PoolSet } from '../pool/pools.ts'
import type { Introduction, Protocol } from '../protocol/contract.ts'
import { addressOfNode, type NodeAddress } from '../server/node-address.ts'
import { Opener } from '../server/opener.ts'
import type { Home, ServerConnection, ServerEvents } from '../server/server-connection.ts'
import type { TopologyStore } from '../topology/store.ts'
import type { Hint } from '../topology/topology.ts'
import { NodeTlsBook } from './node-tls.ts'
import { addTraffic } from './tally.ts'

/** SQLSTATEs with which a server says that it is going or not there yet. */
const SHUTDOWN = new Set(['57P01', '57P02', '57P03'])

/**
 * SQLSTATEs with which a server ends one connection for what that one did, or did not do: time limits
 * of idle sessions and of transactions, a database that was dropped. The node is well.
 */
const ITS_OWN_FAULT = new Set(['57P05', '25P03', '25P04', '57P04'])

export interface ServersOptions {
  readonly settings: Settings
  readonly network: Network
  readonly protocol: Protocol
  readonly metrics: Metrics
  readonly store: TopologyStore
  readonly pools: () => PoolSet<ServerConnection>
  /** Tells the monitor; does nothing once the proxy stops. */
  readonly hint: (hint: Hint) => void
  readonly watch?: ServerWatch | undefined
}

/** Hears of every server connection; `backend` is the process id that the node gave it. */
export interface ServerWatch {
  opened(node: string, backend: number): void
  ended(server: ServerConnection, backend: number | undefined): void
}

/** What is different about a connection that serves one client alone. */
export interface OwnOpening {
  readonly who: Introduction
  readonly home: Home
}

/** The pool that a server connection was opened for. */
export function homeOf(connection: ServerConnection): Home {
  if (connection.home === undefined) {
    throw new Error(`BUG: server connection ${connection.id} has no pool`)
  }
  return connection.home
}

export class Servers {
  #options: ServersOptions
  #opener: Opener
  #live = new Set<ServerConnection>()
  #addresses = new WeakMap<ServerConnection, NodeAddress>()
  /** Aborted when cancel requests that are still on their way no longer matter. */
  #ending = new AbortController()

  constructor(options: ServersOptions) {
    this.#options = options
    // One listener for each request on its way, and Node warns of a leak at the eleventh.
    setMaxListeners(0, this.#ending.signal)
    const { settings, network, protocol } = options
    const encryption = new NodeTlsBook(settings)
    this.#opener = new Opener({
      network,
      protocol,
      nodeTls: (node) => encryption.of(node),
      connectTimeoutMs: settings.pool.connectTimeoutMs,
      loginTimeoutMs: settings.pool.openTimeoutMs,
      securing: (node) => {
        options.metrics.node(node.name).requestsTls++
      },
      events: this.#events(),
    })
  }

  /** Every server connection open now, lent or not. */
  get live(): ReadonlySet<ServerConnection> {
    return this.#live
  }

  /** @param own for a connection that serves one client alone */
  open(key: PoolKey, signal: AbortSignal, own?: OwnOpening): Promise<ServerConnection> {
    const { node, database, user } = key
    const pool = this.#options.pools().find(key)
    const home = own?.home ?? pool
    const counters = this.#options.metrics.node(node)
    counters.requests++
    const address = this.#addressOf(node)
    if (address === undefined) return Promise.reject(gone(node))
    // In the next turn: what was lent in this one leaves first, and a connect costs as much as many writes.
    const opening = nextTurn().then(() =>
      this.#opener.open(address, database, user, signal, own?.who),
    )
    return opening.then(
      (connection) => {
        this.#addresses.set(connection, address)
        counters.opened++
        connection.latency = counters.response
        this.#live.add(connection)
        const { watch } = this.#options
        const backend = connection.conversation.cancelKey?.pid
        if (backend !== undefined) watch?.opened(node, backend)
        connection.onEnded = () => {
          this.#live.delete(connection)
          addTraffic(counters, connection)
          watch?.ended(connection, backend)
        }
        connection.home = home
        if (own === undefined) connection.conversation.line = pool
        return connection
      },
      (error: unknown) => {
        counters.openFailed++
        this.#openFailed(node, error)
        throw error
      },
    )
  }

  /** The proxy has stopped: what is still on its way to a node is given up. */
  end(): void {
    this.#ending.abort()
  }

  #openFailed(node: string, error: unknown): void {
    if (!(error instanceof WeirError) || error.code === 'WEIR_OPEN_REFUSED') return
    const code = (error.cause as { code?: string } | undefined)?.code ?? error.sqlstate
    const kind =
      code === 'ECONNREFUSED' || code === 'ENOENT'
        ? 'refused'
        : code === 'ETIMEDOUT'
          ? 'timeout'
          : SHUTDOWN.has(code)
            ? 'shutdown'
            : 'reset'
    // Too many connections is the node's health speaking, not its death.
    if (error.sqlstate !== '53300') this.#hint({ node, kind, sign: code })
  }

  /** Undefined when the node is no longer one of ours. */
  #addressOf(name: string): NodeAddress | undefined {
    const node = this.#options.store.current.nodes.find((n) => n.spec.name === name)
    if (node === undefined) return undefined
    return addressOfNode(node.spec)
  }

  #events(): ServerEvents {
    return {
      lost: (connection, error, leased) => {
        if (!leased) connection.home?.lost(connection)
        if (ITS_OWN_FAULT.has(error.sqlstate)) return
        const kind = SHUTDOWN.has(error.sqlstate) ? 'shutdown' : 'reset'
        this.#hint({ node: connection.node, kind, sign: error.sqlstate })
      },
      sign: (connection, sqlstate) => {
        const writer = this.#options.store.current.nodes.find((n) => n.role === 'writer')
        if (sqlstate === '25006' && writer?.spec.name === connection.node) {
          this.#hint({ node: connection.node, kind: 'read-only', sign: sqlstate })
        }
      },
      cancel: async (connection) => {
        const key = connection.conversation.cancelKey
        if (key === undefined) return true
        this.#options.metrics.node(connection.node).cancels++
        // Where it is, not where a node of that name is now.
        const address = this.#addresses.get(connection)!
        const { signal } = this.#ending
        return this.#opener.cancel(address, key, connection.encrypted, signal)
      },
    }
  }

  #hint(hint: Hint): void {
    this.#options.metrics.node(hint.node).hints.add(hint.kind)
    this.#options.hint(hint)
  }
}

function gone(node: string): WeirError {
  return new WeirError('WEIR_OPEN_FAILED', `${node} is no longer in the topology`, {
    sqlstate: '08001',
    retryable: true,
  })
}
