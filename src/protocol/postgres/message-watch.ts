/**
 * Where messages begin and end in bytes that pass unread. Rule: five bytes of each message are looked
 * at, nothing is kept but a header that came in pieces, and what is no message is never followed
 * again: from there on everything counts as the middle of one.
 */
import { BACKEND, FRONTEND, HEADER } from '../../wire/postgres/codes.ts'
import type { MessageWatch } from '../aside.ts'

/** A length counts itself. */
const SHORTEST = 4

export class PostgresMessageWatch implements MessageWatch {
  whole = 0
  last: 'goodbye' | 'error' | 'other' = 'other'
  #fromClient: boolean
  /** Of the message at hand: its letter, and bytes of its body that are still to come. */
  #code = 0
  #left = 0
  /** A header that came in pieces. */
  #head = Buffer.alloc(HEADER)
  #headLength = 0
  #lost = false

  constructor(sender: 'client' | 'server') {
    this.#fromClient = sender === 'client'
  }

  get midMessage(): boolean {
    return this.#lost || this.#left > 0 || this.#headLength > 0
  }

  push(chunk: Buffer): void {
    this.whole = 0
    let at = 0
    while (at < chunk.length && !this.#lost && this.last !== 'goodbye') {
      if (this.#left > 0) {
        const passing = Math.min(this.#left, chunk.length - at)
        this.#left -= passing
        at += passing
        if (this.#left === 0) this.#ended(at)
        continue
      }
      const before = at
      at = this.#takeHead(chunk, at)
      if (this.#headLength < HEADER) return
      this.#headLength = 0
      this.#code = this.#head[0]!
      const length = this.#head.readInt32BE(1)
      if (length < SHORTEST) {
        this.#lost = true
      } else if (this.#fromClient && this.#code === FRONTEND.TERMINATE) {
        // Its first bytes may have come, and gone, with the chunk before.
        this.whole = before
        this.last = 'goodbye'
      } else {
        this.#left = length - SHORTEST
        if (this.#left === 0) this.#ended(at)
      }
    }
  }

  #takeHead(chunk: Buffer, at: number): number {
    const taken = Math.min(HEADER - this.#headLength, chunk.length - at)
    chunk.copy(this.#head, this.#headLength, at, at + taken)
    this.#headLength += taken
    return at + taken
  }

  #ended(at: number): void {
    this.whole = at
    const failed = !this.#fromClient && this.#code === BACKEND.ERROR_RESPONSE
    this.last = failed ? 'error' : 'other'
  }
}
