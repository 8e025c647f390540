/**
 * Asks an Aurora instance which instances there are. Rule: one kept connection to each place that
 * was asked; it is dropped when anything goes wrong on it, and when nobody waits any more.
 */
import type { Duplex } from 'node:stream'
import { Client } from 'pg'
import { messageOf } from '../../core/errors.ts'

/** Columns as Aurora names them; the age is null for the instance that is asked. */
const QUESTION = `
select server_id::text, session_id::text,
  (extract(epoch from pg_catalog.clock_timestamp() - last_update_timestamp) * 1000)::text
from aurora_replica_status()`

const NO_SUCH_FUNCTION = '42883'

export interface AuroraStatusOptions {
  /** A connection to a place that `connect` logs in by itself. */
  readonly stream: (place: { readonly host: string; readonly port: number }) => Duplex
}

export interface AuroraStatusRow {
  readonly serverId: string
  readonly sessionId: string
  readonly ageMs: number | undefined
}

export class AuroraStatus {
  #options: AuroraStatusOptions
  #kept = new Map<string, Client>()

  constructor(options: AuroraStatusOptions) {
    this.#options = options
  }

  /** @throws Error that names the place; also when `signal` aborts */
  async ask(
    { host, port }: { host: string; port: number },
    signal: AbortSignal,
  ): Promise<readonly AuroraStatusRow[]> {
    const place = `${host}:${port}`
    let client = this.#kept.get(place)
    const known = client !== undefined
    client ??= this.#open(place, host, port)
    const off = (): void => this.#drop(place, client!)
    signal.addEventListener('abort', off, { once: true })
    try {
      if (!known) await client.connect()
      const { rows } = await client.query<unknown[]>({ text: QUESTION, rowMode: 'array' })
      return rows.map(([server, session, age]) => ({
        serverId: String(server),
        sessionId: String(session),
        ageMs: age === null ? undefined : Number(age),
      }))
    } catch (error) {
      off()
      if ((error as { code?: string }).code === NO_SUCH_FUNCTION) {
        throw new Error(`${place} is no Aurora: it has no aurora_replica_status()`)
      }
      throw new Error(`${place}: ${messageOf(error)}`)
    } finally {
      signal.removeEventListener('abort', off)
    }
  }

  close(): Promise<void> {
    for (const [place, client] of this.#kept) this.#drop(place, client)
    return Promise.resolve()
  }

  #open(place: string, host: string, port: number): Client {
    const client = new Client({ stream: () => this.#options.stream({ host, port }), ssl: false })
    // A connection that ends between two questions is simply not there at the next.
    client.on('error', () => this.#drop(place, client))
    client.on('end', () => this.#drop(place, client))
    this.#kept.set(place, client)
    return client
  }

  #drop(place: string, client: Client): void {
    if (this.#kept.get(place) === client) this.#kept.delete(place)
    client.connection.stream.destroy()
  }
}
