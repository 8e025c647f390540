/**
 * Notifications on their way to one client. Rule: as Postgres itself does, a client gets them between
 * transactions only, in order; until then, and while it does not read, they wait here, up to a bound.
 */
export interface NotificationReceiver {
  /** Nothing is under way with the client, and what was written to it so far has left. */
  readonly listens: boolean
  /** Whether the client listens to that channel now; undefined while that is not known yet. */
  wants(channel: string): boolean | undefined
  deliver(message: Buffer, channel: string | undefined): void
  /** More waits than may: the client cannot be kept. Called once. */
  overflowed(bytes: number): void
}

interface Waiting {
  readonly channel: string | undefined
  readonly message: Buffer
}

/** What one entry costs besides its message (bytes); the messages themselves are shared. */
const ENTRY_BYTES = 64

export class NotificationQueue {
  #receiver: NotificationReceiver
  #limit: number
  #waiting: Waiting[] = []
  #bytes = 0
  #closed = false

  /** `limit`: bytes that may wait. */
  constructor(receiver: NotificationReceiver, limit: number) {
    this.#receiver = receiver
    this.#limit = limit
  }

  /** What waits, bytes. */
  get bytes(): number {
    return this.#bytes
  }

  /** `message` must stay as it is. One without a channel is for whoever listens to anything. */
  push(channel: string | undefined, message: Buffer): void {
    if (this.#closed) return
    const receiver = this.#receiver
    if (this.#waiting.length === 0 && receiver.listens && this.#give(channel, message)) return
    this.#waiting.push({ channel, message })
    this.#bytes += message.length + ENTRY_BYTES
    if (this.#bytes <= this.#limit) return
    const { bytes } = this
    this.clear()
    this.#closed = true
    receiver.overflowed(bytes)
  }

  /** Delivers what waits; called when the client has become idle or has read what was written. */
  flush(): void {
    if (this.#waiting.length === 0) return
    const receiver = this.#receiver
    let given = 0
    for (const { channel, message } of this.#waiting) {
      if (this.#closed || !receiver.listens || !this.#give(channel, message)) break
      given++
      this.#bytes -= message.length + ENTRY_BYTES
    }
    this.#waiting = given === this.#waiting.length ? [] : this.#waiting.slice(given)
  }

  /** False when it must wait. */
  #give(channel: string | undefined, message: Buffer): boolean {
    const wanted = channel === undefined || this.#receiver.wants(channel)
    if (wanted) this.#receiver.deliver(message, channel)
    return wanted !== undefined
  }

  clear(): void {
    this.#waiting = []
    this.#bytes = 0
  }
}
