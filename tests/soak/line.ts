/**
 * One connection of the soak: bytes out, answers in as the lines of `expect.ts`. Rule: it keeps only
 * what nobody has read yet, because a million answers pass here; what the server reports of its
 * settings is kept as the client would know it, at each ReadyForQuery.
 */
import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { ScramClient } from '../../src/auth/scram-client.ts'
import { ScramKeyCache } from '../../src/auth/scram-key-cache.ts'
import { HEADER, PROTOCOL_3_0 } from '../../src/wire/postgres/codes.ts'
import * as frontend from '../../src/wire/postgres/frontend.ts'
import {
  readAuthentication,
  readErrorFields,
  readParameterStatus,
} from '../../src/wire/postgres/read.ts'
import { bind } from '../support/message-text.ts'
import { REPORTED } from './settings-table.ts'
import { type Group, type Message, sqlOf, textSql } from './statements.ts'

const keys = new ScramKeyCache()

export interface LineOptions {
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
  /** Startup parameters besides those. */
  readonly parameters: Readonly<Record<string, string>>
}

export class Line {
  /** Answers nobody has taken yet. */
  lines: string[] = []
  /** For each ReadyForQuery among them. */
  reports: string[][] = []
  closed = false
  /** Parameters reported with the value they had already. */
  repeated = 0
  readonly known = new Map<string, string>()
  #socket: Socket
  #rest: Buffer = Buffer.alloc(0)
  #wanted = 0
  #wake: (() => void) | undefined
  #authentication: ((body: Buffer) => void) | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#data(chunk))
    socket.on('error', () => {})
    socket.on('close', () => {
      this.closed = true
      this.#wake?.()
    })
  }

  static async open(options: LineOptions): Promise<Line> {
    const socket = connect(options.port, '127.0.0.1')
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve).once('error', reject)
    })
    const line = new Line(socket)
    await line.#login(options)
    return line
  }

  async #login({ user, password, database, parameters }: LineOptions): Promise<void> {
    const scram = new ScramClient(randomBytes(18).toString('base64'))
    this.#authentication = (body) => {
      const demand = readAuthentication(body)
      if (demand.kind === 'sasl') {
        this.write(frontend.saslInitialResponse('SCRAM-SHA-256', scram.begin()))
      } else if (demand.kind === 'sasl-continue') {
        const { salt, iterations } = scram.challenge(demand.data)
        void Promise.resolve(keys.keysFor(password, salt, iterations)).then((found) =>
          this.write(frontend.saslResponse(scram.respond(found))),
        )
      }
    }
    const named = Object.entries({ user, database, ...parameters })
    this.write(frontend.startupMessage(PROTOCOL_3_0, named))
    await this.ready(1)
    this.#authentication = undefined
    if (this.lines[0] !== 'Z I') throw new Error(`login failed: ${this.lines.join(', ')}`)
    this.take()
  }

  write(bytes: Buffer): void {
    if (!this.closed) this.#socket.write(bytes)
  }

  /** Waits for so many ReadyForQuery that nobody has taken, or for the end. */
  async ready(count: number): Promise<void> {
    this.#wanted = count
    if (this.reports.length >= count || this.closed) return
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    this.#wake = undefined
  }

  take(): { lines: string[]; reports: string[][] } {
    const { lines, reports } = this
    this.lines = []
    this.reports = []
    return { lines, reports }
  }

  destroy(): void {
    this.#socket.destroy()
    this.closed = true
  }

  end(): void {
    this.write(frontend.terminate())
    this.#socket.end()
  }

  #data(chunk: Buffer): void {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    while (bytes.length >= HEADER) {
      const total = bytes.readUInt32BE(1) + 1
      if (bytes.length < total) break
      this.#message(String.fromCharCode(bytes[0]!), bytes.subarray(HEADER, total))
      bytes = bytes.subarray(total)
    }
    this.#rest = bytes
    if (this.reports.length >= this.#wanted) this.#wake?.()
  }

  #message(letter: string, body: Buffer): void {
    switch (letter) {
      case 'R':
        this.#authentication?.(body)
        return
      case 'K':
      case 'N':
        return
      case 'S': {
        const { name, value } = readParameterStatus(body)
        if (this.known.get(name) === value) this.repeated++
        this.known.set(name, value)
        return
      }
      case 'D':
        this.lines.push(`D ${rowOf(body)}`)
        return
      case 'C':
        this.lines.push(`C ${body.toString('latin1', 0, body.length - 1)}`)
        return
      case 'E': {
        const { code, severity, message } = readErrorFields(body)
        // A server tells the parameters of a statement before it finds that its table is gone.
        if (this.lines.at(-1) === 't') this.lines.pop()
        this.lines.push(severity === 'ERROR' ? `E ${code}` : `E ${severity} ${code} ${message}`)
        this.lastError = message
        return
      }
      case 'Z':
        this.lines.push(`Z ${String.fromCharCode(body[0]!)}`)
        this.reports.push(REPORTED.map((name) => this.known.get(name) ?? ''))
        return
      default:
        this.lines.push(letter)
    }
  }

  /** For the report of a difference. */
  lastError = ''
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

/** The bytes of a group, and how many ReadyForQuery they ask for. */
export function encode(group: Group): { bytes: Buffer; ready: number } {
  if (group.how === 'simple') {
    return { bytes: frontend.query(group.statements.map(sqlOf).join('; ')), ready: 1 }
  }
  if (group.how === 'batch') {
    return {
      bytes: Buffer.concat([...group.messages.map(encodeMessage), frontend.sync()]),
      ready: 1,
    }
  }
  if (group.how === 'pipeline') {
    const parts = group.groups.map(encode)
    return {
      bytes: Buffer.concat(parts.map(({ bytes }) => bytes)),
      ready: parts.reduce((n, { ready }) => n + ready, 0),
    }
  }
  return { bytes: Buffer.alloc(0), ready: 0 }
}

function encodeMessage(message: Message): Buffer {
  switch (message.send) {
    case 'parse':
      return frontend.parse(message.name, textSql(message.text), [])
    case 'close':
      return frontend.close('S', message.name)
    case 'describe':
      return frontend.describe('S', message.name)
    case 'flush':
      return frontend.flush()
    case 'run':
      return Buffer.concat([
        bind('', message.name, message.values),
        ...(message.described ? [frontend.describe('P', '')] : []),
        frontend.execute('', 0),
      ])
  }
}
