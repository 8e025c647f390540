/**
 * Clients that do not read as fast as they are answered. Rule: only those are looked at, once in a
 * while; one that has taken nothing for too long is cut, and when all of them together have too much
 * waiting, those go first that have taken nothing for longest.
 */
import type { Link } from '../net/link.ts'
import type { CloseReason } from './close-reason.ts'

export interface SlowReader {
  readonly link: Pick<Link, 'congested' | 'bytesWritten' | 'unsent' | 'destroy'>
  cut(reason: CloseReason): void
}

export interface SlowReadersOptions {
  /** Nothing was taken for so long; Infinity for ever. */
  readonly sendTimeoutMs: number
  /** Most that may wait for all of them together. */
  readonly mostBytes: number
  /** Monotonic milliseconds. */
  readonly now: () => number
}

interface Taking {
  /** Bytes the kernel had taken when that was last found to have grown. */
  taken: number
  at: number
}

export class SlowReaders {
  #options: SlowReadersOptions
  #readers = new Map<SlowReader, Taking>()

  constructor(options: SlowReadersOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#readers.size
  }

  /** What waits for them, bytes. */
  get bytes(): number {
    let bytes = 0
    for (const { link } of this.#readers.keys()) bytes += link.unsent
    return bytes
  }

  /** Whether something waits for `reader`; if so it is looked after. */
  lags(reader: SlowReader): boolean {
    if (!reader.link.congested) return false
    if (!this.#readers.has(reader)) {
      this.#readers.set(reader, { taken: takenBy(reader), at: this.#options.now() })
    }
    return true
  }

  /** It has taken all, or is gone. */
  forget(reader: SlowReader): void {
    this.#readers.delete(reader)
  }

  /** Called about once a second. */
  look(): void {
    if (this.#readers.size === 0) return
    const { sendTimeoutMs, mostBytes, now } = this.#options
    const at = now()
    let bytes = 0
    for (const [reader, taking] of [...this.#readers]) {
      const taken = takenBy(reader)
      if (taken !== taking.taken) {
        taking.taken = taken
        taking.at = at
      } else if (at - taking.at >= sendTimeoutMs) {
        this.#cut(reader, 'send-timeout')
        continue
      }
      bytes += reader.link.unsent
    }
    if (bytes > mostBytes) this.#relieve(bytes - mostBytes)
  }

  #relieve(surplus: number): void {
    let left = surplus
    const longest = [...this.#readers].sort(([, a], [, b]) => a.at - b.at)
    for (const [reader] of longest) {
      if (left <= 0) return
      left -= reader.link.unsent
      this.#cut(reader, 'send-overflow')
      // A link that ends goes on for a while to offer what waits; who comes again and again could
      // have many times as much here.
      reader.link.destroy()
    }
  }

  #cut(reader: SlowReader, reason: CloseReason): void {
    this.#readers.delete(reader)
    reader.cut(reason)
  }
}

function takenBy({ link }: SlowReader): number {
  return link.bytesWritten - link.unsent
}
