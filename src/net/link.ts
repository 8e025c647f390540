/**
 * The one seam to sockets. A link is a byte stream to one peer: a read callback, a gathered write,
 * pause, resume, close. Rule: a chunk given to `data` is valid only during that call (it lies in a
 * buffer that the next read overwrites); a chunk given to `write` must stay unchanged until the end
 * of the current turn, no longer.
 */
export interface Receiver {
  data(chunk: Buffer): void
  /** The link is gone; called once, after which nothing else is. `error` is undefined on a clean end. */
  closed(error: Error | undefined): void
  /** A congested link has sent everything it held. */
  drained(): void
}

export interface Link {
  /** Undefined on a Unix socket, and only there; empty when the peer had gone before it was asked. */
  readonly remoteAddress: string | undefined
  readonly remotePort: number | undefined
  /** Somebody else (a load balancer) has said for whom it speaks, or that it does not know. */
  readonly relayed: boolean
  readonly encrypted: boolean
  /** True from `destroy`, from the end of `end`, or from the peer's going. */
  readonly closed: boolean
  /** True while bytes wait for the peer to read: whoever feeds this link should pause. */
  readonly congested: boolean
  readonly bytesRead: number
  readonly bytesWritten: number
  /** Bytes written that the kernel has not taken yet: the peer does not read. */
  readonly unsent: number
  /** How many write calls reached the kernel. */
  readonly writes: number
  receiver: Receiver
  /** It was relayed for that address, which counts as its own from now on. */
  cameFrom(address: string | undefined, port: number | undefined): void
  /** Adds bytes to this turn's write. All writes of one turn leave in one call to the kernel. */
  write(chunk: Buffer): void
  /**
   * Adds bytes that leave with the next `write`, `send` or `flush`, and not by themselves; they must
   * stay unchanged until then.
   */
  add(chunk: Buffer): void
  /** What was added leaves at the end of this turn. */
  send(): void
  /** Sends at once what was written so far, instead of at the end of the turn. */
  flush(): void
  pause(): void
  resume(): void
  /** Sends what was written, then closes; what arrives meanwhile is thrown away. */
  end(): void
  /** Closes at once; what was not sent yet is lost. */
  destroy(): void
  /** Gives the underlying socket away (to TLS) together with bytes already read from it. */
  detach(): import('node:net').Socket
}

/**
 * Milliseconds of silence after which the kernel asks the peer whether it is there, on every link; ten
 * questions without an answer, a second apart, end it. It is for clients that vanished and for
 * whatever no probe looks after: a node that is silent is found out by its probe, long before.
 */
export const KEEP_ALIVE_MS = 30_000

/** For links whose owner is not known yet, or gone. */
export const nobody: Receiver = { data: () => {}, closed: () => {}, drained: () => {} }
