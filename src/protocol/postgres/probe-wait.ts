/**
 * Waits on a reader, inside the server itself, for the moment in which it takes writes: no question
 * that comes every few milliseconds can be as early. Rule: no loop outlives its welcome. Each ends
 * by itself after a tenth of a second or so, whether or not anybody is there to hear of it; so
 * nothing has to be cancelled, and a Weir that is gone leaves nothing behind.
 */
import type { Socket } from 'node:net'
import type { Client } from 'pg'
import { clientFor, type PostgresProbeOptions, type ProbeTarget } from './probe-client.ts'
import type { ProbeRow } from './probe-query.ts'

export interface PromotionWaitParts {
  readonly node: ProbeTarget
  readonly options: PostgresProbeOptions
  /** The probe's question over that connection. */
  readonly ask: (client: Client) => Promise<ProbeRow>
}

/** How long one statement sleeps in all (ms): below the usual limits for what a server logs as slow. */
const ONE_WAIT_MS = 80

/**
 * Counted and not timed, so that a clock that is set back makes no loop longer. The COMMIT ends the
 * snapshot of each look: a snapshot on a reader may hold up the replay of what it still sees, and
 * before a promotion all is replayed.
 *
 * @param stepMs between two looks of the server at itself
 */
export function waitStatement(stepMs: number): string {
  return `do $weir$ begin
  for look in 1..${Math.max(1, Math.round(ONE_WAIT_MS / stepMs))} loop
    exit when not pg_catalog.pg_is_in_recovery();
    perform pg_catalog.pg_sleep(${stepMs / 1_000});
    commit;
  end loop;
end $weir$`
}

/** One node; the connection is opened at the first wait and closed when `signal` aborts. */
export class PromotionWait {
  #parts: PromotionWaitParts
  #signal: AbortSignal
  #client: Client | undefined

  constructor(parts: PromotionWaitParts, signal: AbortSignal) {
    this.#parts = parts
    this.#signal = signal
  }

  /**
   * What the node says of itself when it was promoted or the statement's time is over; undefined
   * when it cannot be waited on (no such language, no right, no connection left, no Postgres as we
   * know it) or the wait was called off. Never rejects.
   */
  async once(stepMs: number): Promise<ProbeRow | undefined> {
    if (this.#signal.aborted) return undefined
    try {
      this.#client ??= await this.#open()
      await this.#client.query(waitStatement(stepMs))
      const answer = await this.#parts.ask(this.#client)
      return this.#signal.aborted ? undefined : answer
    } catch {
      this.#client?.connection.stream.destroy()
      return undefined
    }
  }

  async #open(): Promise<Client> {
    const { node, options, ask } = this.#parts
    const client = clientFor(node, options)
    // What is lost here is told by the probe's own connection.
    client.on('error', () => {})
    const { stream } = client.connection
    const giveUp = () => stream.destroy()
    this.#signal.addEventListener('abort', giveUp, { once: true })
    await client.connect()
    this.#signal.removeEventListener('abort', giveUp)
    this.#signal.addEventListener('abort', () => leave(client), { once: true })
    if (this.#signal.aborted) leave(client)
    // Then it is parsed and planned when it matters.
    else await ask(client)
    return client
  }
}

/** The server reads the goodbye when its statement is over; the driver's own `end` would tear. */
function leave({ connection }: Client): void {
  const socket = connection.stream as Socket
  connection.end()
  // A frozen server never answers it; that must not keep this process alive.
  socket.unref()
}
