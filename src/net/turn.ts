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

export class Turn<R = unknown> {
  /** The link whose read caused the flush that is under way. */
  reader: R | undefined
  /** Reads of links that hold no buffer of their own land here, one after the other. */
  readonly sharedBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)
  #dirty: Flushable[] = []
  #spare: Flushable[] = []
  #inRead = false
  #scheduled = false
  #flushLater = (): void => {
    this.#scheduled = false
    this.flush()
  }

  /** `link` has something to send at the end of this turn. */
  mark(link: Flushable): void {
    this.#dirty.push(link)
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
    if (this.#dirty.length === 0) return
    this.reader = reader
    try {
      this.flush()
    } finally {
      this.reader = undefined
    }
  }

  flush(): void {
    while (this.#dirty.length > 0) {
      const now = this.#dirty
      this.#dirty = this.#spare
      for (let i = 0; i < now.length; i++) now[i]!.flush()
      now.length = 0
      this.#spare = now
    }
  }
}
