/**
 * A wire between Weir and its node that breaks: the node may have carried out what it was sent, and its
 * answer, or half of it, is lost. Rule: until a connection is cut every byte passes; then nothing more
 * comes back, and a little later both ends are closed.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

interface Pair {
  readonly near: Socket
  readonly far: Socket
  /** Bytes that may still come back; undefined: all. */
  left: number | undefined
}

/** How long a node may go on with what it was sent before it learns of the cut. */
const MUTE_MS = 20

export class Relay {
  #server: Server
  #pairs = new Set<Pair>()

  private constructor(server: Server) {
    this.#server = server
  }

  /** Listens on loopback, on a port of its own, and leads to `port`. */
  static async start(port: number): Promise<Relay> {
    const server = createServer((near) => relay.#join(near, connect(port, '127.0.0.1')))
    const relay = new Relay(server)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(0, '127.0.0.1', resolve)
    })
    return relay
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Of the connections that are whole: their ports, as the node sees them. */
  get ports(): number[] {
    return [...this.#pairs].map(({ far }) => far.localPort ?? 0)
  }

  /** Cuts one connection at random. */
  cut(random: () => number): boolean {
    const whole = [...this.#pairs].filter(({ left }) => left === undefined)
    const pair = whole[Math.floor(random() * whole.length)]
    if (pair === undefined) return false
    // Half of the time in the middle of an answer, perhaps of a message.
    pair.left = random() < 0.5 ? 0 : Math.floor(random() * 200)
    setTimeout(() => this.#close(pair), random() * MUTE_MS)
    return true
  }

  async end(): Promise<void> {
    for (const pair of this.#pairs) this.#close(pair)
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #join(near: Socket, far: Socket): void {
    const pair: Pair = { near, far, left: undefined }
    this.#pairs.add(pair)
    near.setNoDelay(true)
    far.setNoDelay(true)
    near.on('data', (chunk) => {
      if (!far.write(chunk)) near.pause()
    })
    far.on('drain', () => near.resume())
    far.on('data', (chunk: Buffer) => {
      const passes = pair.left === undefined ? chunk : chunk.subarray(0, pair.left)
      if (pair.left !== undefined) pair.left -= passes.length
      if (passes.length > 0 && !near.write(passes)) far.pause()
    })
    near.on('drain', () => far.resume())
    for (const end of [near, far]) {
      end.on('error', () => {})
      end.on('close', () => this.#close(pair))
    }
  }

  #close(pair: Pair): void {
    this.#pairs.delete(pair)
    pair.near.destroy()
    pair.far.destroy()
  }
}
