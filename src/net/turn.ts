/**
 * One turn of the event loop. Links that were written to are flushed together when the read
 * callback that caused the writes ends, or at the next tick when no read is being handled. Rule:
 * every link of a process shares one `Turn`, so one reply is one write call however many pieces
 * it was put together from.
 */
import { performance } from 'node:perf_hooks'
import { BusyPoll } from './busy-poll.ts'

export interface Flushable {
  flush(): void
}

export const READ_BUFFER_BYTES = 65_536
/** Writes up to this size are gathered into one buffer; beyond it the pieces go as a vector. */
export const SCRATCH_BYTES = 32_768

/** Views of up to this length are made once and used again. */
const KEPT_VIEW_BYTES = 2_048

/**
 * A block of memory that is filled and looked at over and over. Making a view of a buffer costs more
 * than reading a small message, so views from its start are kept by length.
 */
export class Block {
  readonly buffer: Buffer
  #views: (Buffer | undefined)[] = []

  constructor(bytes: number) {
    this.buffer = Buffer.allocUnsafeSlow(bytes)
  }

  /** The first `length` bytes. */
  view(length: number): Buffer {
    if (length > KEPT_VIEW_BYTES) {
      return length === this.buffer.length ? this.buffer : this.buffer.subarray(0, length)
    }
    const kept = this.#views[length]
    if (kept !== undefined) return kept
    const made = this.buffer.subarray(0, length)
    this.#views[length] = made
    return made
  }
}

export class Turn<R = unknown> {
  /** The link whose read is being handled. */
  reader: R | undefined
  /** Reads of links that hold no buffer of their own land here, one after the other. */
  readonly shared = new Block(READ_BUFFER_BYTES)
  /** Small writes are put together here; given up when the kernel does not take one at once. */
  scratch = new Block(SCRATCH_BYTES)
  /** Links marked this turn are the first `#marked` ones; slots are used again, never given back. */
  #dirty: (Flushable | undefined)[] = []
  #marked = 0
  #inRead = false
  #now = 0
  #scheduled = false
  #busyPoll: BusyPoll | undefined
  #flushLater = (): void => {
    this.#scheduled = false
    this.flush()
  }

  /** From now on the next bytes are looked for up to `limitMs` before the loop sleeps; see `BusyPoll`. */
  lookFor(limitMs: number): void {
    this.#busyPoll = new BusyPoll({ limitMs, now: () => performance.now(), soon: setImmediate })
  }

  /** `link` has something to send at the end of this turn. */
  mark(link: Flushable): void {
    this.#dirty[this.#marked++] = link
    if (this.#inRead || this.#scheduled) return
    this.#scheduled = true
    process.nextTick(this.#flushLater)
  }

  /** A read begins; what is written meanwhile may lie in the memory that `reader` reads into. */
  beginRead(reader: R | undefined): void {
    this.#inRead = true
    this.#now = 0
    this.reader = reader
  }

  /** Monotonic milliseconds, read once for all that is done about one read. */
  now(): number {
    if (!this.#inRead) return performance.now()
    if (this.#now === 0) this.#now = performance.now()
    return this.#now
  }

  /** The read ends; everything written during it leaves. */
  endRead(): void {
    this.#inRead = false
    try {
      if (this.#marked > 0) this.flush()
    } finally {
      this.#busyPoll?.read(this.reader)
      this.reader = undefined
    }
  }

  /** A flush may mark more links (a peer found gone); they are flushed too. */
  flush(): void {
    for (let i = 0; i < this.#marked; i++) {
      const link = this.#dirty[i]
      this.#dirty[i] = undefined
      link?.flush()
    }
    this.#marked = 0
  }
}
