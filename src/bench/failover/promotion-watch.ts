/**
 * When did a node become the writer: each node that may is asked all the time whether it is in
 * recovery, over a connection that was open before the fault. Rule: the time given is the last
 * moment at which the promoted node was still known to be a reader, so that what is counted from it
 * is never too short; how far the truth may lie behind it is given too.
 */
import type pg from 'pg'
import { SEQUENCE_TABLE } from './sequence-table.ts'

export interface Seen {
  readonly name: string
  /** Wall ms: when the last question was sent that was answered "in recovery". */
  readonly at: number
  /** The first answer "not in recovery" came so much later (ms). */
  readonly withinMs: number
}

/** Row of the reference write; no client of the load has this number. */
const REFERENCE = 0

export interface Watched {
  readonly name: string
  readonly client: pg.Client
}

export class PromotionWatch {
  readonly #nodes: readonly Watched[]
  readonly #now: () => number
  #going = true
  #seen: Seen | undefined
  #loops: Promise<void>[] = []
  #written: Promise<number | undefined> = Promise.resolve(undefined)

  constructor(nodes: readonly Watched[], now: () => number) {
    this.#nodes = nodes
    this.#now = now
  }

  get seen(): Seen | undefined {
    return this.#seen
  }

  /**
   * When a write of our own was acknowledged by the new writer, asked the moment it was seen: no
   * subject can be sooner. Undefined without a promotion or when the write failed.
   */
  get written(): Promise<number | undefined> {
    return this.#written
  }

  start(): void {
    this.#loops = this.#nodes.map((node) => this.#watch(node))
  }

  async stop(): Promise<void> {
    this.#going = false
    await Promise.all(this.#loops)
  }

  async #watch({ name, client }: Watched): Promise<void> {
    let lastReader = this.#now()
    while (this.#going && this.#seen === undefined) {
      const asked = this.#now()
      try {
        const { rows } = await client.query('select pg_is_in_recovery() as recovery')
        if (rows[0].recovery === false) {
          this.#seen = { name, at: lastReader, withinMs: this.#now() - lastReader }
          this.#written = this.#write(client)
          return
        }
        lastReader = asked
      } catch {
        // A node that goes away is not the one that is promoted.
        return
      }
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }

  async #write(client: pg.Client): Promise<number | undefined> {
    const row = `insert into ${SEQUENCE_TABLE} values (${REFERENCE}, 1, 1)`
    return client.query(row).then(this.#now, () => undefined)
  }
}
