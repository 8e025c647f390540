/**
 * A link straight on Node's stream handle, past the stream layer. Rule: memory given to the kernel
 * stays untouched until it has been sent. Small writes are copied or come from a buffer of the
 * reader's own; when such a write does not complete at once, the reader gets a fresh buffer.
 *
 *   read ──> shared buffer (small reads) ──> write: copied, one writeBuffer
 *       └──> own buffer (big reads)      ──> write: in place; still under way? new own buffer
 */
import { Socket } from 'node:net'
import { getSystemErrorName } from 'node:util'
import { KEEP_ALIVE_MS, type Link, nobody, type Receiver } from './link.ts'
import type { RawHandle, RawStreams, WriteRequest } from './raw.ts'
import { Block, READ_BUFFER_BYTES, SCRATCH_BYTES, type Turn } from './turn.ts'

/** A read this large means a stream is under way: such a link reads into its own buffer. */
const STREAMING_READ = 16_384
/** And one as small as this that it is over: then it gives the buffer back, for it may be idle for long. */
const QUIET_READ = 4_096
/** Reads of one link in a turn that fill the buffer; libuv would go on to 32 (uv__read). */
const MOST_FULL_READS = 2
/** How long a closing link waits for the peer's end before it closes anyway (ms). */
const LINGER_MS = 2_000
const UV_EOF = -4095

const NO_MORE: Buffer[] = []

function onRead(this: RawHandle): Buffer | undefined {
  return (this.link as RawLink).read()
}

export class RawLink implements Link {
  receiver: Receiver = nobody
  bytesRead = 0
  bytesWritten = 0
  writes = 0
  closed = false
  relayed = false
  readonly encrypted = false
  remoteAddress: string | undefined
  remotePort: number | undefined
  #raw: RawStreams
  #turn: Turn<RawLink>
  #handle: RawHandle
  #own: Block | undefined
  /** A buffer of its own also while little comes. */
  #keepsOwn: boolean
  /** Reads in a row that filled the buffer. */
  #full = 0
  /** What this turn's write is made of; nearly always one piece. */
  #first: Buffer | undefined
  #more = NO_MORE
  #pendingBytes = 0
  #marked = false
  /** Some of it lies in memory that is used again once it was sent, or copied. */
  #foreign = false
  #reading = false
  #inFlight: WriteRequest | undefined
  #ending = false
  #abandonBuffer = false

  /** `ownBuffer`: read into a buffer of its own from the start (server connections). */
  constructor(raw: RawStreams, turn: Turn<RawLink>, handle: RawHandle, ownBuffer: boolean) {
    this.#raw = raw
    this.#turn = turn
    this.#handle = handle
    this.#keepsOwn = ownBuffer
    if (ownBuffer) this.#own = new Block(READ_BUFFER_BYTES)
    const peer: { address?: string; port?: number } = {}
    // A Unix socket has no such call; a peer that has reset meanwhile has no address any more.
    if (handle.getpeername?.(peer) !== undefined) this.remoteAddress = peer.address ?? ''
    this.remotePort = peer.port
    handle.setNoDelay?.(true)
    handle.setKeepAlive?.(true, KEEP_ALIVE_MS / 1_000)
    handle.useUserBuffer((this.#own ?? turn.shared).buffer)
    handle.link = this
    handle.onread = onRead
  }

  get congested(): boolean {
    return this.#inFlight !== undefined
  }

  get unsent(): number {
    return this.#pendingBytes + (this.#inFlight === undefined ? 0 : this.#handle.writeQueueSize)
  }

  cameFrom(address: string | undefined, port: number | undefined): void {
    this.relayed = true
    this.remoteAddress = address
    this.remotePort = port
  }

  /** The handle has read, or learnt that there is nothing more; returns another buffer to read into. */
  read(): Buffer | undefined {
    const nread = this.#raw.state[this.#raw.kReadBytesOrError]!
    if (nread < 0) {
      this.#gone(nread)
      return undefined
    }
    if (nread === 0 || this.#ending) return undefined
    this.bytesRead += nread
    const block = this.#own ?? this.#turn.shared
    this.#turn.beginRead(this)
    try {
      this.receiver.data(block.view(nread))
    } finally {
      this.#turn.endRead()
    }
    if (nread < READ_BUFFER_BYTES) this.#full = 0
    else if (++this.#full >= MOST_FULL_READS) this.#rest()
    if (this.#own !== undefined && !this.#keepsOwn && nread < QUIET_READ) {
      this.#abandonBuffer = false
      this.#own = undefined
      return this.#turn.shared.buffer
    }
    if (this.#abandonBuffer || (this.#own === undefined && nread >= STREAMING_READ)) {
      this.#abandonBuffer = false
      this.#own = new Block(READ_BUFFER_BYTES)
      return this.#own.buffer
    }
    return undefined
  }

  /** Its peer has sent more, which is read in the next turn: others have sent something, too. */
  #rest(): void {
    this.#full = 0
    if (!this.#reading || this.closed) return
    this.#handle.readStop()
    setImmediate(() => {
      if (this.#reading && !this.closed) this.#handle.readStart()
    })
  }

  add(chunk: Buffer): void {
    if (this.closed || this.#ending || chunk.length === 0) return
    this.#foreign = true
    this.#put(chunk)
  }

  send(): void {
    if (this.#marked || this.#inFlight !== undefined || this.#pendingBytes === 0) return
    this.#marked = true
    this.#turn.mark(this)
  }

  write(chunk: Buffer): void {
    if (this.closed || this.#ending || chunk.length === 0) return
    this.#put(chunk)
    if (this.#marked || this.#inFlight !== undefined) return
    this.#marked = true
    this.#turn.mark(this)
  }

  #put(chunk: Buffer): void {
    this.bytesWritten += chunk.length
    // What has to wait for an earlier write outlives this turn, so it must be ours.
    const piece = this.#inFlight === undefined ? chunk : Buffer.from(chunk)
    if (this.#first === undefined) this.#first = piece
    else if (this.#more === NO_MORE) this.#more = [piece]
    else this.#more.push(piece)
    this.#pendingBytes += chunk.length
  }

  flush(): void {
    this.#marked = false
    if (this.closed || this.#inFlight !== undefined || this.#pendingBytes === 0) return
    const turn = this.#turn
    const reader = turn.reader
    // Whatever is written while a link with memory of its own is read lies either there or in
    // memory nobody uses again, so the kernel may take it from where it is.
    const inPlace = reader !== undefined && reader.#own !== undefined && !this.#foreign
    this.#foreign = false
    const first = this.#first!
    const single = this.#more.length === 0
    let held: Buffer | Buffer[]
    let scratched = false
    if (single && inPlace) held = first
    else if (this.#pendingBytes <= SCRATCH_BYTES) {
      held = this.#gather()
      scratched = true
    } else {
      const pieces = [first, ...this.#more]
      held = inPlace ? pieces : pieces.map((piece) => Buffer.from(piece))
    }
    this.#first = undefined
    this.#more = NO_MORE
    this.#pendingBytes = 0
    const { request } = this.#raw
    const error = Array.isArray(held)
      ? this.#handle.writev(request, held, true)
      : this.#handle.writeBuffer(request, held)
    this.writes++
    if (error !== 0) {
      this.#gone(error)
      return
    }
    if (this.#raw.state[this.#raw.kLastWriteWasAsync] === 0) return
    request.held = held
    request.oncomplete = (status) => this.#written(status)
    this.#inFlight = request
    this.#raw.request = new this.#raw.WriteWrap()
    if (scratched) turn.scratch = new Block(SCRATCH_BYTES)
    else if (inPlace) reader.#abandonBuffer = true
  }

  #gather(): Buffer {
    const { scratch } = this.#turn
    const first = this.#first!
    scratch.buffer.set(first, 0)
    let at = first.length
    for (let i = 0; i < this.#more.length; i++) {
      const piece = this.#more[i]!
      scratch.buffer.set(piece, at)
      at += piece.length
    }
    return scratch.view(at)
  }

  #written(status: number): void {
    this.#inFlight = undefined
    if (this.closed) return
    if (status !== 0) {
      this.#gone(status)
      return
    }
    if (this.#pendingBytes > 0) this.flush()
    if (this.#inFlight !== undefined) return
    if (this.#ending) this.#shutdown()
    else this.receiver.drained()
  }

  pause(): void {
    if (!this.#reading || this.closed) return
    this.#reading = false
    this.#handle.readStop()
  }

  resume(): void {
    if (this.#reading || this.closed) return
    this.#reading = true
    const error = this.#handle.readStart()
    if (error !== 0) process.nextTick(() => this.#gone(error))
  }

  end(): void {
    if (this.closed || this.#ending) return
    this.flush()
    if (this.closed) return
    this.#ending = true
    this.receiver = nobody
    if (this.#inFlight === undefined) this.#shutdown()
    // A peer that never reads must not hold the descriptor for ever.
    setTimeout(() => this.destroy(), LINGER_MS * (this.#inFlight === undefined ? 1 : 5)).unref()
  }

  /** Half-closes and reads on until the peer's end: closing with unread input would send a reset. */
  #shutdown(): void {
    if (this.closed) return
    const request = new this.#raw.ShutdownWrap()
    request.oncomplete = () => {}
    if (this.#handle.shutdown(request) !== 0) {
      this.destroy()
      return
    }
    this.resume()
  }

  destroy(): void {
    if (this.closed) return
    this.closed = true
    this.receiver = nobody
    this.#first = undefined
    this.#more = NO_MORE
    this.#pendingBytes = 0
    this.#handle.close()
  }

  detach(): Socket {
    this.#handle.readStop()
    this.closed = true
    this.receiver = nobody
    return new Socket({ handle: this.#handle } as unknown as ConstructorParameters<
      typeof Socket
    >[0])
  }

  #gone(code: number): void {
    if (this.closed) return
    const receiver = this.receiver
    this.destroy()
    receiver.closed(code === UV_EOF ? undefined : systemError(code))
  }
}

function systemError(code: number): Error {
  const name = getSystemErrorName(code)
  return Object.assign(new Error(`connection lost: ${name}`), { code: name })
}
