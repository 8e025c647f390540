/**
 * Looks at a Postgres node: one kept connection, one query, one answer. Rule: never rejects; a
 * connection is used by one query at a time and destroyed when anything at all goes wrong on it.
 * The shapes at the top fit the `Probe` that `topology/` asks for; imports point down, so they are
 * spelled here once more and the compiler compares them where both meet.
 */
import type { Duplex } from 'node:stream'
import { Client } from 'pg'
import type { Clock } from '../../core/clock.ts'
import { messageOf } from '../../core/errors.ts'
import {
  AURORA_QUESTION,
  LEAN_QUESTION,
  PLAIN_QUESTION,
  PROMOTED_QUESTION,
  type ProbeRow,
  QUESTION,
  readRow,
} from './probe-query.ts'
import { type PromotionAnswer, PromotionWait } from './probe-wait.ts'

export interface ProbeTarget {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly socketDirectory?: string | undefined
}

export interface PostgresProbeOptions {
  /** A role that may log in; with `pg_monitor` it sees more, without it sees enough. */
  readonly user: string
  /** Asked at every new connection, so a rotated secret is picked up. */
  readonly password?: () => string | undefined
  readonly database: string
  /** A connection that `connect` logs in by itself, with no need of a password. Default a socket. */
  readonly stream?: (node: ProbeTarget) => Duplex
  readonly clock: Clock
}

export interface PostgresProbeFailure {
  readonly ok: false
  readonly kind: 'refused' | 'timeout' | 'busy' | 'other'
  readonly why: string
}

/** As on every server connection; see `net/link.ts`. */
const KEEP_ALIVE_MS = 30_000

interface Question {
  /** Asked of the node; less after it has refused to answer all of it. */
  question: string
  refusals: number
}

interface Kept extends Question {
  readonly client: Client
  asking: boolean
  /** Set when the connection went while a question was on it. */
  lost: string | undefined
}

export class PostgresProbe {
  #options: PostgresProbeOptions
  #kept = new Map<string, Kept>()
  #onLost: (node: string, why: string) => void = () => {}

  constructor(options: PostgresProbeOptions) {
    this.#options = options
  }

  /** Asks one node; see `Probe` in `topology/probe.ts` for the contract. */
  async probe(node: ProbeTarget, signal: AbortSignal): Promise<ProbeRow | PostgresProbeFailure> {
    if (signal.aborted) return { ok: false, kind: 'other', why: 'the probe was called off' }
    let kept: Kept | undefined
    const drop = () => this.#drop(node.name, kept)
    signal.addEventListener('abort', drop, { once: true })
    try {
      kept = this.#kept.get(node.name)
      if (kept === undefined) {
        kept = this.#open(node)
        kept.asking = true
        await kept.client.connect()
      }
      kept.asking = true
      const answer = await this.#ask(kept)
      kept.asking = false
      // An answer and the end can arrive in one packet: then the answer is the older news.
      if (kept.lost !== undefined) return { ok: false, kind: 'other', why: kept.lost }
      return answer
    } catch (error) {
      drop()
      return failureOf(error)
    } finally {
      signal.removeEventListener('abort', drop)
    }
  }

  /** See `Probe` in `topology/probe.ts`. */
  promotionWait(
    node: ProbeTarget,
    signal: AbortSignal,
  ): (stepMs: number) => Promise<PromotionAnswer | undefined> {
    const options = this.#options
    const wait = new PromotionWait(() => clientFor(node, options), options.clock, signal)
    return (stepMs) => wait.once(stepMs)
  }

  /**
   * When a node began to take writes: milliseconds since 1970 with a fraction, by its own clock.
   * Undefined where it does not tell, or has no control connection now.
   */
  async promotedAt(node: string): Promise<number | undefined> {
    try {
      const answer = await this.#kept.get(node)?.client.query({
        text: PROMOTED_QUESTION,
        rowMode: 'array',
      })
      const text: unknown = answer?.rows[0]?.[0]
      return typeof text === 'string' ? Number(text) : undefined
    } catch {
      return undefined
    }
  }

  onLost(listener: (node: string, why: string) => void): void {
    this.#onLost = listener
  }

  forget(node: string): void {
    this.#drop(node, this.#kept.get(node))
  }

  /** Says goodbye on the kept connections; waits for nobody. */
  close(): Promise<void> {
    for (const [name, kept] of this.#kept) {
      this.#kept.delete(name)
      kept.client.end().catch(() => {})
      // A frozen server never answers the goodbye; it must not keep this process alive.
      const { stream } = kept.client.connection
      stream.once('finish', () => stream.destroy())
    }
    return Promise.resolve()
  }

  async #ask(kept: Kept): Promise<ProbeRow> {
    try {
      return await this.#askOnce(kept.client, kept)
    } catch (error) {
      const less = lesser(kept.question, codeOf(error))
      if (less === undefined) throw error
      kept.question = less
      kept.refusals++
      return this.#ask(kept)
    }
  }

  async #askOnce(client: Client, { question, refusals }: Question): Promise<ProbeRow> {
    const { clock } = this.#options
    const began = clock.monotonic()
    const { rows } = await client.query({
      // Parsed and planned once for each connection: that is most of what the node does for it.
      name: `weir_probe_${refusals}`,
      text: question,
      rowMode: 'array',
    })
    return readRow(rows[0], clock.monotonic() - began)
  }

  #open(node: ProbeTarget): Kept {
    const client = clientFor(node, this.#options)
    const kept: Kept = { client, question: QUESTION, refusals: 0, asking: false, lost: undefined }
    // A shutting-down server says so on an idle connection, a dying one just closes it. Both end
    // here as one passive sign; without a listener the first would end the process.
    const lost = (why: string) => {
      if (this.#kept.get(node.name) !== kept) return
      this.#drop(node.name, kept)
      kept.lost = why
      if (!kept.asking) this.#onLost(node.name, why)
    }
    client.on('error', (error) => lost(codeOf(error) ?? messageOf(error)))
    client.on('end', () => lost('connection closed'))
    this.#kept.set(node.name, kept)
    return kept
  }

  #drop(name: string, kept: Kept | undefined): void {
    if (kept === undefined) return
    if (this.#kept.get(name) === kept) this.#kept.delete(name)
    kept.client.on('error', () => {})
    // `end()` would wait for a server that may be frozen; this works in every phase of a connection.
    kept.client.connection.stream.destroy()
  }
}

/** Not connected yet. */
function clientFor(node: ProbeTarget, options: PostgresProbeOptions): Client {
  const { user, database, password, stream } = options
  return new Client({
    host: node.socketDirectory ?? node.host,
    port: node.port,
    user,
    database,
    password: () => password?.() ?? '',
    application_name: 'weir probe',
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    ssl: false,
    ...(stream === undefined ? {} : { stream: () => stream(node) }),
  })
}

const INSUFFICIENT_PRIVILEGE = '42501'
const UNDEFINED_FUNCTION = '42883'
const UNDEFINED_COLUMN = '42703'
/** What functions about the log answer on Aurora: on a reader, and on a writer without wal_level logical. */
const NO_SUCH_LOG = new Set(['0A000', '55000'])
/** No connection left; or our role, its password, the rules or the database are not what they were. */
const ALIVE = new Set(['53300', '28000', '28P01', '3D000'])

/** Nobody listens: the port is closed, or the socket file is gone. */
const REFUSED = new Set(['ECONNREFUSED', 'ENOENT'])
const TIMED_OUT = new Set(['ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'])

/** What to ask instead of a question that was refused so; undefined when that would not help. */
function lesser(question: string, code: string | undefined): string | undefined {
  if (code === undefined) return undefined
  const refused = code === INSUFFICIENT_PRIVILEGE
  switch (question) {
    case QUESTION:
      if (refused) return PLAIN_QUESTION
      return NO_SUCH_LOG.has(code) ? AURORA_QUESTION : undefined
    case PLAIN_QUESTION:
      return NO_SUCH_LOG.has(code) ? AURORA_QUESTION : undefined
    case AURORA_QUESTION: {
      const strange = code === UNDEFINED_FUNCTION || code === UNDEFINED_COLUMN
      return refused || strange || NO_SUCH_LOG.has(code) ? LEAN_QUESTION : undefined
    }
    default:
      return undefined
  }
}

function failureOf(error: unknown): PostgresProbeFailure {
  const code = codeOf(error)
  const why = messageOf(error)
  if (code === undefined) return { ok: false, kind: 'other', why }
  if (REFUSED.has(code)) return { ok: false, kind: 'refused', why: `connection refused (${code})` }
  if (TIMED_OUT.has(code)) return { ok: false, kind: 'timeout', why: `not reachable (${code})` }
  if (ALIVE.has(code)) return { ok: false, kind: 'busy', why: `${why} (${code})` }
  return { ok: false, kind: 'other', why: `${why} (${code})` }
}

/** SQLSTATE of a server's error or errno name of a socket's; an AggregateError's first. */
function codeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0])
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}
