/**
 * The bytes of one client's request on its ride: as the client sent it, to be put back, and as it is
 * sent on. Memory is used again for the next one; views are kept, because a client says nearly the
 * same again and again, and making a view costs more than comparing lengths.
 */
const NOTHING = Buffer.alloc(0)

export class RideBytes {
  /** As the client sent it. */
  request: Buffer = NOTHING
  #kept: Buffer = NOTHING
  #out: Buffer = NOTHING
  #outView: Buffer = NOTHING

  /** Copies a request. */
  keep(chunk: Buffer): void {
    const { length } = chunk
    if (this.#kept.length < length) {
      this.#kept = Buffer.allocUnsafe(Math.max(128, 2 * length))
      this.request = this.#kept
    }
    this.#kept.set(chunk)
    if (this.request.length !== length) this.request = this.#kept.subarray(0, length)
  }

  /** At least so many bytes to write to. */
  space(bytes: number): Buffer {
    if (this.#out.length < bytes) {
      this.#out = Buffer.allocUnsafe(Math.max(256, 2 * bytes))
      this.#outView = this.#out
    }
    return this.#out
  }

  /** The first `bytes` of that. */
  written(bytes: number): Buffer {
    if (this.#outView.length !== bytes) this.#outView = this.#out.subarray(0, bytes)
    return this.#outView
  }
}
