/**
 * Who belongs to a pool and where each one stands. Rule: a member changes place through `move` and
 * nowhere else, so the counters always add up: total = idle + leased + held + resetting.
 *
 *   arriving -> idle <-> leased -> held | resetting -> idle | leased      any of them -> gone
 *
 * The idle ones stand in a stack: the end is the most recently used, the front the longest idle.
 * While it rotates (for tests) they are a queue: the longest idle is taken first.
 */
import type { Deadline } from '../core/timer-wheel.ts'

export type Place = 'arriving' | 'idle' | 'leased' | 'held' | 'resetting' | 'gone'

const MOVES: { readonly [from in Place]: readonly Place[] } = {
  arriving: ['idle', 'leased', 'held', 'resetting', 'gone'],
  idle: ['leased', 'gone'],
  leased: ['idle', 'held', 'resetting', 'gone'],
  held: ['idle', 'leased', 'resetting', 'gone'],
  resetting: ['idle', 'leased', 'held', 'gone'],
  gone: [],
}

export interface Slot<M> {
  readonly member: M
  readonly epoch: number
  /** Monotonic moment past which it is not lent again; drawn at birth, and only ever made earlier. */
  diesAt: number
  place: Place
  idleSince: number
  /** Bounds cleaning and holding; made on first need. */
  deadline: Deadline | undefined
  /** Cleanings and holds since it came back, so that a member that never gets clean cannot spin. */
  rounds: number
}

/** How many of the most recently used a preference may look through. */
const PREFER_AMONG = 4

export class Roster<M> {
  rotates = false
  #slots = new Map<M, Slot<M>>()
  #idle: Slot<M>[] = []
  // Counters change with no await between check and change: that is the lock. `leased` follows
  // from the others, so the fast path between idle and leased counts nothing.
  #arriving = 0
  #held = 0
  #resetting = 0

  get total(): number {
    return this.#slots.size
  }

  get idle(): number {
    return this.#idle.length
  }

  get held(): number {
    return this.#held
  }

  get resetting(): number {
    return this.#resetting
  }

  get leased(): number {
    return this.total - this.idle - this.#arriving - this.#held - this.#resetting
  }

  find(member: M): Slot<M> | undefined {
    return this.#slots.get(member)
  }

  slots(): IterableIterator<Slot<M>> {
    return this.#slots.values()
  }

  /** Longest idle first; a copy, safe to evict from. */
  idleSlots(): Slot<M>[] {
    return this.#idle.slice()
  }

  get longestIdle(): Slot<M> | undefined {
    return this.#idle[0]
  }

  /** True when `member` is idle and nothing else is. */
  onlyIdle(member: M): boolean {
    return this.#idle.length === 1 && this.#idle[0]!.member === member
  }

  add(member: M, epoch: number, diesAt: number): Slot<M> {
    if (this.#slots.has(member)) throw new Error('BUG: the same member was opened twice')
    const slot: Slot<M> = {
      member,
      epoch,
      diesAt,
      place: 'arriving',
      idleSince: 0,
      deadline: undefined,
      rounds: 0,
    }
    this.#slots.set(member, slot)
    this.#arriving++
    return slot
  }

  /**
   * The most recently used idle slot, or a preferred one close behind it; it becomes leased. While
   * rotating: the longest idle, and `last` only when nothing else is.
   */
  takeIdle(prefer?: (member: M) => boolean, last?: M): Slot<M> | undefined {
    const idle = this.#idle
    if (idle.length === 0) return undefined
    if (this.rotates) {
      const slot = idle[0]!.member === last && idle.length > 1 ? idle[1]! : idle[0]!
      this.move(slot, 'leased')
      return slot
    }
    if (prefer !== undefined) {
      const end = Math.max(0, idle.length - PREFER_AMONG)
      for (let i = idle.length - 1; i >= end; i--) {
        const slot = idle[i]!
        if (!prefer(slot.member)) continue
        this.move(slot, 'leased')
        return slot
      }
    }
    const slot = idle[idle.length - 1]!
    this.move(slot, 'leased')
    return slot
  }

  /** The idle slot that `wanted` is looking for, wherever it stands; it becomes leased. */
  takeWanted(wanted: (member: M) => boolean): Slot<M> | undefined {
    const slot = this.#idle.find(({ member }) => wanted(member))
    if (slot !== undefined) this.move(slot, 'leased')
    return slot
  }

  move(slot: Slot<M>, to: Place): void {
    const from = slot.place
    if (!MOVES[from].includes(to)) throw new Error(`BUG: pool member ${from} -> ${to}`)
    slot.place = to
    this.#leave(slot, from)
    if (to === 'idle') this.#idle.push(slot)
    else if (to === 'held') this.#held++
    else if (to === 'resetting') this.#resetting++
    else if (to === 'gone') this.#slots.delete(slot.member)
  }

  #leave(slot: Slot<M>, from: Place): void {
    if (from === 'idle') {
      const idle = this.#idle
      if (idle[idle.length - 1] === slot) idle.pop()
      else idle.splice(idle.indexOf(slot), 1)
    } else if (from === 'held') this.#held--
    else if (from === 'resetting') this.#resetting--
    else if (from === 'arriving') this.#arriving--
  }
}
