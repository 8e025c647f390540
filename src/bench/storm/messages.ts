/**
 * As much of the Postgres protocol as a storm's client speaks. Pure. Rule: only the few messages that
 * decide anything are kept; rows of whatever size are passed over without being put together.
 */
export const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])
export const TERMINATE = Buffer.from([0x58, 0, 0, 0, 4])

export const ERROR = 0x45 // E
export const READY = 0x5a // Z
export const AUTHENTICATION = 0x52 // R

/** An error or a SASL message is never this long; whoever sends more speaks something else. */
const LONGEST_KEPT = 65_536

export function startup(user: string, database: string, application: string): Buffer {
  const pairs = { user, database, application_name: application, client_encoding: 'UTF8' }
  const text = Object.entries(pairs).map(([name, value]) => `${name}\0${value}\0`)
  const body = Buffer.from(`${text.join('')}\0`)
  const head = Buffer.alloc(8)
  head.writeInt32BE(8 + body.length, 0)
  head.writeInt32BE(196_608, 4)
  return Buffer.concat([head, body])
}

export function query(text: string): Buffer {
  return message(0x51, Buffer.from(`${text}\0`))
}

/** Every answer to an authentication request has this letter. */
export function password(body: string | Buffer): Buffer {
  return message(0x70, typeof body === 'string' ? Buffer.from(body) : body)
}

export function saslFirst(mechanism: string, text: string): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(Buffer.byteLength(text))
  return password(Buffer.concat([Buffer.from(`${mechanism}\0`), length, Buffer.from(text)]))
}

function message(type: number, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head[0] = type
  head.writeInt32BE(4 + body.length, 1)
  return Buffer.concat([head, body])
}

export interface ServerError {
  /** SQLSTATE. */
  readonly code: string
  readonly text: string
}

/** From the body of an ErrorResponse. */
export function errorOf(body: Buffer): ServerError {
  let code = 'other'
  let text = ''
  for (const field of body.toString('utf8').split('\0')) {
    if (field[0] === 'C') code = field.slice(1)
    if (field[0] === 'M') text = field.slice(1)
  }
  return { code, text }
}

/** Told each message of interest with its body; called in a loop, so it keeps nothing of `body`. */
export type Take = (type: number, body: Buffer) => void

const NOTHING = Buffer.alloc(0)

/** Finds the messages in a stream that is cut anywhere. */
export class MessageReader {
  /** The beginning of a message whose rest is not here yet. */
  #begun: Buffer = NOTHING
  /** Bytes of a message nobody wants that are still to come. */
  #passOver = 0

  /** @throws Error when it is not the Postgres protocol */
  push(chunk: Buffer, take: Take): void {
    let bytes = this.#begun.length === 0 ? chunk : Buffer.concat([this.#begun, chunk])
    this.#begun = NOTHING
    let at = 0
    if (this.#passOver > 0) {
      at = Math.min(this.#passOver, bytes.length)
      this.#passOver -= at
    }
    while (bytes.length - at >= 5) {
      const type = bytes[at] as number
      const length = bytes.readInt32BE(at + 1)
      if (length < 4) throw new Error(`a message of length ${length}`)
      const end = at + 1 + length
      if (type === ERROR || type === READY || type === AUTHENTICATION) {
        if (length > LONGEST_KEPT) throw new Error(`a message of ${length} bytes where few are`)
        if (end > bytes.length) break
        take(type, bytes.subarray(at + 5, end))
      } else if (end > bytes.length) {
        this.#passOver = end - bytes.length
        return
      }
      at = end
    }
    // A copy: the bytes may stand in a buffer that is used again.
    if (at < bytes.length) {
      bytes = bytes.subarray(at)
      this.#begun = Buffer.from(bytes)
    }
  }
}
