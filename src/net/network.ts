/**
 * Where links come from: listening, connecting, and the upgrade to TLS. Rule: this is the only file
 * that decides between the raw way and Node's streams.
 */
import net from 'node:net'
import tls from 'node:tls'
import type { Link } from './link.ts'
import { type ListeningHandle, listenerCopies } from './listener-copies.ts'
import { type RawHandle, rawStreams, takeHandle } from './raw.ts'
import { RawLink } from './raw-link.ts'
import { StreamLink } from './stream-link.ts'
import { Turn } from './turn.ts'

export type Address = { host: string; port: number } | { path: string }

export interface Listener {
  readonly address: Address
  /** Stops accepting; links already accepted live on. */
  close(): Promise<void>
}

export interface TlsAccepted {
  readonly link: Link
  /** The name the client asked for (SNI), lower case; undefined when it sent none. */
  readonly serverName: string | undefined
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

  /** Server side of TLS on `link`; `early` are bytes of the handshake already read. */
  acceptTls(
    link: Link,
    context: tls.SecureContext,
    early: Buffer,
    timeoutMs: number,
  ): Promise<TlsAccepted> {
    const plain = link.detach()
    if (early.length > 0) plain.unshift(Buffer.from(early))
    const socket = new tls.TLSSocket(plain, {
      isServer: true,
      secureContext: context,
      ALPNProtocols: ['postgresql'],
    })
    // Without a `tls.Server` above it, Node tells of a broken record by this event and does no more.
    socket.on('_tlsError', (error: Error) => socket.destroy(error))
    return this.#secured(socket, 'secure', timeoutMs).then((secured) => {
      const name = (socket as unknown as { servername?: string | false }).servername
      return {
        link: secured,
        serverName: typeof name === 'string' ? name.toLowerCase() : undefined,
      }
    })
  }

  /** Client side of TLS on `link`. */
  connectTls(link: Link, options: tls.ConnectionOptions, timeoutMs: number): Promise<Link> {
    const socket = tls.connect({ ...options, socket: link.detach() })
    return this.#secured(socket, 'secureConnect', timeoutMs)
  }

  /** The link may be closed again by the time the promise is acted upon. */
  #secured(socket: tls.TLSSocket, event: string, timeoutMs: number): Promise<Link> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => {
        clearTimeout(timer)
        socket.destroy()
        reject(error)
      }
      const timer = setTimeout(() => fail(new Error('TLS handshake took too long')), timeoutMs)
      const ended = () => fail(new Error('peer left during the TLS handshake'))
      socket.once('error', fail)
      socket.once('close', ended)
      socket.once(event, () => {
        clearTimeout(timer)
        socket.removeListener('error', fail)
        socket.removeListener('close', ended)
        // Made here and not by whoever waits: an error in this same read must find it listening.
        resolve(new StreamLink(this.turn, socket))
      })
    })
  }
}
