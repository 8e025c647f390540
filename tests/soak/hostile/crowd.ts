/**
 * A crowd of hostile clients: so many places, and whoever leaves or is cut is replaced by another at
 * once. Rule: each comes from one of many loopback addresses, as strangers do; what became of them is
 * counted by kind.
 */
import { connect } from 'node:net'
import { KINDS, type Random, Rude } from './kinds.ts'

export interface CrowdOptions {
  readonly port: number
  readonly clients: number
  readonly random: Random
  /** Longest life of one, milliseconds. */
  readonly lifeMs: number
  /** Wait between one and the next in the same place. */
  readonly pauseMs?: number
}

export interface Tally {
  begun: number
  /** Ended by the other side. */
  cut: number
  /** Ended by itself. */
  left: number
}

export class Crowd {
  readonly tally = new Map<string, Tally>()
  /** Connections that did not come about. */
  refused = 0
  #options: CrowdOptions
  #over = false
  #there = new Set<Rude>()
  #places: Promise<void>[]

  constructor(options: CrowdOptions) {
    this.#options = options
    for (const name of Object.keys(KINDS)) this.tally.set(name, { begun: 0, cut: 0, left: 0 })
    this.#places = Array.from({ length: options.clients }, () => this.#place())
  }

  get there(): number {
    return this.#there.size
  }

  /** Everybody leaves without a word. */
  async end(): Promise<void> {
    this.#over = true
    for (const { socket } of this.#there) socket.destroy()
    await Promise.all(this.#places)
  }

  async #place(): Promise<void> {
    const { random, pauseMs = 20 } = this.#options
    const names = Object.keys(KINDS)
    // Not all in the same moment.
    await sleep(random() * 2_000)
    while (!this.#over) {
      await this.#one(names[Math.floor(random() * names.length)]!)
      await sleep(pauseMs)
    }
  }

  async #one(name: string): Promise<void> {
    const { port, random, lifeMs } = this.#options
    const localAddress = `127.0.${1 + Math.floor(random() * 8)}.${1 + Math.floor(random() * 250)}`
    const socket = connect({ port, host: '127.0.0.1', localAddress })
    socket.on('error', () => {})
    const rude = new Rude(socket, random, lifeMs * (0.3 + 0.7 * random()))
    const connected = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('close', () => resolve(false))
    })
    if (!connected) {
      this.refused++
      return
    }
    const tally = this.tally.get(name)!
    tally.begun++
    this.#there.add(rude)
    await KINDS[name]!(rude)
    this.#there.delete(rude)
    // One that paused its socket hears of its end only when it looks.
    if (rude.closed) tally.cut++
    else tally.left++
    socket.destroy()
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
