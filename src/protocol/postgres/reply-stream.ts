/**
 * A node's bytes on their way to a client: what has passed, what of the message at hand is still to
 * come, and whether it passes or is swallowed. Rule: bytes are moved past only here; consecutive
 * messages with the same fate are one run.
 */
import type { ServerStep } from '../contract.ts'
import { ByteCursor } from './byte-cursor.ts'

const NOTHING = Buffer.alloc(0)

export class ReplyStream {
  readonly in = new ByteCursor()
  /** The last run given out. */
  bytes: Buffer = NOTHING
  /** Bytes of the message at hand that have not passed yet. */
  left = 0
  /** They are swallowed. */
  swallow = false
  /** Nobody is there to read: everything is swallowed. */
  abandoned = false
  /** Something was given out since the last boundary. */
  gave = false

  /** Another reads from now on, who is given no end of a message that began before. */
  begin(): void {
    this.gave = false
    if (this.left > 0) this.swallow = true
  }

  /** Lets the message of `total` bytes pass to the client, or past it. A step: come again after it. */
  pass(total: number, swallow: boolean): ServerStep | undefined {
    const swallowed = swallow || this.abandoned
    if (swallowed && this.in.hasRun) return this.run()
    this.left = total
    this.swallow = swallowed
    return undefined
  }

  /** Moves past what is at hand of the message; true when all of it is. */
  advance(): boolean {
    const cursor = this.in
    const n = Math.min(this.left, cursor.available)
    cursor.pos += n
    this.left -= n
    if (this.swallow) cursor.dropRun()
    return this.left === 0
  }

  /** Gives out what has passed. */
  run(): ServerStep {
    this.bytes = this.in.takeRun()
    this.gave = true
    return 'forward'
  }

  /** Gives out `bytes` of ours. */
  give(bytes: Buffer): ServerStep {
    this.bytes = bytes
    this.gave = true
    return 'forward'
  }

  /** `bytes` of ours instead of the message of `total` bytes at the cursor, which is here whole. */
  replace(total: number, bytes: Buffer): ServerStep | undefined {
    this.in.pos += total
    this.in.dropRun()
    if (this.abandoned) return undefined
    return this.give(bytes)
  }

  abandon(): void {
    this.abandoned = true
    if (this.left > 0) this.swallow = true
    this.in.dropRun()
  }
}
