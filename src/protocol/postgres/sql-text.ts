/**
 * A text of SQL in which names of prepared statements are replaced by ours, and the way back: errors
 * that name them or point into the text are told as if the client's own text had been sent. Rule:
 * bytes outside of the names stay as they are, whatever their encoding.
 */
import { errorResponse } from '../../wire/postgres/backend.ts'
import type { ErrorFields } from '../../wire/postgres/error-fields.ts'

interface Edit {
  /** Byte range of the name in the client's text. */
  readonly start: number
  readonly end: number
  readonly serverName: string
  readonly clientName: string
}

export class SqlText {
  readonly #text: Buffer
  #edits: Edit[] = []

  constructor(text: Buffer) {
    this.#text = text
  }

  /** In the order of the text. */
  replace(range: { start: number; end: number }, serverName: string, clientName: string): void {
    this.#edits.push({ start: range.start, end: range.end, serverName, clientName })
  }

  get bytes(): Buffer {
    const pieces: Buffer[] = []
    let at = 0
    for (const { start, end, serverName } of this.#edits) {
      pieces.push(this.#text.subarray(at, start), Buffer.from(`"${serverName}"`))
      at = end
    }
    return Buffer.concat([...pieces, this.#text.subarray(at)])
  }

  /** The error as the client would have it; undefined when it says nothing of ours. */
  retell(fields: ErrorFields): Buffer | undefined {
    let { message, position } = fields
    for (const { serverName, clientName } of this.#edits) {
      message = message.replace(`"${serverName}"`, () => `"${clientName}"`)
    }
    if (position !== undefined) position = String(this.#back(Number(position)))
    if (message === fields.message && position === fields.position) return undefined
    return errorResponse({ ...fields, message, position })
  }

  /** A place in the text that was sent, as one in the client's; characters, from 1. */
  #back(position: number): number {
    let place = position
    for (const { start, end, serverName } of this.#edits) {
      const before = characters(this.#text, 0, start)
      const sent = serverName.length + 2
      if (place <= before) break
      if (place <= before + sent) return before + 1
      place += characters(this.#text, start, end) - sent
    }
    return place
  }
}

/** Characters of UTF-8 in `text[start, end)`. */
export function characters(text: Buffer, start: number, end: number): number {
  let count = 0
  for (let i = start; i < end; i++) if ((text[i]! & 0xc0) !== 0x80) count++
  return count
}
