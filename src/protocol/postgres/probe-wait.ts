/**
 * Waits on a reader, inside the server itself, for the moment in which it takes writes: no question
 * that comes every few milliseconds can be as early. Rule: no loop outlives its welcome. Each ends
 * by itself after a tenth of a second or so, whether or not anybody is there to hear of it; so
 * nothing has to be cancelled, and a Weir that is gone leaves nothing behind.
 */
import type { Socket } from 'node:net'
import type { Client } from 'pg'
import type { Clock } from '../../core/clock.ts'

export type PromotionAnswer =
  | { readonly promoted: false }
  | {
      readonly promoted: true
      readonly timeline: number | undefined
      /** Bytes written, not more than `positionMs` ago. */
      readonly lsn: bigint | undefined
      readonly positionMs: number
    }

const NULL = '<NULL>'

/** How long one statement sleeps in all (ms): below the usual limits for what a server logs as slow. */
const ONE_WAIT_MS = 80

/** What the node says of itself is told like this: timeline and position in bytes, or `<NULL>`. */
const TOLD = /^weir: promoted (\S+) (\S+)$/

/**
 * Counted and not timed, so that a clock that is set back makes no loop longer. The COMMIT ends the
 * snapshot of each look: a snapshot on a reader may hold up the replay of what it still sees, and
 * before a promotion all is replayed. A node that does not know its log (Aurora) tells no more than
 * that it takes writes. INFO reaches a client whatever its settings are.
 *
 * @param stepMs between two looks of the server at itself
 */
export function waitStatement(stepMs: number): string {
  return `do $weir$ declare here pg_lsn; tli text; pos text; begin
  for look in 1..${Math.max(1, Math.round(ONE_WAIT_MS / stepMs))} loop
    if not pg_catalog.pg_is_in_recovery() then
      begin
        here := pg_catalog.pg_current_wal_lsn();
        tli := pg_catalog.substr(pg_catalog.pg_walfile_name(here), 1, 8);
        pos := pg_catalog.pg_wal_lsn_diff(here, '0/0')::text;
      exception when others then
        tli := null;
      end;
      raise info 'weir: promoted % %', tli, pos;
      exit;
    end if;
    perform pg_catalog.pg_sleep(${stepMs / 1_000});
    commit;
  end loop;
end $weir$`
}

/** One node; the connection is opened at the first wait and closed when `signal` aborts. */
export class PromotionWait {
  #clientFor: () => Client
  #clock: Clock
  #signal: AbortSignal
  #client: Client | undefined

  /** @param clientFor makes a client of that node, not connected yet */
  constructor(clientFor: () => Client, clock: Clock, signal: AbortSignal) {
    this.#clientFor = clientFor
    this.#clock = clock
    this.#signal = signal
  }

  /**
   * Whether the node was promoted, and what it says of itself then, as soon as it says so; still
   * a reader when the statement's time is over; undefined when it cannot be waited on (no such
   * language, no right, no connection left, no Postgres as we know it) or the wait was called off.
   * Never rejects.
   */
  async once(stepMs: number): Promise<PromotionAnswer | undefined> {
    if (this.#signal.aborted) return undefined
    try {
      this.#client ??= await this.#open()
      const answer = await this.#ask(this.#client, stepMs)
      return this.#signal.aborted ? undefined : answer
    } catch {
      this.#client?.connection.stream.destroy()
      return undefined
    }
  }

  async #ask(client: Client, stepMs: number): Promise<PromotionAnswer> {
    const clock = this.#clock
    const began = clock.monotonic()
    return new Promise((resolve, reject) => {
      const hear = ({ message = '' }: { message?: string | undefined }) => {
        const [, timeline, position] = TOLD.exec(message) ?? []
        if (timeline === undefined || position === undefined) return
        resolve({
          promoted: true,
          timeline: timeline === NULL ? undefined : Number.parseInt(timeline, 16),
          lsn: position === NULL ? undefined : BigInt(position),
          // It was told at the end of the wait, but who can say how long ago that was.
          positionMs: clock.monotonic() - began,
        })
      }
      client.on('notice', hear)
      client
        .query(waitStatement(stepMs))
        .then(() => resolve({ promoted: false }), reject)
        .finally(() => client.off('notice', hear))
    })
  }

  async #open(): Promise<Client> {
    const client = this.#clientFor()
    // What is lost here is told by the probe's own connection.
    client.on('error', () => {})
    const { stream } = client.connection
    const giveUp = () => stream.destroy()
    this.#signal.addEventListener('abort', giveUp, { once: true })
    await client.connect()
    this.#signal.removeEventListener('abort', giveUp)
    this.#signal.addEventListener('abort', () => leave(client), { once: true })
    if (this.#signal.aborted) leave(client)
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
