/**
 * One client's connection through a subject, made again when it breaks. Rule: a break is told the
 * moment the socket says so, also while nothing is asked; and nothing is ever asked twice.
 */
import pg from 'pg'
import type { Gate } from './gate.ts'
import { type Failure, failureOf } from './outcome.ts'
import type { ConnectOptions, Reached, Target } from './subject.ts'

export interface LineEvents {
  /** It was connected and is not any more. */
  broke(): void
  notification?(payload: string): void
}

export class Line {
  readonly #reached: Reached
  readonly #gate: Gate
  readonly #target: Target | 'listen'
  readonly #options: ConnectOptions
  readonly #events: LineEvents
  #client: pg.Client | undefined

  constructor(
    reached: Reached,
    gate: Gate,
    target: Target | 'listen',
    options: ConnectOptions,
    events: LineEvents,
  ) {
    this.#reached = reached
    this.#gate = gate
    this.#target = target
    this.#options = options
    this.#events = events
  }

  get connected(): boolean {
    return this.#client !== undefined
  }

  /** Connects unless it is connected. Throws what the driver throws. */
  async connect(): Promise<void> {
    if (this.#client !== undefined) return
    const client = await this.#gate.pass(() => this.#open())
    // `end` comes with every way to lose a connection, `error` only with some.
    client.on('error', () => this.#lost(client))
    client.on('end', () => this.#lost(client))
    client.on('notification', ({ payload }) => this.#events.notification?.(payload ?? ''))
    this.#client = client
  }

  /** One statement or several, as a simple query. Throws `AskFailed`. */
  async ask(text: string): Promise<pg.QueryResult> {
    const client = this.#client
    if (client === undefined) throw new AskFailed(LOST)
    try {
      return await client.query(text)
    } catch (error) {
      const failure = failureOf(error)
      if (failure.broken) this.#lost(client)
      throw new AskFailed(failure)
    }
  }

  /** Says goodbye; no event follows. */
  async end(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    if (client === undefined) return
    await Promise.race([
      client.end().catch(() => {}),
      new Promise((resolve) => setTimeout(resolve, 500).unref()),
    ])
    destroy(client)
  }

  #lost(client: pg.Client): void {
    if (this.#client !== client) return
    this.#client = undefined
    destroy(client)
    this.#events.broke()
  }

  async #open(): Promise<pg.Client> {
    const { connect, writerUrl, readerUrl, listenUrl } = this.#reached
    const target = this.#target
    if (target === 'listen' && listenUrl !== undefined) return connectTo(listenUrl, this.#options)
    const role = target === 'reader' ? 'reader' : 'writer'
    if (connect !== undefined) return connect(role, this.#options)
    return connectTo(role === 'reader' ? readerUrl : writerUrl, this.#options)
  }
}

const LOST: Failure = { key: 'connection-closed', nothingHappened: true, broken: true }

export class AskFailed extends Error {
  readonly failure: Failure

  constructor(failure: Failure) {
    super(failure.key)
    this.failure = failure
  }
}

/** A connected client; what it throws later is also told by its `end` event. */
export async function connectTo(url: string, options: ConnectOptions): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: options.applicationName,
    connectionTimeoutMillis: options.connectTimeoutMs,
    query_timeout: options.queryTimeoutMs,
    ssl: false,
  })
  client.on('error', () => {})
  options.keys?.lend(client)
  try {
    await client.connect()
  } catch (error) {
    destroy(client)
    throw error
  }
  return client
}

function destroy(client: pg.Client): void {
  // The driver has no public way to drop a connection that no longer answers.
  const { connection } = client as unknown as { connection?: { stream?: { destroy(): void } } }
  connection?.stream?.destroy()
}
