/**
 * A client for large results, cheap enough not to be what is measured: it logs in with `pg` and
 * then works on the bare socket. Rule: it reads no message but the last ones; that all rows came
 * is told by the count in CommandComplete, and that they came whole by the bytes.
 */
import type { Socket } from 'node:net'
import pg from 'pg'
import type { Target } from './pgbench.ts'

export interface Bulk {
  /** Bytes of the protocol that were moved, from the request to ReadyForQuery. */
  readonly bytes: number
  readonly seconds: number
  /** Rows, as CommandComplete tells. */
  readonly rows: number
}

/** ReadyForQuery of a session that is in no transaction; it ends every answer here. */
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49])
/** CommandComplete and what goes before ReadyForQuery fits in here. */
const TAIL_BYTES = 512

export interface BulkClient {
  /** Runs a simple query and reads its answer. Rejects with the error the server sent. */
  read(sql: string): Promise<Bulk>
  /** Runs `COPY ... FROM STDIN` and sends `chunk` (whole rows of text) `times` over. */
  write(sql: string, chunk: Buffer, times: number): Promise<Bulk>
  close(): void
}

/** Connects and logs in. Rejects when that fails. */
export async function connectBulk(target: Target): Promise<BulkClient> {
  const client = new pg.Client({ ...target, host: '127.0.0.1', connectionTimeoutMillis: 10_000 })
  client.on('error', () => {})
  await client.connect()
  // Not in the types of pg, and there since its first version.
  const socket = (client as unknown as { connection: { stream: Socket } }).connection.stream
  socket.removeAllListeners('data')
  return {
    read: (sql) => exchange(socket, () => socket.write(query(sql))),
    write: (sql, chunk, times) => exchange(socket, () => send(socket, sql, chunk, times)),
    close: () => socket.destroy(),
  }
}

/** A simple Query message. */
function query(sql: string): Buffer {
  return message('Q', Buffer.from(`${sql}\0`))
}

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.write(type, 'latin1')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

/** Does not wait for CopyInResponse: what follows an error is thrown away by the server. */
async function send(socket: Socket, sql: string, chunk: Buffer, times: number): Promise<number> {
  const data = message('d', chunk)
  socket.write(query(sql))
  for (let i = 0; i < times && !socket.destroyed; i++) {
    if (!socket.write(data)) await drained(socket)
  }
  socket.write(message('c', Buffer.alloc(0)))
  return data.length * times
}

/** Until more may be written, or nobody will ever read it. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done)
      socket.off('close', done)
      resolve()
    }
    socket.on('drain', done)
    socket.on('close', done)
  })
}

/** From the first byte of the request to the last of the answer. */
async function exchange(socket: Socket, start: () => boolean | Promise<number>): Promise<Bulk> {
  const began = performance.now()
  let received = 0
  let tail: Buffer = Buffer.alloc(0)
  const answered = new Promise<void>((resolve, reject) => {
    const finish = (error?: Error) => {
      socket.off('data', onData)
      socket.off('close', onClose)
      if (error === undefined) resolve()
      else reject(error)
    }
    const onData = (chunk: Buffer) => {
      received += chunk.length
      tail =
        chunk.length >= TAIL_BYTES
          ? chunk.subarray(-TAIL_BYTES)
          : Buffer.concat([tail, chunk]).subarray(-TAIL_BYTES)
      if (tail.subarray(-READY.length).equals(READY)) finish()
    }
    const onClose = () => finish(new Error('the connection was lost in the middle of a result'))
    socket.on('data', onData)
    socket.on('close', onClose)
  })
  const [, sent] = await Promise.all([answered, start()])
  const seconds = (performance.now() - began) / 1_000
  return {
    bytes: received + (typeof sent === 'number' ? sent : 0),
    seconds,
    rows: rowsOf(tail),
  }
}

/** The count of the command tag in the last bytes of an answer. Throws when it ended otherwise. */
export function rowsOf(tail: Buffer): number {
  const text = tail.toString('latin1')
  const [, rows] = /C\0\0\0[^\0](?:SELECT|COPY) (\d+)\0Z/.exec(text) ?? []
  if (rows !== undefined) return Number(rows)
  const [, message] = /\0M([^\0]*)\0/.exec(text) ?? []
  throw new Error(message ?? 'the answer did not end in a command tag')
}
