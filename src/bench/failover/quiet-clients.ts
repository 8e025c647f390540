/**
 * The clients without a schedule: idle ones, which only stay connected, and listeners, which only
 * hear. Rule: an idle client asks once before the fault and once after the recovery, over the very
 * same connection; one that had to connect again was dropped.
 */
import type { Journal } from './journal.ts'
import type { Line } from './line.ts'
import { failed, lineOf, type Surroundings } from './load-client.ts'

export const CHANNEL = 'weir_failover'

export class IdleClient {
  readonly journal: Journal
  readonly #line: Line
  readonly #now: () => number

  constructor(journal: Journal, around: Surroundings) {
    this.journal = journal
    this.#line = lineOf(journal, around, 'writer')
    this.#now = around.now
  }

  /** Throws when its first statement fails. */
  async connect(): Promise<void> {
    await this.#line.connect()
    await this.#line.ask('select 1')
  }

  /** One statement, over the connection there is. */
  async ask(): Promise<void> {
    this.journal.due(this.#now())
    try {
      await this.#line.ask('select 1')
      this.journal.good(this.#now())
    } catch (error) {
      this.journal.bad(failed(error).key)
    }
  }

  end(): Promise<void> {
    return this.#line.end()
  }
}

/** Hears notifications; listens again by itself when its connection broke, as an application does. */
export class ListenerClient {
  readonly journal: Journal
  /** How often each was heard. */
  readonly heard = new Map<string, number>()
  readonly #line: Line
  readonly #retryMs: number
  /** False until it listens for the first time; until then who connects it tries again. */
  #joined = false
  #ended = false

  constructor(journal: Journal, around: Surroundings, retryMs: number) {
    this.journal = journal
    this.#retryMs = retryMs
    const broke = (): void => {
      journal.broke()
      if (this.#joined) void this.#again()
    }
    this.#line = lineOf(
      journal,
      around,
      'listen',
      (payload) => {
        this.heard.set(payload, (this.heard.get(payload) ?? 0) + 1)
        journal.good(around.now())
      },
      broke,
    )
  }

  async connect(): Promise<void> {
    await this.#line.connect()
    await this.#line.ask(`listen ${CHANNEL}`)
    this.#joined = true
  }

  async end(): Promise<void> {
    this.#ended = true
    await this.#line.end()
  }

  async #again(): Promise<void> {
    // A break while it joins again is this loop's to mend.
    this.#joined = false
    while (!this.#ended) {
      try {
        await this.connect()
        return this.#ended ? await this.#line.end() : undefined
      } catch (error) {
        this.journal.count(failed(error).key)
      }
      await new Promise((resolve) => setTimeout(resolve, this.#retryMs))
    }
  }
}

/** Sends the notifications, one a period, each a number; not one of the clients that are counted. */
export class Notifier {
  readonly journal: Journal
  readonly acknowledged: string[] = []
  readonly #line: Line
  readonly #listeners: readonly ListenerClient[]
  readonly #now: () => number
  #last = 0

  constructor(journal: Journal, around: Surroundings, listeners: readonly ListenerClient[]) {
    this.journal = journal
    this.#line = lineOf(journal, around, 'writer')
    this.#listeners = listeners
    this.#now = around.now
  }

  connect(): Promise<void> {
    return this.#line.connect()
  }

  async attempt(): Promise<boolean> {
    try {
      await this.#line.connect()
      const payload = String(++this.#last)
      for (const { journal } of this.#listeners) journal.due(this.#now())
      await this.#line.ask(`notify ${CHANNEL}, '${payload}'`)
      this.acknowledged.push(payload)
      return true
    } catch {
      return false
    }
  }

  end(): Promise<void> {
    return this.#line.end()
  }
}

/** Acknowledged to the sender and not heard, and heard twice, over all listeners. */
export function judgeNotifications(
  acknowledged: readonly string[],
  listeners: readonly ListenerClient[],
): { notificationsLost: number; notificationsTwice: number } {
  let notificationsLost = 0
  let notificationsTwice = 0
  for (const { heard } of listeners) {
    notificationsLost += acknowledged.filter((payload) => !heard.has(payload)).length
    notificationsTwice += [...heard.values()].filter((times) => times > 1).length
  }
  return { notificationsLost, notificationsTwice }
}
