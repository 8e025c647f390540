/**
 * A link on one of Node's own streams: TLS, and plain sockets where the raw way is not to be had.
 * Rule: everything written is copied, because a stream may keep it longer than the turn.
 */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { KEEP_ALIVE_MS, type Link, nobody, type Receiver } from './link.ts'
import type { RawLink } from './raw-link.ts'
import type { Turn } from './turn.ts'

const LINGER_MS = 2_000

export class StreamLink implements Link {
  receiver: Receiver = nobody
  bytesRead = 0
  bytesWritten = 0
  writes = 0
  closed = false
  relayed = false
  readonly encrypted: boolean
  remoteAddress: string | undefined
  remotePort: number | undefined
  #turn: Turn<RawLink>
  #socket: Socket
  #pending: Buffer[] = []
  #marked = false
  #ending = false
  #error: Error | undefined
  #started = false

  constructor(turn: Turn<RawLink>, socket: Socket | TLSSocket) {
    this.#turn = turn
    this.#socket = socket
    this.encrypted = 'encrypted' in socket && socket.encrypted === true
    // Only TCP has a local port, and keeps it when the peer has reset meanwhile.
    const tcp = 'port' in socket.address()
    this.remoteAddress = socket.remoteAddress ?? (tcp ? '' : undefined)
    this.remotePort = socket.remotePort
    if (!this.encrypted) {
      socket.setNoDelay(true)
      socket.setKeepAlive(true, KEEP_ALIVE_MS)
    }
    socket.pause()
    socket.on('error', (error) => {
      this.#error = error
    })
    socket.on('end', () => this.#gone())
    socket.on('close', () => this.#gone())
    socket.on('drain', () => {
      if (!this.closed && !this.#ending) this.receiver.drained()
    })
  }

  get congested(): boolean {
    return this.#socket.writableNeedDrain
  }

  /** What was written in this turn counts only when it has left it. */
  get unsent(): number {
    return this.#socket.writableLength
  }

  cameFrom(address: string | undefined, port: number | undefined): void {
    this.relayed = true
    this.remoteAddress = address
    this.remotePort = port
  }

  #onData = (chunk: Buffer): void => {
    if (this.closed || this.#ending) return
    this.bytesRead += chunk.length
    this.#turn.beginRead(undefined)
    try {
      this.receiver.data(chunk)
    } finally {
      this.#turn.endRead()
    }
  }

  add(chunk: Buffer): void {
    if (this.closed || this.#ending || chunk.length === 0) return
    this.bytesWritten += chunk.length
    this.#pending.push(Buffer.from(chunk))
  }

  write(chunk: Buffer): void {
    this.add(chunk)
    this.send()
  }

  send(): void {
    if (this.#marked || this.#pending.length === 0) return
    this.#marked = true
    this.#turn.mark(this)
  }

  flush(): void {
    this.#marked = false
    if (this.closed || this.#pending.length === 0) return
    const all = this.#pending.length === 1 ? this.#pending[0]! : Buffer.concat(this.#pending)
    this.#pending = []
    this.writes++
    this.#socket.write(all)
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    if (this.closed) return
    if (!this.#started) {
      this.#started = true
      this.#socket.on('data', this.#onData)
    }
    this.#socket.resume()
  }

  end(): void {
    if (this.closed || this.#ending) return
    this.flush()
    this.#ending = true
    this.receiver = nobody
    this.#socket.end()
    this.resume()
    setTimeout(() => this.destroy(), LINGER_MS).unref()
  }

  destroy(): void {
    if (this.closed) return
    this.closed = true
    this.receiver = nobody
    this.#socket.destroy()
  }

  detach(): Socket {
    this.closed = true
    this.receiver = nobody
    this.#socket.removeAllListeners('data')
    this.#socket.removeAllListeners('end')
    this.#socket.removeAllListeners('close')
    return this.#socket
  }

  #gone(): void {
    if (this.closed) return
    const receiver = this.receiver
    this.destroy()
    receiver.closed(this.#error)
  }
}
