/**
 * Throwing away what cannot be served: one Query or FunctionCall, or a batch up to its Sync. Rule:
 * what is thrown away is read as far as transactions go, because a BEGIN among it leaves the client
 * in a transaction, by its own reckoning, and what it has sent behind must not run outside of one.
 */
import { FRONTEND, HEADER } from '../../wire/postgres/codes.ts'
import { ProtocolError } from '../../wire/postgres/protocol-error.ts'
import { readParse } from '../../wire/postgres/read.ts'
import type { TransactionStatus } from '../contract.ts'
import { readBindHead } from './bind-head.ts'
import type { Desk } from './desk.ts'
import { after, flowOf, flowOfStatement } from './flow.ts'
import type { PortalFlows } from './portal-flows.ts'
import { classify } from './sql/classify.ts'

export class Discarding {
  active = false
  #desk: Desk
  #portals: PortalFlows
  /** Up to a Sync. */
  #batch = false
  #opened = false
  #lenient = false
  #status: TransactionStatus = 'idle'
  /** Of the statements parsed in what is thrown away, and in what was lost before it. */
  #flows: Map<string, number> | undefined

  constructor(desk: Desk, portals: PortalFlows) {
    this.#desk = desk
    this.#portals = portals
  }

  /** The rest of a batch, some of which a lost server had. `flows`: of what was prepared then. */
  rest(flows: Map<string, number>): void {
    this.#begin(true, false)
    this.#flows = flows
  }

  /** A request of which nothing was sent anywhere; it begins at the cursor. */
  refused(type: number | undefined): void {
    this.#begin(type !== FRONTEND.QUERY && type !== FRONTEND.FUNCTION_CALL, true)
    this.#flows = new Map()
  }

  #begin(batch: boolean, lenient: boolean): void {
    this.active = true
    this.#batch = batch
    this.#lenient = lenient
    this.#status = 'idle'
    this.#opened = false
  }

  /**
   * By what was thrown away the client is in a transaction. A client that sent nothing behind a
   * refused BEGIN is told of it before it goes on.
   */
  get opened(): boolean {
    return this.#opened
  }

  /** The message of `total` bytes at the cursor is to be left out; true when it was the last. */
  message(type: number, total: number): boolean | 'wait' {
    if (this.#note(type, total) === 'wait') return 'wait'
    const ends = !this.#batch || type === FRONTEND.SYNC
    if (!ends) return false
    this.active = false
    this.#flows = undefined
    const goesOn = this.#desk.in.available > total || !this.#lenient
    this.#opened = this.#status === 'open' && goesOn
    return true
  }

  #note(type: number, total: number): 'wait' | undefined {
    const { in: cursor, inspectBytes, statements } = this.#desk
    const { buffer, pos, end } = cursor
    // Who begins a transaction in so many words does it on purpose.
    if (total > inspectBytes && type !== FRONTEND.BIND) return undefined
    try {
      switch (type) {
        case FRONTEND.QUERY: {
          if (cursor.available < total) return 'wait'
          const text = buffer.subarray(pos + HEADER, pos + total - 1)
          this.#status = after(this.#status, flowOf(classify(text), text))
          return undefined
        }
        case FRONTEND.PARSE: {
          if (cursor.available < total) return 'wait'
          const { name, text } = readParse(cursor.body(total))
          this.#flows?.set(name, flowOf(classify(text), text))
          return undefined
        }
        case FRONTEND.BIND: {
          const head = readBindHead(buffer, pos, total, end)
          if (head === 'wait') return 'wait'
          const name = statements.nameIn(buffer, head.nameStart, head.nameEnd)
          const flow = this.#flows?.get(name) ?? flowOfStatement(statements.find(name))
          this.#portals.bound(buffer, pos, head.portalEnd, flow)
          return undefined
        }
        case FRONTEND.EXECUTE: {
          const flow = this.#portals.executed(buffer, pos, end)
          if (flow === 'wait') return 'wait'
          this.#status = after(this.#status, flow)
          return undefined
        }
      }
    } catch (error) {
      // The server would refuse it; here it is refused already.
      if (!(error instanceof ProtocolError)) throw error
    }
    return undefined
  }
}
