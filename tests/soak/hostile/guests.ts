/**
 * The normal load beside a hostile crowd: clients with the `pg` driver, each asking something small,
 * thinking a little, now and then reconnecting. Rule: every answer is checked, and any error counts,
 * because nothing that others do may reach these.
 */
import { build, type Histogram } from 'hdr-histogram-js'
import pg from 'pg'

export interface GuestsOptions {
  readonly url: string
  readonly clients: number
  /** Milliseconds between an answer and the next question. */
  readonly thinkMs: number
  /** Statements of one connection before it comes anew. */
  readonly statements: number
}

/** Since the last look. Times in milliseconds. */
export interface GuestsReport {
  readonly statements: number
  readonly logins: number
  readonly p50: number
  readonly p99: number
  readonly max: number
  readonly errors: readonly string[]
}

export class Guests {
  #options: GuestsOptions
  #over = false
  /** Microseconds. */
  #times: Histogram = build({ highestTrackableValue: 600_000_000 })
  #logins = 0
  #errors: string[] = []
  #running: Promise<void>[]

  constructor(options: GuestsOptions) {
    this.#options = options
    this.#running = Array.from({ length: options.clients }, (_, i) => this.#guest(i))
  }

  look(): GuestsReport {
    const times = this.#times
    const report = {
      statements: times.totalCount,
      logins: this.#logins,
      p50: times.getValueAtPercentile(50) / 1_000,
      p99: times.getValueAtPercentile(99) / 1_000,
      max: times.maxValue / 1_000,
      errors: this.#errors,
    }
    times.reset()
    this.#logins = 0
    this.#errors = []
    return report
  }

  async end(): Promise<void> {
    this.#over = true
    await Promise.all(this.#running)
  }

  async #guest(nth: number): Promise<void> {
    const { url, statements } = this.#options
    for (let visit = 0; !this.#over; visit++) {
      const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 120_000 })
      client.on('error', (error) => this.#errors.push(`lost: ${error.message}`))
      try {
        await client.connect()
        this.#logins++
        for (let i = 0; i < statements && !this.#over; i++) await this.#ask(client, nth, visit, i)
        await client.end()
      } catch (error) {
        this.#errors.push(error instanceof Error ? error.message : String(error))
        client.end().catch(() => {})
        await sleep(200)
      }
    }
  }

  async #ask(client: pg.Client, nth: number, visit: number, i: number): Promise<void> {
    const wanted = `${nth}.${visit}.${i}`
    const begun = performance.now()
    const { rows } =
      i % 3 === 0
        ? await client.query(`select '${wanted}' as it`)
        : await client.query({ name: 'it', text: 'select $1::text as it', values: [wanted] })
    this.#times.recordValue(Math.max(1, Math.round((performance.now() - begun) * 1_000)))
    if (rows.length !== 1 || rows[0].it !== wanted) {
      this.#errors.push(`asked for ${wanted}, got ${JSON.stringify(rows)}`)
    }
    await sleep(this.#options.thinkMs * (0.5 + Math.random()))
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
