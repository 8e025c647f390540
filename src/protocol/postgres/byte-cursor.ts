/**
 * The bytes of one direction: what was pushed, how far it was consumed, and which part is still to
 * be given out as one run. Rule: nothing is copied while chunks end at message ends; what is left
 * over when the chunk's memory is taken back is copied once.
 *
 *   [ given out | run ........ | not yet looked at ]
 *               ^runStart      ^pos                ^end
 */
import { HEADER } from '../../wire/postgres/codes.ts'

const NOTHING = Buffer.alloc(0)

export class ByteCursor {
  buffer: Buffer = NOTHING
  pos = 0
  end = 0
  runStart = 0
  /** Equal numbers mean that positions mean the same bytes: a read buffer comes back with others. */
  reads = 0
  #own = false

  push(chunk: Buffer): void {
    this.reads++
    if (this.pos === this.end && this.runStart === this.pos) {
      this.buffer = chunk
      this.pos = 0
      this.runStart = 0
      this.end = chunk.length
      this.#own = false
      return
    }
    if (!this.#own || this.buffer.length - this.end < chunk.length) this.#grow(chunk.length)
    this.buffer.set(chunk, this.end)
    this.end += chunk.length
  }

  /** Makes room for `more` bytes, and twice what is there, since a long message comes in many pieces. */
  #grow(more: number): void {
    const waiting = this.end - this.runStart
    const grown = Buffer.allocUnsafe(waiting + Math.max(more, this.#own ? waiting : 0))
    this.buffer.copy(grown, 0, this.runStart, this.end)
    this.buffer = grown
    this.pos -= this.runStart
    this.runStart = 0
    this.end = waiting
    this.#own = true
  }

  get available(): number {
    return this.end - this.pos
  }

  /** Bytes pushed and not given out. */
  get waiting(): number {
    return this.end - this.runStart
  }

  /** The run so far, and starts a new one. */
  takeRun(): Buffer {
    const run =
      this.runStart === 0 && this.pos === this.buffer.length
        ? this.buffer
        : this.buffer.subarray(this.runStart, this.pos)
    this.runStart = this.pos
    return run
  }

  get hasRun(): boolean {
    return this.pos > this.runStart
  }

  /** Leaves out what was passed since the run began (swallowed bytes). */
  dropRun(): void {
    this.runStart = this.pos
  }

  /** Copies what is left, because the memory it lies in is about to be overwritten. */
  keep(): void {
    if (this.#own) return
    this.reads++
    if (this.runStart === this.end) {
      this.buffer = NOTHING
    } else {
      this.buffer = Buffer.from(this.buffer.subarray(this.runStart, this.end))
    }
    this.pos -= this.runStart
    this.end = this.buffer.length
    this.runStart = 0
    this.#own = true
  }

  /** The whole message of this length that starts at `pos`; the caller knows it has arrived. */
  message(length: number): Buffer {
    return this.buffer.subarray(this.pos, this.pos + length)
  }

  /**
   * Length of the message at `pos`, which is `total` long, with all of the same type that follow it
   * and are here whole. A length that cannot be right ends it, for the caller to see.
   */
  alike(type: number, total: number): number {
    const { buffer, end, pos } = this
    let next = pos + total
    while (end - next >= HEADER && buffer[next] === type) {
      const length =
        (buffer[next + 1]! << 24) |
        (buffer[next + 2]! << 16) |
        (buffer[next + 3]! << 8) |
        buffer[next + 4]!
      if (length < 4 || length >= end - next) break
      next += length + 1
    }
    return next - pos
  }

  /** Puts `bytes` ahead of what was not looked at yet; nothing waits to be given out. */
  unread(bytes: Buffer): void {
    this.reads++
    this.buffer = Buffer.concat([bytes, this.buffer.subarray(this.pos, this.end)])
    this.pos = 0
    this.runStart = 0
    this.end = this.buffer.length
    this.#own = true
  }

  /** The whole body of the message that starts at `pos`; the caller knows it has arrived. */
  body(length: number): Buffer {
    return this.buffer.subarray(this.pos + HEADER, this.pos + length)
  }
}
