/**
 * One cancel request from here to a node, on a connection of its own. Rule: it always ends, within
 * one time limit for all of it, and says whether the request may still do something later.
 *
 *   connecting ──> (TLS) ──> sent ──the node closes──> landed          given up: unknown once sent
 */
import type { Link } from '../net/link.ts'
import type { Network, TlsConnected } from '../net/network.ts'
import type { Handshake } from '../net/tls-accept.ts'
import type { CancelMachine } from '../protocol/aside.ts'
import type { CancelKey, Protocol } from '../protocol/contract.ts'
import { checkProtocol, handshakeOptions, type NodeTls } from './node-tls.ts'

export interface CancelDeliveryOptions {
  readonly network: Network
  readonly protocol: Protocol
  readonly key: CancelKey
  /** The server connection is; then the request goes over TLS too, unless over a Unix socket. */
  readonly encrypted: boolean
  readonly tls: NodeTls
  readonly timeoutMs: number
  readonly connecting: Promise<{ readonly link: Link; readonly local: boolean }>
  readonly signal: AbortSignal | undefined
}

export class CancelDelivery {
  /** True: it has landed, or was never sent. False: it was sent, and nobody knows. Never rejects. */
  readonly done: Promise<boolean>
  #options: CancelDeliveryOptions
  #resolve!: (over: boolean) => void
  #machine: CancelMachine | undefined
  #link: Link | undefined
  /** Has the link while it lasts. */
  #handshake: Handshake<TlsConnected> | undefined
  #sent = false
  #over = false
  #timer: NodeJS.Timeout

  constructor(options: CancelDeliveryOptions) {
    this.#options = options
    this.done = new Promise((resolve) => {
      this.#resolve = resolve
    })
    this.#timer = setTimeout(this.#giveUp, options.timeoutMs)
    options.signal?.addEventListener('abort', this.#giveUp, { once: true })
    if (options.signal?.aborted === true) this.#giveUp()
    options.connecting.then(
      ({ link, local }) => this.#connected(link, local),
      () => this.#end(true),
    )
  }

  #giveUp = (): void => this.#end(!this.#sent)

  #connected(link: Link, local: boolean): void {
    const { protocol, key, encrypted, tls } = this.#options
    const way = !encrypted || local ? 'clear' : tls.direct ? 'direct' : 'asked'
    this.#machine = protocol.cancel(key, way)
    this.#take(link)
  }

  /** Goes on over `link`, which may have closed while it was made. */
  #take(link: Link): void {
    if (this.#over) {
      link.destroy()
      return
    }
    this.#link = link
    if (link.closed) {
      this.#giveUp()
      return
    }
    link.receiver = {
      data: (chunk) => {
        this.#machine!.push(chunk)
        this.#pull()
      },
      drained: () => {},
      // A clean end is the node's answer to the request; a torn link answers nothing.
      closed: (error) => this.#end(!this.#sent || error === undefined),
    }
    link.resume()
    this.#pull()
  }

  #pull(): void {
    while (!this.#over) {
      const step = this.#machine!.next()
      switch (step.kind) {
        case 'starved':
          return
        case 'send':
          this.#sent = step.last
          this.#link!.write(step.bytes)
          break
        case 'upgrade-tls':
          this.#upgrade()
          return
        case 'failed':
          this.#end(true)
          return
        default:
          step satisfies never
          return
      }
    }
  }

  #upgrade(): void {
    const { network, tls, timeoutMs } = this.#options
    try {
      this.#handshake = network.connectTls(this.#link!, handshakeOptions(tls), timeoutMs)
    } catch {
      // A certificate file that went away.
      this.#end(true)
      return
    }
    this.#handshake.done
      .then(({ link, protocol }) => {
        this.#link = link
        if (this.#over) {
          link.destroy()
          return
        }
        checkProtocol('the node', tls, protocol)
        this.#machine!.secured()
        this.#take(link)
      })
      .catch(() => this.#end(true))
  }

  #end(over: boolean): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#timer)
    this.#options.signal?.removeEventListener('abort', this.#giveUp)
    this.#handshake?.stop()
    this.#link?.destroy()
    this.#resolve(over)
  }
}
