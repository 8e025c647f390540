/**
 * Asks a node for a user's stored password, on connections of its own. Rules: the name is a bind
 * parameter and nothing else; the session has search_path `pg_catalog` and is read only, whatever the
 * role or the database say; nothing a client chose reaches it. A connection serves one question at a
 * time and is destroyed when anything goes wrong on it.
 */
import type { Client } from 'pg'
import type { Clock, Timer } from '../../core/clock.ts'
import { messageOf, WeirError } from '../../core/errors.ts'

export interface AuthQueryOptions<N extends { readonly name: string }> {
  /** A client that is not connected yet. */
  readonly client: (node: N) => Client
  /** Where to ask, the best first. */
  readonly nodes: () => readonly N[]
  /** SQL with `$1`; columns by position: name, stored password, end of validity if there is a third. */
  readonly query: string
  readonly clock: Clock
  readonly timeoutMs: number
}

export interface StoredRow {
  readonly stored: string | null
  /** Wall clock, ms; Infinity when it does not end. */
  readonly validUntil: number
}

interface Kept {
  readonly node: string
  readonly client: Client
  timer: Timer | undefined
}

/** An idle connection is kept for so long (ms). */
const IDLE_MS = 60_000

export class AuthQuery<N extends { readonly name: string }> {
  #options: AuthQueryOptions<N>
  #idle: Kept[] = []
  #closed = false

  constructor(options: AuthQueryOptions<N>) {
    this.#options = options
  }

  /**
   * Undefined when there is no such user.
   * @throws WeirError `WEIR_USER_LOOKUP` when no node can be asked or the answer has another shape
   */
  async ask(username: string, signal: AbortSignal): Promise<StoredRow | undefined> {
    const nodes = this.#options.nodes()
    let last: unknown = new Error('no node is up')
    for (const node of nodes) {
      try {
        return await this.#askNode(node, username, signal)
      } catch (error) {
        // Another node would say the same.
        if (isAnswer(error) || signal.aborted) throw wrapped(error, node.name)
        last = wrapped(error, node.name)
      }
    }
    throw last instanceof WeirError ? last : wrapped(last, undefined)
  }

  close(): void {
    this.#closed = true
    for (const { client, timer } of this.#idle.splice(0)) {
      timer?.cancel()
      client.end().catch(() => {})
      client.connection.stream.once('finish', () => client.connection.stream.destroy())
    }
  }

  async #askNode(node: N, username: string, signal: AbortSignal): Promise<StoredRow | undefined> {
    const kept = this.#take(node) ?? this.#make(node)
    const { client } = kept
    const drop = (): void => {
      client.connection.stream.destroy()
    }
    signal.addEventListener('abort', drop, { once: true })
    try {
      signal.throwIfAborted()
      if (kept.timer === undefined) {
        await client.connect()
        // What ALTER ROLE and ALTER DATABASE have set does not count here.
        await client.query(
          `SET search_path = pg_catalog; SET default_transaction_read_only = on; SET statement_timeout = ${this.#options.timeoutMs}`,
        )
      }
      const { rows } = await client.query({
        text: this.#options.query,
        values: [username],
        rowMode: 'array',
      })
      const row = readRow(rows, username)
      this.#keep(kept)
      return row
    } catch (error) {
      drop()
      throw error
    } finally {
      signal.removeEventListener('abort', drop)
    }
  }

  #take({ name }: N): Kept | undefined {
    const at = this.#idle.findLastIndex(({ node }) => node === name)
    if (at < 0) return undefined
    const [kept] = this.#idle.splice(at, 1)
    kept?.timer?.cancel()
    return kept
  }

  #keep(kept: Kept): void {
    if (this.#closed) {
      kept.client.end().catch(() => {})
      return
    }
    kept.timer = this.#options.clock.after(IDLE_MS, () => this.#forget(kept))
    this.#idle.push(kept)
  }

  #forget(kept: Kept): void {
    const at = this.#idle.indexOf(kept)
    if (at < 0) return
    this.#idle.splice(at, 1)
    kept.timer?.cancel()
    kept.client.end().catch(() => {})
  }

  #make(node: N): Kept {
    const client = this.#options.client(node)
    const kept: Kept = { node: node.name, client, timer: undefined }
    client.on('error', () => this.#forget(kept))
    client.on('end', () => this.#forget(kept))
    return kept
  }
}

/** @throws WeirError when the row is not (name, stored password[, end of validity]) */
export function readRow(
  rows: readonly (readonly unknown[])[],
  username: string,
): StoredRow | undefined {
  const [row, another] = rows
  if (row === undefined) return undefined
  if (another !== undefined) throw strange('gave more than one row')
  const [name, stored = null, until = null] = row
  // A name longer than Postgres keeps is cut there: that is somebody else's password.
  if (name !== username) return undefined
  if (stored !== null && typeof stored !== 'string') {
    throw strange('gave a second column that is no text')
  }
  return { stored, validUntil: momentOf(until) }
}

function momentOf(until: unknown): number {
  if (until === null) return Infinity
  if (until instanceof Date) return until.getTime()
  // `infinity` and `-infinity` come as numbers.
  if (until === Infinity || until === -Infinity) return until
  throw strange('gave a third column that is no point in time')
}

function strange(what: string): WeirError {
  return lookupError(`auth.query ${what}`, 'shape')
}

function isAnswer(error: unknown): boolean {
  if (error instanceof WeirError) return true
  const code = codeOf(error)
  // Not of classes that speak of the connection, the login or the node: it ran and failed.
  return code !== undefined && /^(2[0-7]|3[0-9A-CE-Z]|4[0-2]|P0|XX)/.test(code)
}

function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}

function wrapped(error: unknown, node: string | undefined): WeirError {
  if (error instanceof WeirError) return error
  const where = node === undefined ? '' : ` on ${node}`
  const code = codeOf(error)
  const sign = code === undefined ? '' : ` (${code})`
  return lookupError(`auth.query failed${where}: ${messageOf(error)}${sign}`)
}

function lookupError(message: string, detail?: string): WeirError {
  return new WeirError('WEIR_USER_LOOKUP', message, {
    sqlstate: '58000',
    retryable: true,
    ...(detail === undefined ? {} : { detail }),
  })
}
