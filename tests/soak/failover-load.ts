/**
 * Clients that go on through failovers: writers, transactions, readers, listeners and idle ones. Rule:
 * every number is written once, what the client was told of it is kept, and nobody connects again
 * unless its session was ended, which is counted.
 */
import { until } from '../../src/core/until.ts'
import { type Client, connect } from '../support/clients.ts'

export interface LoadPlan {
  readonly writers: number
  readonly transactions: number
  readonly readers: number
  readonly listeners: number
  readonly idle: number
}

export interface LoadUrls {
  readonly writer: string
  readonly reader: string
}

/** What clients may be told of a lost server: unknown outcome, or that nothing took effect. */
const UNKNOWN = '08007'
const NOTHING = '40001'

/** Between two requests of one client; enough of them keep every connection busy. */
const PACE_MS = 4

interface Told {
  readonly code?: string
  readonly message: string
}

export class FailoverLoad {
  /** Numbers by what their client was told. */
  readonly acknowledged: number[] = []
  readonly unknown: number[] = []
  readonly refused: number[] = []
  /** Errors that no failover explains. */
  readonly unexpected: string[] = []
  /** Errors by SQLSTATE, those that were expected. */
  readonly errors: Record<string, number> = {}
  /** Sessions that were ended under their client. */
  readonly dropped: string[] = []
  readonly size: number
  #plan: LoadPlan
  #urls: LoadUrls
  #next = 0
  #pausing = false
  #going = true
  #standing = new Set<string>()
  #busy = new Map<string, Client>()
  #loops: Promise<void>[] = []
  #idle: Client[] = []
  #listeners: { client: Client; heard: Set<string> }[] = []

  constructor(plan: LoadPlan, urls: LoadUrls) {
    this.#plan = plan
    this.#urls = urls
    this.size = Object.values(plan).reduce((sum, n) => sum + n, 0)
  }

  async start(): Promise<void> {
    const { writers, transactions, readers, listeners, idle } = this.#plan
    const { writer, reader } = this.#urls
    const first = await connect(writer)
    await first.query('create table if not exists soak (id int primary key, batch int not null)')
    await first.end()
    for (let i = 0; i < idle; i++) this.#idle.push(await connect(writer))
    for (let i = 0; i < listeners; i++) {
      const client = await connect(writer)
      const heard = new Set<string>()
      client.on('notification', ({ payload }) => heard.add(payload ?? ''))
      await client.query('listen soak')
      this.#listeners.push({ client, heard })
    }
    const run = (kind: string, count: number, url: string, turn: (c: Client) => Promise<void>) => {
      for (let i = 0; i < count; i++) this.#loops.push(this.#loop(`${kind} ${i + 1}`, url, turn))
    }
    run('writer', writers, writer, (client) => this.#write(client))
    run('transaction', transactions, writer, (client) => this.#transaction(client))
    run('reader', readers, reader, async (client) => {
      await client.query('select count(*) from soak where id < $1', [100])
    })
    await until(() => this.#busy.size === writers + transactions + readers, 30_000)
  }

  /** Resolves when so many more numbers were acknowledged. */
  async progress(count: number, withinMs = 30_000): Promise<void> {
    const goal = this.acknowledged.length + count
    await until(() => this.acknowledged.length >= goal, withinMs, { what: `${count} more writes` })
  }

  /** Resolves when every client has had its answer and asks nothing more. */
  async pause(withinMs = 30_000): Promise<void> {
    this.#pausing = true
    const stuck = () => [...this.#busy.keys()].filter((name) => !this.#standing.has(name))
    try {
      await until(() => stuck().length === 0, withinMs)
    } catch (error) {
      throw new Error(`stuck: ${stuck().join(', ')}`, { cause: error })
    }
  }

  resume(): void {
    this.#pausing = false
  }

  /** One statement of each client that only listens or does nothing, then a word to the listeners. */
  async askTheQuiet(word: string, withinMs = 15_000): Promise<void> {
    for (const client of [...this.#idle, ...this.#listeners.map((l) => l.client)]) {
      await client.query('select 1')
    }
    // A listener may be on its way to the new writer still: say it until everybody has heard it.
    const [speaker] = this.#idle
    let said = 0
    const everybody = async (): Promise<boolean> => {
      await speaker?.query(`select pg_notify('soak', '${word}')`)
      said++
      return this.#listeners.every(({ heard }) => heard.has(word))
    }
    await until(everybody, withinMs, {
      everyMs: 50,
      what: `all listeners to hear "${word}" (said ${said} times)`,
    })
  }

  async stop(): Promise<void> {
    this.#going = false
    this.resume()
    await Promise.all(this.#loops)
    const quiet = [...this.#idle, ...this.#listeners.map((l) => l.client)]
    for (const client of quiet) if (client.strays.length > 0) this.dropped.push('a quiet client')
    await Promise.all([...quiet, ...this.#busy.values()].map((client) => client.end()))
  }

  async #loop(name: string, url: string, turn: (client: Client) => Promise<void>): Promise<void> {
    let client = await connect(url)
    this.#busy.set(name, client)
    while (this.#going) {
      if (this.#pausing) {
        this.#standing.add(name)
        await until(() => !this.#pausing, 600_000, { everyMs: 5 })
        this.#standing.delete(name)
        continue
      }
      try {
        await turn(client)
      } catch (error) {
        this.#note(name, error as Told)
      }
      if (client.strays.length > 0) {
        this.dropped.push(`${name}: ${client.strays[0]?.message}`)
        client = await connect(url)
        this.#busy.set(name, client)
      }
      await new Promise((resolve) => setTimeout(resolve, PACE_MS))
    }
  }

  #note(name: string, { code, message }: Told): void {
    const known = code === UNKNOWN || code === NOTHING
    if (known) this.errors[code] = (this.errors[code] ?? 0) + 1
    else this.unexpected.push(`${name}: ${code ?? ''} ${message}`)
  }

  async #write(client: Client): Promise<void> {
    const id = ++this.#next
    // Simple and extended protocol in turn.
    const insert =
      id % 2 === 0
        ? client.query(`insert into soak values (${id}, ${id})`)
        : client.query('insert into soak values ($1, $2)', [id, id])
    await this.#kept([id], insert)
  }

  async #transaction(client: Client): Promise<void> {
    const [one, two] = [++this.#next, ++this.#next]
    const work = async (): Promise<void> => {
      await client.query('begin')
      await client.query('insert into soak values ($1, $2)', [one, one])
      await client.query('select pg_sleep(0.005)')
      await client.query(`insert into soak values (${two}, ${one})`)
      await client.query('commit')
    }
    try {
      await this.#kept([one, two], work())
    } catch (error) {
      // As any application does; in a session that was ended there is nothing to roll back.
      if (client.strays.length === 0) await client.query('rollback')
      throw error
    }
  }

  async #kept(ids: readonly number[], work: Promise<unknown>): Promise<void> {
    try {
      await work
      this.acknowledged.push(...ids)
    } catch (error) {
      if ((error as Told).code === NOTHING) this.refused.push(...ids)
      else this.unknown.push(...ids)
      throw error
    }
  }
}
