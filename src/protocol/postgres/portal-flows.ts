/**
 * What the portals of one client do to transactions when they are executed, which may be batches
 * after they were bound. Rule: nearly all do nothing, so only those that do are remembered by name.
 */
import { HEADER } from '../../wire/postgres/codes.ts'
import { FLOW, UNREAD } from './flow.ts'

/** More names than that are not kept apart. */
const MOST_NAMES = 100

export class PortalFlows {
  #unnamed: number = FLOW.NONE
  /** Made when first needed. */
  #named: Map<string, number> | undefined

  /** A Bind at `start` of `buffer`, whose portal's name ends at `portalEnd`. */
  bound(buffer: Buffer, start: number, portalEnd: number, flow: number): void {
    if (portalEnd === start + HEADER) {
      this.#unnamed = flow
      return
    }
    if (flow === FLOW.NONE && this.#named === undefined) return
    this.#named ??= new Map()
    const named = this.#named
    const name = buffer.toString('latin1', start + HEADER, portalEnd)
    if (named.size < MOST_NAMES) {
      if (flow === FLOW.NONE) named.delete(name)
      else named.set(name, flow)
    } else if (named.has(name)) named.set(name, flow)
  }

  /** Of an Execute at `start` of `buffer`, of which the bytes up to `end` have arrived. */
  executed(buffer: Buffer, start: number, end: number): number | 'wait' {
    const nameStart = start + HEADER
    if (nameStart >= end) return 'wait'
    if (buffer[nameStart] === 0) return this.#unnamed
    const named = this.#named
    if (named === undefined || named.size === 0) return FLOW.NONE
    const nameEnd = buffer.indexOf(0, nameStart)
    if (nameEnd < 0 || nameEnd >= end) return 'wait'
    const flow = named.get(buffer.toString('latin1', nameStart, nameEnd))
    return flow ?? (named.size < MOST_NAMES ? FLOW.NONE : UNREAD)
  }
}
