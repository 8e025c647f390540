/**
 * One turn of the event loop. Links that were written to are flushed together when the read
 * callback that caused the writes ends, or at the next tick when no read is being handled. Rule:
 * every link of a process shares one `Turn`, so one reply is one write call however many pieces
 * it was put together from.
 */
export interface Flushable {
  flush(): void
}

export const READ_BUFFER_BYTES = 65_536
/** Writes up to this size are gathered into one buffer; beyond it the pieces go as a vector. */
export const SCRATCH_BYTES = 32_768

export class Turn<R = unknown> {
  /** The link whose read caused the flush that is under way. */
  reader: R | undefined
  /** Reads of links that hold no buffer of their own land here, one after the other. */
  readonly sharedBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)
  /** Small writes are put together here; given up when the kernel does not take one at once. */
  scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
  /** Links marked this turn are the first `#marked` ones; slots are used again, never given back. */
  #dirty: (Flushable | undefined)[] = []
  #marked = 0
  #inRead = false
  #scheduled = false
  #flushLater = (): void => {
    this.#scheduled = false
    this.flush()
  }

  /** `link` has something to send at the end of this turn. */
  mark(link: Flushable): void {
    this.#dirty[this.#marked++] = link
    if (this.#inRead || this.#scheduled) return
    this.#scheduled = true
    process.nextTick(this.#flushLater)
  }

  beginRead(): void {
    this.#inRead = true
  }

  /** Ends the read of `reader`; writes flushed now may still lie in the buffer it reads into. */
  endRead(reader: R | undefined): void {
    this.#inRead = false
    if (this.#marked === 0) return
    this.reader = reader
    try {
      this.flush()
    } finally {
      this.reader = undefined
    }
  }

  /** A flush may mark more links (a peer found gone); they are flushed too. */
  flush(): void {
    for (let i = 0; i < this.#marked; i++) {
      const link = this.#dirty[i]!
      this.#dirty[i] = undefined
      link.flush()
    }
    this.#marked = 0
  }
}
