/**
 * Bytes to be given out, in order. Rule: it is empty between two steps of a conversation nearly
 * always, so its slots are used again instead of an array that grows and shrinks.
 */
const NO_SLOTS: (Buffer | undefined)[] = []

export class Outbox {
  /** Made when first needed: most clients send nothing but what passes through. */
  #slots: (Buffer | undefined)[] = NO_SLOTS
  #head = 0
  #tail = 0

  get empty(): boolean {
    return this.#head === this.#tail
  }

  push(bytes: Buffer): void {
    if (this.#slots === NO_SLOTS) this.#slots = [undefined, undefined]
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
