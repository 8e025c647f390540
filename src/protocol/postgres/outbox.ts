/**
 * Bytes to be given out, in order. Rule: it is empty between two steps of a conversation nearly
 * always, so its slots are used again instead of an array that grows and shrinks.
 */
export class Outbox {
  #slots: (Buffer | undefined)[] = []
  #head = 0
  #tail = 0

  get empty(): boolean {
    return this.#head === this.#tail
  }

  push(bytes: Buffer): void {
    this.#slots[this.#tail++] = bytes
  }

  /** The oldest; there must be one. */
  take(): Buffer {
    const bytes = this.#slots[this.#head]!
    this.#slots[this.#head++] = undefined
    if (this.#head === this.#tail) this.clear()
    return bytes
  }

  clear(): void {
    while (this.#head < this.#tail) this.#slots[this.#head++] = undefined
    this.#head = 0
    this.#tail = 0
  }
}
