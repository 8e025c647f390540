/**
 * A TCP forwarder before one node that can be cut, both ways, as a network can. Rule: a cut says
 * nothing: no reset, no end, no refusal. Bytes stay where they are, new connections open and get no
 * answer (the kernel completes them, which a real cut would not), and when the link is whole
 * again everything goes on where it stood.
 */
import { createServer, connect as dial, type Server, type Socket } from 'node:net'
import type { NodeAddress } from './subject.ts'

interface Pair {
  readonly near: Socket
  far: Socket | undefined
  /** Sides that are to learn, when the link is whole again, that the other said its last. */
  readonly ends: Socket[]
}

export class CuttableLink {
  readonly node: NodeAddress
  readonly #server: Server
  readonly #pairs = new Set<Pair>()
  #cut = false
  #address: NodeAddress | undefined

  constructor(node: NodeAddress) {
    this.node = node
    // Half-closed connections are passed on as such; Node would end both ways at once.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true })
    this.#server.on('connection', (near) => this.#accept(near))
  }

  /** Where a subject reaches the node. Throws when it is not open. */
  get address(): NodeAddress {
    if (this.#address === undefined) throw new Error(`the link to ${this.node.name} is not open`)
    return this.#address
  }

  get isCut(): boolean {
    return this.#cut
  }

  /** @param port 0 for any free one */
  async open(port = 0): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, '127.0.0.1', resolve)
    })
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    this.#address = { name: this.node.name, host: '127.0.0.1', port: address.port }
  }

  cut(): void {
    this.#cut = true
    for (const { near, far } of this.#pairs) {
      near.pause()
      far?.pause()
    }
  }

  restore(): void {
    this.#cut = false
    for (const pair of this.#pairs) {
      if (pair.far === undefined && !pair.near.destroyed) this.#dial(pair)
      pair.near.resume()
      pair.far?.resume()
      for (const side of pair.ends.splice(0)) side.end()
      if (pair.near.destroyed || pair.far?.destroyed) this.#drop(pair)
    }
  }

  async close(): Promise<void> {
    for (const { near, far } of this.#pairs) {
      near.destroy()
      far?.destroy()
    }
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #accept(near: Socket): void {
    const pair: Pair = { near, far: undefined, ends: [] }
    this.#pairs.add(pair)
    near.on('error', () => {})
    near.on('close', () => this.#drop(pair))
    if (!this.#cut) this.#dial(pair)
  }

  #dial(pair: Pair): void {
    const far = dial({ host: this.node.host, port: this.node.port, allowHalfOpen: true })
    far.setNoDelay(true)
    pair.far = far
    far.on('error', () => {})
    far.on('close', () => this.#drop(pair))
    this.#forward(pair, pair.near, far)
    this.#forward(pair, far, pair.near)
    if (this.#cut) far.pause()
    else pair.near.resume()
  }

  #forward(pair: Pair, from: Socket, to: Socket): void {
    from.on('data', (chunk) => {
      if (to.write(chunk)) return
      from.pause()
      to.once('drain', () => {
        if (!this.#cut) from.resume()
      })
    })
    from.on('end', () => {
      if (this.#cut) pair.ends.push(to)
      else to.end()
    })
  }

  /** One side is gone: the other learns it, unless the link is cut and it cannot. */
  #drop(pair: Pair): void {
    const { near, far } = pair
    const bothGone = near.destroyed && (far === undefined || far.destroyed)
    if (bothGone) this.#pairs.delete(pair)
    else if (!this.#cut) {
      // What a broken connection looks like from afar is a reset.
      if (!near.destroyed) near.resetAndDestroy()
      if (far !== undefined && !far.destroyed) far.destroy()
    }
  }
}
