/**
 * Where links come from: listening, connecting, and the upgrade to TLS. Rule: this is the only file
 * that decides between the raw way and Node's streams.
 */
import net from 'node:net'
import tls from 'node:tls'
import type { SecureChannel } from '../core/secure-channel.ts'
import type { Link } from './link.ts'
import { type ListeningHandle, listenerCopies } from './listener-copies.ts'
import { type RawHandle, rawStreams, takeHandle } from './raw.ts'
import { RawLink } from './raw-link.ts'
import { StreamLink } from './stream-link.ts'
import {
  type AcceptOptions,
  beginHandshake,
  type Handshake,
  settle,
  type TlsOffer,
} from './tls-accept.ts'
import { Turn } from './turn.ts'

export type Address = { host: string; port: number } | { path: string }

export interface Listener {
  readonly address: Address
  /** Stops accepting; links already accepted live on. */
  close(): Promise<void>
}

export interface TlsAccepted {
  readonly link: Link
  readonly channel: SecureChannel
}

export interface TlsConnected {
  readonly link: Link
  /** What the server showed, DER. */
  readonly certificate: Buffer | undefined
  /** What it agreed to speak (ALPN); undefined when it said nothing. */
  readonly protocol: string | undefined
}

/** Connections taken from one listening socket in one turn of the event loop, at most. */
const ACCEPTS_PER_TURN = 8

export class Network {
  readonly turn = new Turn<RawLink>()
  #raw = rawStreams()

  /** True when links bypass Node's stream layer. */
  get isRaw(): boolean {
    return this.#raw !== undefined
  }

  /** Listens and hands every accepted, paused link to `accept`. Rejects with the system's error. */
  listen(address: Address, backlog: number, accept: (link: Link) => void): Promise<Listener> {
    const server = net.createServer({ pauseOnConnect: true, noDelay: true })
    const open = new Set<net.Socket>()
    server.on('connection', (socket) => {
      open.add(socket)
      socket.on('close', () => open.delete(socket))
      accept(new StreamLink(this.turn, socket))
    })
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen({ ...address, backlog }, () => {
        server.removeListener('error', reject)
        // A failed accept (no descriptors left) must not end the process; the kernel keeps the queue.
        server.on('error', () => {})
        const bound = server.address()
        const listener = (copies: ListeningHandle[]): Listener => ({
          address:
            bound !== null && typeof bound === 'object'
              ? { host: bound.address, port: bound.port }
              : address,
          close: () =>
            new Promise((done) => {
              for (const copy of copies) copy.close()
              for (const socket of open) socket.unref()
              server.close(() => done())
              if (open.size > 0) done()
            }),
        })
        this.#acceptRaw(server, backlog, accept).then(
          (copies) => resolve(listener(copies)),
          () => resolve(listener([])),
        )
      })
    })
  }

  /**
   * Takes accepted handles before `net.Server` wraps each in a stream, several in a turn. Resolves to
   * the copies of the server's own handle that do so beside it.
   */
  async #acceptRaw(
    server: net.Server,
    backlog: number,
    accept: (link: Link) => void,
  ): Promise<ListeningHandle[]> {
    const raw = this.#raw
    const handle = (server as unknown as { _handle?: ListeningHandle })._handle
    if (raw === undefined || typeof handle?.onconnection !== 'function') return []
    const onconnection = (status: number, client: RawHandle): void => {
      if (status === 0 && client !== undefined) accept(new RawLink(raw, this.turn, client, false))
    }
    handle.onconnection = onconnection
    const copies = await listenerCopies(handle, ACCEPTS_PER_TURN - 1)
    return copies.filter((copy) => {
      copy.onconnection = onconnection
      const failed = copy.listen(backlog) !== 0
      if (failed) copy.close()
      return !failed
    })
  }

  /** Connects; the link is paused. Rejects with the system's error or after `timeoutMs`. */
  connect(address: Address, timeoutMs: number): Promise<Link> {
    return new Promise((resolve, reject) => {
      const socket = net.connect(address)
      socket.pause()
      const timer = setTimeout(() => {
        socket.destroy()
        reject(
          Object.assign(new Error(`no connection within ${timeoutMs} ms`), { code: 'ETIMEDOUT' }),
        )
      }, timeoutMs)
      socket.once('error', (error) => {
        clearTimeout(timer)
        reject(error)
      })
      socket.once('connect', () => {
        clearTimeout(timer)
        socket.removeAllListeners('error')
        const handle = this.#raw === undefined ? undefined : takeHandle(socket)
        if (handle === undefined || this.#raw === undefined)
          resolve(new StreamLink(this.turn, socket))
        else resolve(new RawLink(this.#raw, this.turn, handle, true))
      })
    })
  }

  /**
   * Server side of TLS on `link`. Rejects with why there is none; the link may be closed again by the
   * time the promise is acted upon.
   */
  acceptTls(link: Link, offer: TlsOffer, options: AcceptOptions): Handshake<TlsAccepted> {
    return beginHandshake(link.detach(), offer, options, (socket, channel) => ({
      link: this.#linkOn(socket),
      channel,
    }))
  }

  /**
   * Client side of TLS on `link`. A session is never resumed: the certificate is verified each time.
   * Rejects with why there is no channel; the link is gone then.
   */
  connectTls(
    link: Link,
    options: tls.ConnectionOptions,
    timeoutMs: number,
  ): Handshake<TlsConnected> {
    const socket = tls.connect({ ...options, socket: link.detach() })
    return settle(socket, 'secureConnect', timeoutMs, () => ({
      link: this.#linkOn(socket),
      certificate: socket.getPeerX509Certificate()?.raw,
      protocol: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : undefined,
    }))
  }

  /** Made in the read that ends the handshake: an error in that same read must find it listening. */
  #linkOn(socket: tls.TLSSocket): Link {
    return new StreamLink(this.turn, socket)
  }
}
