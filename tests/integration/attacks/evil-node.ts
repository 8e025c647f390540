/**
 * A node in an attacker's hands: it answers Weir's probes as a good writer would, so that Weir goes on
 * believing in it, and does with everybody else what the test says. Rule: whoever logs in as `prober`
 * is a probe; what others send is kept in `heard`, in case something is in it that should not be.
 */
import { createServer, type Server, type Socket } from 'node:net'
import * as backend from '../../../src/wire/postgres/backend.ts'
import {
  CANCEL_REQUEST_CODE,
  GSS_REQUEST_CODE,
  SSL_REQUEST_CODE,
} from '../../../src/wire/postgres/codes.ts'
import { readFirstPacket, type Startup } from '../../../src/wire/postgres/startup.ts'
import { ModelServer } from '../../support/model-server.ts'

export const PROBER = 'prober'

export type Evil = (wire: EvilWire) => Promise<void> | void

/** One connection, from the first byte on. */
export class EvilWire {
  readonly socket: Socket
  startup: Startup | undefined
  #bytes: Buffer = Buffer.alloc(0)
  #wake: (() => void) | undefined
  #closed = false

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk])
      this.#wake?.()
    })
    socket.on('close', () => {
      this.#closed = true
      this.#wake?.()
    })
  }

  send(...bytes: Buffer[]): void {
    if (!this.#closed) this.socket.write(Buffer.concat(bytes))
  }

  /** The next packet of the time before login, its four bytes of length included. */
  async packet(): Promise<Buffer> {
    await this.#until(() => this.#bytes.length >= 4)
    await this.#until(() => this.#bytes.length >= this.#bytes.readUInt32BE(0))
    return this.#take(this.#bytes.readUInt32BE(0))
  }

  /** The next message: its letter and its body. */
  async message(): Promise<{ letter: string; body: Buffer }> {
    await this.#until(() => this.#bytes.length >= 5)
    await this.#until(() => this.#bytes.length > this.#bytes.readUInt32BE(1))
    const frame = this.#take(this.#bytes.readUInt32BE(1) + 1)
    return { letter: String.fromCharCode(frame[0]!), body: frame.subarray(5) }
  }

  /** Does what it is asked until a query comes that holds `word`; that one is left unanswered. */
  async asked(word: string): Promise<void> {
    for (;;) {
      const { letter, body } = await this.message()
      if (letter === 'X') this.socket.end()
      if (letter !== 'Q') continue
      if (body.includes(word)) return
      // Settings that Weir brings along ahead of a client's query.
      this.send(backend.commandComplete('SELECT 1'), backend.readyForQuery('I'))
    }
  }

  /** Speaks as a harmless server from now on. */
  async behave(): Promise<void> {
    const model = new ModelServer({ committed: [] })
    for (;;) {
      await this.#until(() => this.#bytes.length > 0)
      this.send(model.push(this.#take(this.#bytes.length)))
      if (model.closed) this.socket.end()
    }
  }

  #take(length: number): Buffer {
    const taken = this.#bytes.subarray(0, length)
    this.#bytes = this.#bytes.subarray(length)
    return taken
  }

  async #until(come: () => boolean): Promise<void> {
    while (!come()) {
      if (this.#closed) throw new Gone()
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

class Gone extends Error {}

export class EvilNode {
  /** What it does with a login of anybody but the probe. */
  act: Evil = good
  /** What it does when it is asked for TLS. */
  onTls: Evil = (wire) => wire.send(Buffer.from('N'))
  /** Everything anybody but the probe has sent. */
  readonly heard: Buffer[] = []
  /** Startup packets of anybody. */
  startups = 0
  /** Logins of others than the probe. */
  logins = 0
  readonly port: number
  #others = new Set<Socket>()
  #server: Server
  #open: Set<Socket>

  private constructor(server: Server, open: Set<Socket>) {
    this.#server = server
    this.#open = open
    const address = server.address()
    this.port = typeof address === 'object' && address !== null ? address.port : 0
    server.on('connection', (socket) => {
      open.add(socket)
      socket.on('close', () => open.delete(socket))
      this.#serve(socket).catch((error) => {
        socket.destroy()
        if (!(error instanceof Gone)) throw error
      })
    })
  }

  static async start(): Promise<EvilNode> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new EvilNode(server, new Set())
  }

  async #serve(socket: Socket): Promise<void> {
    const said: Buffer[] = []
    socket.on('data', (chunk: Buffer) => said.push(Buffer.from(chunk)))
    const wire = new EvilWire(socket)
    for (;;) {
      const packet = await wire.packet()
      const code = packet.readUInt32BE(4)
      if (code === CANCEL_REQUEST_CODE) {
        socket.end()
        return
      }
      if (code === SSL_REQUEST_CODE) await this.onTls(wire)
      else if (code === GSS_REQUEST_CODE) wire.send(Buffer.from('N'))
      else {
        const startup = readFirstPacket(packet, 100_000)
        if (startup.kind !== 'startup') throw new Error(`Weir sent ${startup.kind}`)
        wire.startup = startup
        this.startups++
        if (startup.params.get('user') === PROBER) return answerProbes(wire)
        this.heard.push(...said)
        socket.on('data', (chunk: Buffer) => this.heard.push(Buffer.from(chunk)))
        this.logins++
        this.#others.add(socket)
        return await this.act(wire)
      }
    }
  }

  /** Ends every connection but those of probes. */
  cut(): void {
    for (const socket of this.#others) socket.destroy()
    this.#others.clear()
  }

  async close(): Promise<void> {
    for (const socket of this.#open) socket.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }
}

/** Lets everybody in and does what it is asked. */
export const good: Evil = (wire) => {
  wire.send(welcome())
  return wire.behave()
}

/** From AuthenticationOk to ReadyForQuery. */
export function welcome(): Buffer {
  return Buffer.concat([
    backend.authenticationOk(),
    backend.parameterStatus('server_version', '18.4'),
    backend.parameterStatus('client_encoding', 'UTF8'),
    backend.backendKeyData(1, Buffer.alloc(4, 7)),
    backend.readyForQuery('I'),
  ])
}

/** The answer to a query that gives one text. */
export function answer(text: string): Buffer {
  return Buffer.concat([
    backend.rowDescription([{ name: 'c', typeOid: 25 }]),
    backend.dataRow([text]),
    backend.commandComplete('SELECT 1'),
    backend.readyForQuery('I'),
  ])
}

/** A message of this letter whose length word says `length`, with these bytes behind it. */
export function liar(letter: string, length: number, body: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(5)
  head.write(letter, 'latin1')
  head.writeUInt32BE(length, 1)
  return Buffer.concat([head, body])
}

const PROBE_ROW = ['f', '00000001', '1', null, null, null, '100', '180004']

/** The probe asks by a prepared statement of its own. */
async function answerProbes(wire: EvilWire): Promise<void> {
  const columns = PROBE_ROW.map((_, i) => ({ name: `c${i}`, typeOid: i === 0 ? 16 : 25 }))
  const replies: Record<string, () => Buffer[]> = {
    P: () => [backend.parseComplete()],
    B: () => [backend.bindComplete()],
    D: () => [backend.rowDescription(columns)],
    E: () => [backend.dataRow(PROBE_ROW), backend.commandComplete('SELECT 1')],
    S: () => [backend.readyForQuery('I')],
  }
  wire.send(welcome())
  for (;;) {
    const { letter } = await wire.message()
    if (letter === 'X') {
      wire.socket.end()
      return
    }
    wire.send(...(replies[letter]?.() ?? []))
  }
}
