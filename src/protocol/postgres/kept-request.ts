/**
 * The bytes of the request that was sent last outside a transaction, so that it can be played again
 * where that is as good as once: on another server connection when this one is lost, or on this one
 * with its statement prepared anew. Rule: only a request that arrived in one piece of at most 16 KiB
 * is kept, and it is known by the number of its batch, so that no other is taken for it.
 */
import type { ByteCursor } from './byte-cursor.ts'

const MOST_BYTES = 16_384

/** Of one server connection. */
export class KeptRequest {
  #bytes: Buffer = Buffer.alloc(0)
  #length = 0
  #batch = -1
  /** Where the batch at hand began, while it may still be kept. */
  #read = -1
  #start = 0
  #beginning = -1
  /** What the requests of its client came to before it. */
  requests = 0

  /** A Query: the message of `total` bytes at the cursor. */
  one(cursor: ByteCursor, total: number, batch: number, requests: number): void {
    // One that passes unread may not be here yet, however short it is.
    if (cursor.available < total) this.#batch = -1
    else this.#copy(cursor.buffer, cursor.pos, total, batch)
    this.requests = requests
  }

  /** The first message of a batch is at the cursor. */
  begins(cursor: ByteCursor, batch: number, requests: number): void {
    this.#read = cursor.reads
    this.#start = cursor.pos
    this.#beginning = batch
    this.requests = requests
  }

  /** The Sync of `batch` ends at `end` of the cursor's buffer. */
  ends(cursor: ByteCursor, end: number, batch: number): void {
    if (this.#beginning !== batch || this.#read !== cursor.reads) return
    this.#beginning = -1
    this.#copy(cursor.buffer, this.#start, end - this.#start, batch)
  }

  #copy(buffer: Buffer, start: number, length: number, batch: number): void {
    this.#batch = -1
    if (length > MOST_BYTES) return
    if (this.#bytes.length < length) this.#bytes = Buffer.allocUnsafe(Math.max(512, 2 * length))
    const bytes = this.#bytes
    // A read is one request most of the time, and then this is the cheapest way there is.
    if (start === 0 && length === buffer.length) bytes.set(buffer)
    else buffer.copy(bytes, 0, start, start + length)
    this.#length = length
    this.#batch = batch
  }

  /** True when `batch` is kept. */
  has(batch: number): boolean {
    return this.#batch === batch
  }

  /** What is kept, in memory of its own. */
  take(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#length))
  }
}
