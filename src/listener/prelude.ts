/**
 * What a load balancer says ahead of a client's first byte: for whom it speaks. Rule: nothing of the
 * client's is looked at before the header has ended, and a header that is wrong, too long or too slow
 * ends the connection without an answer, for there is nobody to answer to.
 */
import { Deadline, type TimerWheel } from '../core/timer-wheel.ts'
import { type Link, nobody, type Receiver } from '../net/link.ts'
import { readProxyHeader } from '../net/proxy-header.ts'

/** `rest`: what the client itself has said already. A string says why there is no header. */
export type Told = (outcome: { rest: Buffer } | string) => void

export class Prelude implements Receiver {
  #link: Link
  #wheel: TimerWheel
  #deadline: Deadline
  #heard = Buffer.alloc(0)
  #told: Told

  /** Reads from `link` until it has told; after a header the link is paused and knows where it came from. */
  constructor(link: Link, wheel: TimerWheel, withinMs: number, told: Told) {
    this.#link = link
    this.#wheel = wheel
    this.#told = told
    this.#deadline = new Deadline(() => this.#fail('none came in time'))
    wheel.arm(this.#deadline, withinMs)
    link.receiver = this
    link.resume()
  }

  data(chunk: Buffer): void {
    this.#heard = Buffer.concat([this.#heard, chunk])
    const read = readProxyHeader(this.#heard)
    if (read.kind === 'incomplete') return
    if (read.kind === 'junk') {
      this.#fail(read.why)
      return
    }
    const { source } = read
    this.#link.pause()
    this.#link.cameFrom(
      source?.address ?? this.#link.remoteAddress,
      source?.port ?? this.#link.remotePort,
    )
    this.#end({ rest: this.#heard.subarray(read.length) })
  }

  closed(): void {
    this.#end('the connection ended in it')
  }

  drained(): void {}

  /** Ends it from outside: the proxy stops. */
  abort(): void {
    this.#fail('Weir stops')
  }

  #fail(why: string): void {
    this.#link.destroy()
    this.#end(why)
  }

  #end(outcome: Parameters<Told>[0]): void {
    this.#link.receiver = nobody
    this.#wheel.cancel(this.#deadline)
    this.#told(outcome)
  }
}
