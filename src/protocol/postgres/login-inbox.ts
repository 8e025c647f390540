/**
 * The bytes of a login that have come and are not yet used. Rules: a chunk is copied, because it
 * lies in a buffer that the next read overwrites; a length is judged before its body is waited for;
 * what follows the last message taken is kept, never lost.
 */
import { HEADER } from '../../wire/postgres/codes.ts'
import { ProtocolError } from '../../wire/postgres/protocol-error.ts'

export interface LoginFrame {
  /** The message's letter. */
  readonly code: number
  readonly body: Buffer
}

const NOTHING = Buffer.alloc(0)

export class LoginInbox {
  #bytes: Buffer = NOTHING

  get length(): number {
    return this.#bytes.length
  }

  /** All bytes at hand, to look at. */
  get bytes(): Buffer {
    return this.#bytes
  }

  push(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
  }

  /** Takes `length` bytes, which must be there. */
  take(length: number): Buffer {
    if (length > this.#bytes.length) throw new Error('BUG: took more than has come')
    const taken = this.#bytes.subarray(0, length)
    this.#bytes = this.#bytes.subarray(length)
    return taken
  }

  /** Takes everything. */
  rest(): Buffer {
    return this.take(this.#bytes.length)
  }

  /** The next message's letter, or undefined before the first byte. */
  peek(): number | undefined {
    return this.#bytes[0]
  }

  /**
   * Takes the next whole message; undefined until it has come.
   * @param limit longest body accepted, in bytes
   * @throws ProtocolError as soon as the length is seen to be wrong
   */
  frame(limit: number): LoginFrame | undefined {
    if (this.#bytes.length < HEADER) return undefined
    const length = this.#bytes.readInt32BE(1)
    if (length < 4 || length - 4 > limit) throw new ProtocolError('invalid message length')
    if (this.#bytes.length < 1 + length) return undefined
    const message = this.take(1 + length)
    return { code: message[0]!, body: message.subarray(HEADER) }
  }
}
