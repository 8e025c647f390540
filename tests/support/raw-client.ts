/**
 * A client that speaks the protocol message by message and understands nothing: it sends the bytes
 * it is given and keeps every backend message as it came. Rule: after login nothing is answered or
 * interpreted on its own, so what a test sees is what was on the wire.
 */
import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { ScramClient } from '../../src/auth/scram-client.ts'
import { ScramKeyCache } from '../../src/auth/scram-key-cache.ts'
import { BACKEND, HEADER, PROTOCOL_3_0 } from '../../src/wire/postgres/codes.ts'
import {
  saslInitialResponse,
  saslResponse,
  startupMessage,
} from '../../src/wire/postgres/frontend.ts'
import { readAuthentication, readBackendKeyData } from '../../src/wire/postgres/read.ts'

export interface RawClientOptions {
  readonly port: number
  readonly user?: string
  readonly password?: string
  readonly database?: string
  /** Startup parameters besides user and database. */
  readonly parameters?: Readonly<Record<string, string>>
  /** Default protocol 3.0. */
  readonly version?: number
}

/** One backend message: its letter and the whole frame. */
export interface RawMessage {
  readonly letter: string
  readonly frame: Buffer
}

/** Cuts what is written into pieces; each piece is a write of its own. */
export type Fragment = (bytes: Buffer) => Buffer[]

/** Derived keys are kept, because a suite logs in thousands of times with one password. */
const keys = new ScramKeyCache()

export class RawClient {
  /** Everything received so far, login included. */
  readonly messages: RawMessage[] = []
  /** Key to cancel with, from login. */
  pid = 0
  secret: Buffer = Buffer.alloc(0)
  closed = false
  #socket: Socket
  #rest: Buffer = Buffer.alloc(0)
  #wake: (() => void) | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('error', () => {})
    socket.on('close', () => {
      this.closed = true
      this.#wake?.()
    })
  }

  /** Connects; says nothing yet. */
  static async connect(port: number): Promise<RawClient> {
    const socket = connect(port, '127.0.0.1')
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return new RawClient(socket)
  }

  /** Connects and logs in; rejects when the server says no. */
  static async open(options: RawClientOptions): Promise<RawClient> {
    const client = await RawClient.connect(options.port)
    if (await client.login(options)) return client
    const letters = client.messages.map((m) => m.letter).join('')
    throw new Error(`login failed: ${letters} ${client.messages.at(-1)?.frame.toString('latin1')}`)
  }

  /** True when ReadyForQuery came, false after an error; the messages tell which. */
  async login(options: Omit<RawClientOptions, 'port'>): Promise<boolean> {
    const { user = 'weir', password = 'weir', database = 'app', parameters = {} } = options
    const params = Object.entries({ user, database, ...parameters })
    this.write(startupMessage(options.version ?? PROTOCOL_3_0, params))
    const scram = new ScramClient(randomBytes(18).toString('base64'))
    for (let at = 0; ; at++) {
      if (!(await this.until(() => this.messages.length > at, 15_000))) return false
      const { letter, frame } = this.messages[at]!
      const body = frame.subarray(HEADER)
      if (letter === 'Z') return true
      if (letter === 'E') return false
      if (letter === 'K') {
        const key = readBackendKeyData(body)
        this.pid = key.pid
        this.secret = Buffer.from(key.secret)
      }
      if (letter !== 'R') continue
      const demand = readAuthentication(body)
      if (demand.kind === 'sasl') {
        this.write(saslInitialResponse('SCRAM-SHA-256', scram.begin()))
      } else if (demand.kind === 'sasl-continue') {
        const { salt, iterations } = scram.challenge(demand.data)
        this.write(saslResponse(scram.respond(await keys.keysFor(password, salt, iterations))))
      } else if (demand.kind === 'sasl-final') scram.verify(demand.data)
      else if (demand.kind !== 'ok') throw new Error(`no answer to ${demand.kind}`)
    }
  }

  write(bytes: Buffer): void {
    if (!this.closed) this.#socket.write(bytes)
  }

  /** Writes in pieces, each in a turn of its own so that each is a packet of its own. */
  async writePieces(pieces: readonly Buffer[]): Promise<void> {
    for (const piece of pieces) {
      this.write(piece)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** True when the condition holds in time; false when time is up or the connection closed. */
  async until(condition: () => boolean, withinMs: number): Promise<boolean> {
    const end = performance.now() + withinMs
    while (!condition()) {
      const left = end - performance.now()
      if (this.closed || left <= 0) return false
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      this.#wake = undefined
    }
    return true
  }

  /** Sends bytes and waits for `ready` more ReadyForQuery. */
  async ask(bytes: Buffer, ready = 1, withinMs = 15_000): Promise<readonly RawMessage[]> {
    const from = this.messages.length
    this.write(bytes)
    const enough = () => this.count('Z', from) >= ready
    if (!(await this.until(enough, withinMs))) {
      const got = this.messages.slice(from).map((m) => m.letter)
      throw new Error(`no ReadyForQuery; got ${got.join('')}${this.closed ? ' and the end' : ''}`)
    }
    return this.messages.slice(from)
  }

  /** How many messages of this letter came from position `from` on. */
  count(letter: string, from = 0): number {
    let n = 0
    for (let i = from; i < this.messages.length; i++) if (this.messages[i]!.letter === letter) n++
    return n
  }

  /** Closes without a word. */
  destroy(): void {
    this.#socket.destroy()
    this.closed = true
  }

  #take(chunk: Buffer): void {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    while (bytes.length >= HEADER) {
      const total = bytes.readUInt32BE(1) + 1
      if (bytes.length < total) break
      const frame = bytes.subarray(0, total)
      this.messages.push({ letter: String.fromCharCode(frame[0]!), frame })
      bytes = bytes.subarray(total)
    }
    this.#rest = bytes
    this.#wake?.()
  }
}

/** Rows of DataRow messages, as texts. */
export function rowsIn(messages: readonly RawMessage[]): (string | null)[][] {
  return messages
    .filter(({ frame }) => frame[0] === BACKEND.DATA_ROW)
    .map(({ frame }) => {
      const row: (string | null)[] = []
      let at = HEADER + 2
      for (let i = frame.readUInt16BE(HEADER); i > 0; i--) {
        const length = frame.readInt32BE(at)
        at += 4
        row.push(length < 0 ? null : frame.toString('utf8', at, at + length))
        at += Math.max(0, length)
      }
      return row
    })
}
