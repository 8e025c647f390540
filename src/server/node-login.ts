/**
 * One login towards a node on one connection: TLS, proof, and the init query. Rule: what it gives out
 * is clean and idle; when it fails the connection is gone, and the error says at which node and why.
 */
import { messageOf, WeirError } from '../core/errors.ts'
import type { Link } from '../net/link.ts'
import type { Network, TlsConnected } from '../net/network.ts'
import type { Handshake } from '../net/tls-accept.ts'
import type { ConnectOptions, Protocol, ServerConversation } from '../protocol/contract.ts'
import type { NodeAddress } from './node-address.ts'
import { checkProtocol, handshakeOptions, type NodeTls, tlsTrouble } from './node-tls.ts'

export interface LoggedIn {
  readonly link: Link
  readonly conversation: ServerConversation
  /** What came behind the login; the conversation has been given it too. */
  readonly rest: Buffer
}

export interface NodeLoginOptions {
  readonly network: Network
  readonly protocol: Protocol
  /** For the TLS handshake. */
  readonly loginTimeoutMs: number
  /** The login has agreed on TLS with this node and begins its handshake. */
  readonly securing: (node: NodeAddress) => void
}

export class NodeLogin {
  /** Rejects with a WeirError; the link is gone then. */
  readonly done: Promise<LoggedIn>
  /** When it has failed: what to try on another connection; undefined when there is nothing. */
  again: Promise<unknown> | undefined
  /** It has failed with, or for want of, TLS: the other way may be the right one. */
  otherWay = false
  #options: NodeLoginOptions
  #tls: NodeTls
  #machine: ReturnType<Protocol['connect']>
  #link: Link
  /** Has the link while it lasts. */
  #handshake: Handshake<TlsConnected> | undefined
  #node: NodeAddress
  #over = false
  #resolve!: (ready: LoggedIn) => void
  #reject!: (error: WeirError) => void

  constructor(
    options: NodeLoginOptions,
    node: NodeAddress,
    tls: NodeTls,
    link: Link,
    who: ConnectOptions,
  ) {
    this.#options = options
    this.#tls = tls
    this.#node = node
    this.#link = link
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#machine = options.protocol.connect(who)
    this.#machine.onReady = () => this.#pull()
    this.#listen(link)
    this.#pull()
  }

  fail(error: WeirError): void {
    if (this.#over) return
    this.#over = true
    this.#handshake?.stop()
    this.#link.destroy()
    this.#reject(error)
  }

  #listen(link: Link): void {
    this.#link = link
    link.receiver = {
      data: (chunk) => {
        // The machine may keep what it is given; the link's buffer is used again.
        this.#machine.push(Buffer.from(chunk))
        this.#pull()
      },
      drained: () => {},
      closed: (error) => this.#lost(error),
    }
    link.resume()
  }

  #lost(error: Error | undefined): void {
    // With TLS 1.3 a node judges our certificate only after the handshake is over for us.
    if (error !== undefined && this.#link.encrypted && isTlsAlert(error)) {
      this.fail(tlsTrouble(this.#node.name, this.#tls, error))
      return
    }
    const why = error === undefined ? '' : `: ${error.message}`
    this.fail(
      new WeirError(
        'WEIR_OPEN_FAILED',
        `${this.#node.name} closed the connection during login${why}`,
        { sqlstate: '08006', retryable: true, cause: error },
      ),
    )
  }

  #pull(): void {
    try {
      this.#steps()
    } catch (error) {
      // A certificate file that went away, or our bug: this opening fails, the process goes on.
      const text = `cannot log in to ${this.#node.name}: ${messageOf(error)}`
      this.fail(new WeirError('WEIR_OPEN_FAILED', text, { sqlstate: '08001', cause: error }))
    }
  }

  #steps(): void {
    for (;;) {
      if (this.#over) return
      const step = this.#machine.next()
      switch (step.kind) {
        case 'starved':
        case 'waiting':
          return
        case 'send':
          this.#link.write(step.bytes)
          break
        case 'upgrade-tls':
          this.#upgrade()
          return
        case 'ready':
          this.#ready(step.conversation, step.rest)
          return
        case 'failed':
          this.again = step.again
          // Where there was no TLS to be had, the way without has been tried.
          this.otherWay = step.thisWay && (this.#link.encrypted || this.#tls.mode !== 'prefer')
          this.fail(step.error)
          return
        default:
          step satisfies never
          return
      }
    }
  }

  #upgrade(): void {
    const { network, loginTimeoutMs, securing } = this.#options
    const { name } = this.#node
    securing(this.#node)
    const options = handshakeOptions(this.#tls)
    this.#handshake = network.connectTls(this.#link, options, loginTimeoutMs)
    this.#handshake.done.then(
      ({ link, certificate, protocol }) => {
        if (this.#over) {
          link.destroy()
          return
        }
        this.#link = link
        if (link.closed) {
          this.#lost(undefined)
          return
        }
        try {
          checkProtocol(name, this.#tls, protocol)
        } catch (error) {
          this.fail(error as WeirError)
          return
        }
        this.#machine.secured(certificate)
        this.#listen(link)
        this.#pull()
      },
      (error) => {
        if (this.#over) return
        this.otherWay = true
        this.fail(tlsTrouble(name, this.#tls, error))
      },
    )
  }

  /** Logged in; the init query runs before anybody may have the connection. */
  #ready(conversation: ServerConversation, rest: Buffer): void {
    const link = this.#link
    if (rest.length > 0) conversation.push(rest)
    const first = conversation.initialise()
    if (first.length === 0) {
      this.#finish(conversation, rest)
      return
    }
    link.receiver = {
      ...link.receiver,
      data: (chunk) => {
        conversation.push(chunk)
        for (;;) {
          const step = conversation.next()
          if (step === 'starved') {
            conversation.keep()
            return
          }
          const error = conversation.error ?? conversation.quietError
          if (step === 'boundary' && error === undefined) {
            conversation.keep()
            this.#finish(conversation, rest)
            return
          }
          if (step !== 'forward' && error !== undefined) {
            const { message, sqlstate } = error
            this.fail(
              new WeirError('WEIR_OPEN_REFUSED', `pool.initQuery failed: ${message}`, { sqlstate }),
            )
            return
          }
        }
      },
    }
    link.write(first)
  }

  #finish(conversation: ServerConversation, rest: Buffer): void {
    this.#over = true
    this.#resolve({ link: this.#link, conversation, rest })
  }
}

function isTlsAlert(error: Error): boolean {
  const code = 'code' in error ? error.code : undefined
  return typeof code === 'string' && code.startsWith('ERR_SSL_')
}
