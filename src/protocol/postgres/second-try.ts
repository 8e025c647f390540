/**
 * A batch that binds a statement prepared long ago may be told that the statement is gone, or that
 * its tables have changed under it; nothing has happened then, and the batch can be played again.
 * Rule: only outside a transaction, only when that Bind came first and nothing behind the batch was
 * sent, and only once; a batch of any size is kept if it arrived in one piece of at most 16 KiB.
 */
const MOST_BYTES = 16_384
const NOTHING = Buffer.alloc(0)

/** Of one server connection. */
export class SecondTry {
  #bytes: Buffer = NOTHING
  #length = 0
  /** Where the batch at hand began, while it may still be kept. */
  #from: Buffer | undefined
  #start = 0
  /** The batch is kept and its Bind has not been answered. */
  armed = false
  /** The error that the client is told if there is no second try. */
  held: Buffer | undefined
  /** The batch is to be played again now. */
  due = false
  /** It is being played again, up to its Sync. */
  #again = false

  /** The first message of a batch, at `start` of `buffer`. */
  begins(buffer: Buffer, start: number): void {
    this.armed = false
    this.#from = this.#again ? undefined : buffer
    this.#start = start
  }

  /** Its Sync ends at `end` of `buffer`. */
  ends(buffer: Buffer, end: number): void {
    if (this.#from === undefined) {
      this.#again = false
      return
    }
    const whole = this.#from === buffer && end - this.#start <= MOST_BYTES
    this.#from = undefined
    if (!whole) return
    const length = end - this.#start
    if (this.#bytes.length < length) this.#bytes = Buffer.allocUnsafe(Math.max(512, 2 * length))
    buffer.copy(this.#bytes, 0, this.#start, end)
    this.#length = length
    this.armed = true
  }

  /** What the client sent, in memory of its own. */
  take(): Buffer {
    this.due = false
    this.#again = true
    return Buffer.from(this.#bytes.subarray(0, this.#length))
  }

  /** The Bind was accepted, or nobody is there any more. */
  reset(): void {
    this.armed = false
    this.#from = undefined
    this.held = undefined
    this.due = false
    this.#again = false
  }
}
