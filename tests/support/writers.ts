/**
 * Clients that write all the time, for tests that take the writer away. Rule: each statement is one
 * insert with a number nobody else uses, tried once; what was acknowledged, refused or of unknown
 * outcome is kept, and no client ever connects again.
 */
import { until } from '../../src/core/until.ts'
import { type Client, connect } from './clients.ts'

export interface WriteError {
  readonly code: string | undefined
  readonly message: string
}

export class Writers {
  readonly acknowledged: number[] = []
  readonly errors: WriteError[] = []
  /** Longest time between two acknowledged writes of one client (ms). */
  longestGapMs = 0
  readonly clients: Client[]
  #next = 0
  #going = true
  #loops: Promise<void>[]

  constructor(clients: Client[]) {
    this.clients = clients
    this.#loops = clients.map((client) => this.#loop(client))
  }

  async #loop(client: Client): Promise<void> {
    let last = performance.now()
    while (this.#going) {
      const id = ++this.#next
      try {
        await client.query(`insert into writes (id) values (${id})`)
        this.acknowledged.push(id)
        const now = performance.now()
        this.longestGapMs = Math.max(this.longestGapMs, now - last)
        last = now
      } catch (error) {
        const { code, message } = error as WriteError
        this.errors.push({ code, message })
        if (client.strays.length > 0) return
      }
    }
  }

  /** Resolves when so many more writes were acknowledged. */
  async progress(count: number, withinMs = 60_000): Promise<void> {
    const goal = this.acknowledged.length + count
    await until(() => this.acknowledged.length >= goal, withinMs, { what: `${count} more writes` })
  }

  async stop(): Promise<void> {
    this.#going = false
    await Promise.all(this.#loops)
  }
}

/** Makes the table when needed and starts writing over `count` connections. */
export async function startWriters(count: number, url: string): Promise<Writers> {
  const clients: Client[] = []
  for (let i = 0; i < count; i++) clients.push(await connect(url))
  await clients[0]!.query('drop table if exists writes')
  await clients[0]!.query('create table writes (id int primary key)')
  return new Writers(clients)
}
