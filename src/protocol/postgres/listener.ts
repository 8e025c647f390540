/**
 * What a shared listener says on its server connection and reads from it: LISTEN and UNLISTEN as
 * queries of our own, and notifications cut out of whatever the server sends unasked. Rule: a
 * notification is given out whole and in memory of its own, because many clients get the same one.
 *
 *   'A' | length | pid of the sender | channel \0 | payload \0
 */
import { BACKEND, HEADER } from '../../wire/postgres/codes.ts'
import { ProtocolError } from '../../wire/postgres/protocol-error.ts'
import { endOfCString } from '../../wire/postgres/read.ts'
import { decode } from '../../wire/postgres/text.ts'
import type { ListenerConversation } from '../aside.ts'
import { ByteCursor } from './byte-cursor.ts'
import { MARKS, SenderBook, type Senders } from './senders.ts'
import type { PostgresServerConversation } from './server-conversation.ts'

/** A payload has less than 8000 bytes (async.c) and a channel 63; conversion may make four of one. */
const LONGEST_NOTIFICATION = 65_536
const NOTHING = Buffer.alloc(0)

export class PostgresListener implements ListenerConversation {
  channel = ''
  message: Buffer = NOTHING
  #server: PostgresServerConversation
  #encoding: string
  #senders: Senders
  #book = new SenderBook()
  #in = new ByteCursor()
  /** Bytes still to come of a message that is none of ours. */
  #skip = 0

  /** `encoding`: as the server reports `client_encoding`; `''` for the server's own choice. */
  constructor(server: PostgresServerConversation, encoding: string, senders: Senders) {
    this.#server = server
    this.#encoding = encoding
    this.#senders = senders
    senders.opened()
  }

  opening(): Buffer {
    this.#server.notifications = true
    this.#server.quietError = undefined
    const now = this.#server.parameters.get('client_encoding')
    if (this.#encoding === '' || this.#encoding === now) return NOTHING
    return this.#server.quietly(`SET client_encoding TO '${this.#encoding.replaceAll("'", "''")}'`)
  }

  change(begin: readonly string[], end: readonly string[]): Buffer {
    this.#server.quietError = undefined
    const statements = [
      ...(begin.length > 0 ? [MARKS, ...begin] : []).map(listenSql),
      ...end.map((channel) => `UNLISTEN ${quoted(channel)}`),
    ]
    return this.#server.quietly(statements.join(';'))
  }

  push(chunk: Buffer): void {
    this.#in.push(chunk)
  }

  next(): boolean {
    const cursor = this.#in
    for (;;) {
      if (this.#skip > 0) {
        const n = Math.min(this.#skip, cursor.available)
        cursor.pos += n
        this.#skip -= n
        cursor.dropRun()
        if (this.#skip > 0) break
      }
      if (cursor.available < HEADER) break
      const total = cursor.buffer.readUInt32BE(cursor.pos + 1) + 1
      if (cursor.buffer[cursor.pos] !== BACKEND.NOTIFICATION_RESPONSE) {
        this.#skip = total
        continue
      }
      if (total > LONGEST_NOTIFICATION)
        throw new ProtocolError('the server sent a notification of impossible length')
      if (cursor.available < total) break
      if (this.#read(total)) return true
    }
    cursor.keep()
    return false
  }

  /** False when it was a mark of ours. */
  #read(total: number): boolean {
    const cursor = this.#in
    const message = Buffer.from(cursor.buffer.subarray(cursor.pos, cursor.pos + total))
    cursor.pos += total
    cursor.dropRun()
    const name = HEADER + 4
    const end = endOfCString(message, name, total)
    const process = message.readInt32BE(HEADER)
    const channel = decode(message, name, end)
    if (channel === MARKS) {
      this.#book.read(process, message.toString('latin1', end + 1, total - 1))
      return false
    }
    const client = this.#book.of(process)
    if (client !== undefined) message.writeInt32BE(client, HEADER)
    this.message = message
    this.channel = channel
    return true
  }

  close(): void {
    this.#senders.closed()
  }
}

export function listenSql(channel: string): string {
  return `LISTEN ${quoted(channel)}`
}

function quoted(channel: string): string {
  return `"${channel.replaceAll('"', '""')}"`
}
