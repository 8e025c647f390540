/**
 * One client of a storm: a socket, a login, statements, the end. Rule: it tells each step once and the
 * moment it happens, keeps no time itself, and after `failed` or `lost` says nothing more. Lean,
 * because thousands of them share one event loop and must not be what is measured.
 */
import net from 'node:net'
import tls from 'node:tls'
import { messageOf } from '../../core/errors.ts'
import {
  AUTHENTICATION,
  ERROR,
  errorOf,
  MessageReader,
  password,
  type ServerError,
  SSL_REQUEST,
  saslFirst,
  TERMINATE,
} from './messages.ts'
import { type KeyRing, md5Proof, ScramLogin } from './scram.ts'
import type { TargetAddress } from './target-address.ts'

/** What the clients of a thread share. */
export interface ClientHost {
  readonly address: TargetAddress
  /** Of the address's host. */
  readonly ip: string
  readonly startup: Buffer
  readonly keys: KeyRing
  /** Plain connections are read into it, one after the other. */
  readonly readBuffer: Buffer
}

export interface ClientEvents {
  /** TCP, and TLS where there is any. */
  connected(client: StormClient): void
  loggedIn(client: StormClient): void
  /** The statement that was asked is over. */
  answered(client: StormClient, error: ServerError | undefined): void
  /** It was not let in; or its connection broke. */
  failed(client: StormClient, error: ServerError): void
}

type State = 'connecting' | 'login' | 'idle' | 'busy' | 'over'

export class StormClient {
  /** Of its arrival, from 0. */
  readonly number: number
  /** When its arrival, and the statement it asks, fell due; set by whoever leads it. */
  due: number
  statementDue = 0
  /** For whoever leads it: when the step that goes on began, and how many statements it has asked. */
  stepAt = 0
  asked = 0
  /** Statements that fell due while it was busy, and when the first of them did. */
  waiting = 0
  waitingDue = 0
  state: State = 'connecting'
  readonly #host: ClientHost
  readonly #events: ClientEvents
  readonly #reader = new MessageReader()
  readonly #take = (type: number, body: Buffer): void => this.#message(type, body)
  #socket: net.Socket
  #scram: ScramLogin | undefined
  #error: ServerError | undefined

  /** Begins to connect. @param localAddress where the other end's ports would run out */
  constructor(
    number: number,
    due: number,
    host: ClientHost,
    events: ClientEvents,
    localAddress?: string,
  ) {
    this.number = number
    this.due = due
    this.#host = host
    this.#events = events
    const { address, ip, readBuffer } = host
    const plain = address.tls === 'disable'
    this.#socket = net.connect({
      host: ip,
      port: address.port,
      noDelay: true,
      ...(localAddress === undefined ? {} : { localAddress }),
      ...(plain ? { onread: { buffer: readBuffer, callback: (n, b) => this.#read(n, b) } } : {}),
    })
    this.#watch(this.#socket)
    this.#socket.once('connect', () => {
      if (plain) this.#login()
      else this.#negotiate()
    })
  }

  /** Sends a statement; the client must be idle. */
  ask(statement: Buffer, due: number): void {
    if (this.state !== 'idle') throw new Error(`BUG: a client that is ${this.state} cannot ask`)
    this.state = 'busy'
    this.statementDue = due
    this.asked++
    this.#socket.write(statement)
  }

  /** Says goodbye; no event follows. */
  leave(): void {
    if (this.state === 'over') return
    this.state = 'over'
    this.#socket.end(TERMINATE)
  }

  /** Cuts the connection as a network does; no event follows. */
  cut(): void {
    this.state = 'over'
    this.#socket.resetAndDestroy()
  }

  /** Gives up: closes and tells `failed`. */
  giveUp(error: ServerError): void {
    this.#over(error)
  }

  #watch(socket: net.Socket): void {
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#over(this.#error ?? { code: error.code ?? 'other', text: error.message })
    })
    socket.on('close', () => this.#over(this.#error ?? CLOSED))
  }

  /** Asks for TLS first, as libpq does. */
  #negotiate(): void {
    const socket = this.#socket
    socket.write(SSL_REQUEST)
    socket.once('data', (answer: Buffer) => {
      const { tls: mode, host } = this.#host.address
      if (answer.length === 1 && answer[0] === 0x53) {
        const secure = tls.connect({
          socket,
          rejectUnauthorized: false,
          ...(net.isIP(host) === 0 ? { servername: host } : {}),
        })
        this.#socket = secure
        this.#watch(secure)
        secure.once('secureConnect', () => this.#login())
        secure.on('data', (chunk: Buffer) => this.#push(chunk))
        return
      }
      if (answer[0] === ERROR) {
        this.#push(answer)
        return
      }
      if (mode === 'require') {
        this.#over({ code: 'no-tls', text: 'the server does not speak TLS' })
        return
      }
      socket.on('data', (chunk: Buffer) => this.#push(chunk))
      this.#login()
    })
  }

  #login(): void {
    if (this.state === 'over') return
    this.state = 'login'
    this.#events.connected(this)
    this.#socket.write(this.#host.startup)
  }

  #read(length: number, buffer: Uint8Array): boolean {
    this.#push(Buffer.from(buffer.buffer, buffer.byteOffset, length))
    return true
  }

  #push(chunk: Buffer): void {
    if (this.state === 'over') return
    try {
      this.#reader.push(chunk, this.#take)
    } catch (error) {
      this.#over({ code: 'protocol', text: messageOf(error) })
    }
  }

  #message(type: number, body: Buffer): void {
    if (this.state === 'over') return
    if (type === AUTHENTICATION) {
      this.#authenticate(body)
      return
    }
    if (type === ERROR) {
      this.#error = errorOf(body)
      // Nothing but the end comes after an error of a login.
      if (this.state !== 'busy') this.#over(this.#error)
      return
    }
    if (this.state === 'busy') {
      this.state = 'idle'
      const error = this.#error
      this.#error = undefined
      this.#events.answered(this, error)
      return
    }
    if (this.state !== 'login') return
    this.state = 'idle'
    this.#scram = undefined
    this.#events.loggedIn(this)
  }

  #authenticate(body: Buffer): void {
    const { address, keys } = this.#host
    const rest = body.subarray(4)
    switch (body.readInt32BE(0)) {
      case 0:
        return
      case 3:
        this.#socket.write(password(`${address.password}\0`))
        return
      case 5:
        this.#socket.write(password(`${md5Proof(address.user, address.password, rest)}\0`))
        return
      case 10:
        if (!rest.toString('latin1').split('\0').includes(SCRAM)) break
        this.#scram = new ScramLogin(keys)
        this.#socket.write(saslFirst(SCRAM, this.#scram.first()))
        return
      case 11:
        this.#scram?.final(rest.toString('latin1')).then(
          (answer) => this.state === 'login' && this.#socket.write(password(answer)),
          (error: unknown) => this.#over({ code: 'protocol', text: messageOf(error) }),
        )
        return
      case 12:
        this.#scram?.verify(rest.toString('latin1'))
        return
    }
    throw new Error('the server asks for a way to log in that this instrument does not know')
  }

  #over(error: ServerError): void {
    if (this.state === 'over') return
    this.state = 'over'
    this.#socket.destroy()
    this.#events.failed(this, error)
  }
}

const SCRAM = 'SCRAM-SHA-256'

const CLOSED: ServerError = {
  code: 'connection-closed',
  text: 'the connection was closed without a word',
}
