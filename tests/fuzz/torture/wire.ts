/**
 * The connection of one client: login, bytes out, messages in as the lines of the model. Rule: it judges
 * nothing and keeps nothing; each message is told once, in order.
 */
import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { ScramClient } from '../../../src/auth/scram-client.ts'
import { ScramKeyCache } from '../../../src/auth/scram-key-cache.ts'
import { HEADER, PROTOCOL_3_0 } from '../../../src/wire/postgres/codes.ts'
import * as frontend from '../../../src/wire/postgres/frontend.ts'
import {
  readAuthentication,
  readBackendKeyData,
  readErrorFields,
} from '../../../src/wire/postgres/read.ts'

/** `letter` and what matters of the body: `D a|b`, `C SELECT 1`, `Z I`; errors have fields. */
export interface Told {
  readonly line: string
  readonly error?: {
    readonly severity: string
    readonly code: string
    readonly message: string
    readonly detail: string | undefined
  }
}

export interface Login {
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
  readonly parameters: Readonly<Record<string, string>>
}

export interface Listener {
  told(told: Told): void
  /** The other side has closed, or the connection broke. */
  closed(): void
}

/** Derived keys are kept, because clients come and go all the time. */
const keys = new ScramKeyCache()

export class Wire {
  pid = 0
  secret: Buffer = Buffer.alloc(0)
  #socket: Socket
  #rest: Buffer[] = []
  #held = 0
  #wanted = HEADER
  #listener: Listener
  #ended = false

  private constructor(socket: Socket, listener: Listener) {
    this.#socket = socket
    this.#listener = listener
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#data(chunk))
    socket.on('error', () => {})
    socket.on('close', () => {
      if (!this.#ended) this.#listener.closed()
    })
  }

  /** Connected and logged in; rejects with what was said when the login is refused. */
  static async open(login: Login, listener: Listener): Promise<Wire> {
    const socket = connect(login.port, '127.0.0.1')
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve).once('error', reject)
    })
    let settle: (problem?: Error) => void = () => {}
    const ready = new Promise<void>((resolve, reject) => {
      settle = (problem) => (problem === undefined ? resolve() : reject(problem))
    })
    const wire = new Wire(socket, {
      told: ({ line }) => {
        if (line.startsWith('Z')) settle()
        if (line.startsWith('E')) settle(new Error(`login failed: ${line}`))
      },
      closed: () => settle(new Error('closed during login')),
    })
    const { user, password, database, parameters } = login
    const scram = new ScramClient(randomBytes(18).toString('base64'))
    wire.#authenticate = (body) => {
      const demand = readAuthentication(body)
      if (demand.kind === 'sasl') {
        wire.write(frontend.saslInitialResponse('SCRAM-SHA-256', scram.begin()))
      } else if (demand.kind === 'sasl-continue') {
        const { salt, iterations } = scram.challenge(demand.data)
        void Promise.resolve(keys.keysFor(password, salt, iterations)).then((found) =>
          wire.write(frontend.saslResponse(scram.respond(found))),
        )
      }
    }
    const named = Object.entries({ user, database, ...parameters })
    wire.write(frontend.startupMessage(PROTOCOL_3_0, named))
    await ready
    wire.#listener = listener
    return wire
  }

  #authenticate: (body: Buffer) => void = () => {}

  write(bytes: Buffer): void {
    if (!this.#ended) this.#socket.write(bytes)
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Goes; nothing more is told. */
  end(how: 'terminate' | 'vanish'): void {
    if (this.#ended) return
    if (how === 'terminate') this.write(frontend.terminate())
    this.#ended = true
    if (how === 'terminate') this.#socket.end(() => this.#socket.destroy())
    else this.#socket.destroy()
  }

  /** Big answers come in many chunks: nothing is joined before a message is whole. */
  #data(chunk: Buffer): void {
    this.#rest.push(chunk)
    this.#held += chunk.length
    if (this.#held < this.#wanted) return
    let bytes = this.#rest.length === 1 ? chunk : Buffer.concat(this.#rest)
    this.#wanted = HEADER
    while (bytes.length >= HEADER && !this.#ended) {
      const total = bytes.readUInt32BE(1) + 1
      if (bytes.length < total) {
        this.#wanted = total
        break
      }
      this.#message(String.fromCharCode(bytes[0]!), bytes.subarray(HEADER, total))
      bytes = bytes.subarray(total)
    }
    this.#rest = bytes.length === 0 ? [] : [bytes]
    this.#held = bytes.length
  }

  #message(letter: string, body: Buffer): void {
    switch (letter) {
      case 'R':
        this.#authenticate(body)
        return
      case 'K': {
        const { pid, secret } = readBackendKeyData(body)
        this.pid = pid
        this.secret = Buffer.from(secret)
        return
      }
      case 'E': {
        const { severity, code, message, detail } = readErrorFields(body)
        const error = { severity, code, message, detail }
        this.#listener.told({ line: `E ${code} ${message}`, error })
        return
      }
      default:
        this.#listener.told({ line: lineOf(letter, body) })
    }
  }
}

function lineOf(letter: string, body: Buffer): string {
  switch (letter) {
    case 'D':
      return `D ${rowOf(body)}`
    case 'T':
      return `T ${namesOf(body).join('|')}`
    case 'C':
      return `C ${body.toString('latin1', 0, body.length - 1)}`
    case 'Z':
      return `Z ${body.toString('latin1')}`
    case 'd':
      return `d ${body.toString('latin1', 0, body.length - 1)}`
    case 'N': {
      const { code, message } = readErrorFields(body)
      return code === '00000' ? `N ${message}` : `N ${code} ${message}`
    }
    case 'S':
      return `S ${body.toString('latin1', 0, body.length - 1).replace('\0', ' ')}`
    case 'A':
      return `A ${body.toString('latin1', 4, body.length - 1).replace('\0', ' ')}`
    default:
      return letter
  }
}

function rowOf(body: Buffer): string {
  let row = ''
  let at = 2
  const count = body.readUInt16BE(0)
  for (let i = 0; i < count; i++) {
    const length = body.readInt32BE(at)
    at += 4
    if (i > 0) row += '|'
    row += length < 0 ? '~' : body.toString('latin1', at, at + length)
    at += Math.max(0, length)
  }
  return row
}

function namesOf(body: Buffer): string[] {
  let at = 2
  return Array.from({ length: body.readUInt16BE(0) }, () => {
    const end = body.indexOf(0, at)
    const name = body.toString('latin1', at, end)
    // Table, column, type, length, modifier, format.
    at = end + 1 + 18
    return name
  })
}
