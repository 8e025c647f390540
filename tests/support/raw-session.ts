/**
 * A client that speaks whatever bytes a test gives it, for what drivers never do: leave in the middle
 * of a pipeline, ask for protocol 2, stop reading. Rule: it logs in only where trust is on; messages
 * come back as `{ type, body }`, in order, and `take` waits for the next of a kind.
 */
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { until } from '../../src/core/until.ts'
import { sslRequest, startupMessage } from '../../src/wire/postgres/frontend.ts'
import { readBackendKeyData, readErrorFields } from '../../src/wire/postgres/read.ts'

export interface Message {
  readonly type: string
  readonly body: Buffer
}

export interface RawOptions {
  readonly user?: string
  readonly database?: string
  readonly parameters?: Readonly<Record<string, string>>
  /** Name to ask for in the TLS handshake; none means no TLS. */
  readonly serverName?: string
}

export const PROTOCOL_3 = 196_608

export class RawSession {
  readonly socket: Socket
  readonly messages: Message[] = []
  closed = false
  #rest = Buffer.alloc(0)

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => this.#data(chunk))
    socket.on('error', () => {})
    socket.on('close', () => {
      this.closed = true
    })
  }

  send(...messages: Buffer[]): void {
    this.socket.write(Buffer.concat(messages))
  }

  /** Removes and returns the first message of this type, waiting for it. */
  async take(type: string, withinMs = 10_000): Promise<Message> {
    const found = await until(
      () => this.messages.find((m) => m.type === type) ?? (this.closed ? 'closed' : undefined),
      withinMs,
      { what: `a message ${type}`, everyMs: 2 },
    )
    if (found === 'closed') throw new Error(`closed before a message ${type} came`)
    this.messages.splice(0, this.messages.indexOf(found) + 1)
    return found
  }

  /** SQLSTATE and text of the next error. */
  async error(): Promise<{ code: string; message: string; hint: string | undefined }> {
    const { code, message, hint } = readErrorFields((await this.take('E')).body)
    return { code, message, hint }
  }

  /** First column of the rows until ReadyForQuery, as text. */
  async values(): Promise<string[]> {
    await until(() => this.messages.some((m) => m.type === 'Z'), 10_000, { everyMs: 2 })
    const end = this.messages.findIndex((m) => m.type === 'Z')
    const taken = this.messages.splice(0, end + 1)
    return taken
      .filter((m) => m.type === 'D')
      .map(({ body }) => body.toString('utf8', 6, 6 + body.readInt32BE(2)))
  }

  /** Goes away without a word. */
  vanish(): void {
    this.socket.destroy()
  }

  #data(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk])
    while (this.#rest.length >= 5) {
      const total = this.#rest.readInt32BE(1) + 1
      if (this.#rest.length < total) return
      const type = String.fromCharCode(this.#rest[0]!)
      this.messages.push({ type, body: Buffer.from(this.#rest.subarray(5, total)) })
      this.#rest = this.#rest.subarray(total)
    }
  }
}

/** A connected socket, TLS agreed on when a server name is given. */
export async function dial(port: number, serverName?: string): Promise<Socket> {
  const socket = connectTcp({ port, host: '127.0.0.1' })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve).once('error', reject)
  })
  if (serverName === undefined) return socket
  socket.write(sslRequest())
  const answer = await new Promise<Buffer>((resolve) => {
    socket.once('data', resolve)
  })
  if (answer.toString('latin1') !== 'S') throw new Error('TLS was refused')
  const secure = connectTls({ socket, servername: serverName, rejectUnauthorized: false })
  await new Promise<void>((resolve, reject) => {
    secure.once('secureConnect', resolve).once('error', reject)
  })
  return secure
}

/** Starts a session; where trust is on it is logged in when this resolves. */
export async function rawSession(port: number, options: RawOptions = {}): Promise<RawSession> {
  const { user = 'weir', database = 'app', parameters = {}, serverName } = options
  const session = new RawSession(await dial(port, serverName))
  session.send(startupMessage(PROTOCOL_3, Object.entries({ user, database, ...parameters })))
  await until(
    () => session.closed || session.messages.some((m) => m.type === 'Z' || m.type === 'E'),
    15_000,
    { what: 'the end of a login', everyMs: 2 },
  )
  return session
}

/** Sends bytes and returns all that comes back until the other side closes. */
export async function exchange(port: number, bytes: Buffer | string): Promise<Buffer> {
  const socket = await dial(port)
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => resolve())
    socket.on('error', () => resolve())
  })
  socket.write(bytes)
  await closed
  return Buffer.concat(chunks)
}

/** The cancel key a session was given. */
export function keyOf(session: RawSession): { pid: number; secret: Buffer } {
  const found = session.messages.find((m) => m.type === 'K')
  if (found === undefined) throw new Error('no BackendKeyData yet')
  return readBackendKeyData(found.body)
}
