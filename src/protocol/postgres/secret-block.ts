/**
 * Random bytes for the cancel keys of clients, out of blocks. Rule: no two are ever the same piece of
 * a block; a block is asked of the system once for hundreds of clients, and so is its memory.
 */
import { randomBytes } from 'node:crypto'

const BLOCK_BYTES = 1_024

export class SecretBlock {
  #block = randomBytes(BLOCK_BYTES)
  #used = 0

  /** @param length at most 32 bytes */
  take(length: number): Buffer {
    if (this.#used + length > this.#block.length) {
      this.#block = randomBytes(BLOCK_BYTES)
      this.#used = 0
    }
    const start = this.#used
    this.#used += length
    return this.#block.subarray(start, this.#used)
  }
}
