/**
 * While nobody is writer, a wait on each reader that may be the next one: the node itself says the
 * moment in which it is. Rule: it only hands on what a node says that takes writes, as if a probe
 * had been answered; and a node on which waiting does not work is left to the probes, without a word.
 *
 *   wait --takes writes--> told      wait --still a reader--> wait
 *     '----cannot----> none until the next time that nobody is writer
 */
import type { Clock } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { ObservedTopology } from './observed.ts'
import type { Probe, PromotionAnswer } from './probe.ts'
import type { NodeSpec } from './topology.ts'

export type Promoted = Extract<PromotionAnswer, { promoted: true }>

export interface PromotionWaitsParts {
  readonly probe: Probe
  readonly clock: Clock
  readonly log: Log
  /** A node takes writes. */
  readonly told: (node: string, answer: Promoted) => void
}

interface Standing {
  readonly abort: AbortController
  /** It has waited, and well: nobody need ask this node all the time. */
  proven: boolean
}

/** A reader that is waited on looks at itself so often (ms), at first and afterwards. */
const EAGER_STEP_MS = 1
const STEP_MS = 5
/** A wait that is over in less (ms) did not wait; after so many in a row it never will. */
const SHORT_MS = 20
const MOST_IN_VAIN = 3

export class PromotionWaits {
  #parts: PromotionWaitsParts
  #stepMs = STEP_MS
  #standing = new Map<string, Standing>()

  constructor(parts: PromotionWaitsParts) {
    this.#parts = parts
  }

  /**
   * From now on these nodes are waited on, and no others; who was given up stays so until it is
   * left out once.
   *
   * @param eager whether every millisecond counts
   */
  on(nodes: readonly NodeSpec[], eager = false): void {
    this.#stepMs = eager ? EAGER_STEP_MS : STEP_MS
    for (const [name, { abort }] of this.#standing) {
      if (nodes.some((node) => node.name === name)) continue
      this.#standing.delete(name)
      abort.abort()
    }
    for (const node of nodes) if (!this.#standing.has(node.name)) void this.#stand(node)
  }

  /** Whether a wait on it works now. */
  standsOn(node: string): boolean {
    return this.#standing.get(node)?.proven === true
  }

  async #stand(node: NodeSpec): Promise<void> {
    const { probe, clock, log, told } = this.#parts
    const abort = new AbortController()
    const standing: Standing = { abort, proven: false }
    this.#standing.set(node.name, standing)
    const { signal } = abort
    try {
      const wait = probe.promotionWait?.(node, signal)
      let inVain = 0
      while (wait !== undefined && inVain < MOST_IN_VAIN) {
        const began = clock.monotonic()
        const answer = await wait(this.#stepMs)
        if (answer === undefined || signal.aborted) break
        standing.proven = true
        inVain = clock.monotonic() - began < SHORT_MS ? inVain + 1 : 0
        if (answer.promoted) told(node.name, answer)
        if (signal.aborted) break
      }
    } catch (error) {
      log.error({ node: node.name, error: messageOf(error) }, 'BUG: a promotion wait threw')
    }
    standing.proven = false
    abort.abort()
  }
}

/** Readers of which one may be promoted now; none while there is a writer, or before the first was seen. */
export function heirsOf({ nodes, writerTimeline }: ObservedTopology): NodeSpec[] {
  if (writerTimeline === undefined) return []
  if (nodes.some(({ role, health }) => role === 'writer' && health !== 'down')) return []
  return nodes
    .filter(({ role, answering }) => role === 'reader' && answering)
    .map(({ spec }) => spec)
}
