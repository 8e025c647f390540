/** Material for topology tests: specs, answers and failures with only the telling parts spelled. */

import { observe } from '../../../src/topology/observe.ts'
import type { Observation, ObservedTopology } from '../../../src/topology/observed.ts'
import { emptyTopology } from '../../../src/topology/observed.ts'
import type { FailureKind, ProbeAnswer, ProbeFailure } from '../../../src/topology/probe.ts'
import type { NodeSpec } from '../../../src/topology/topology.ts'

export function spec(n: number, more: Partial<NodeSpec> = {}): NodeSpec {
  return { name: `node-${n}`, host: '127.0.0.1', port: 5500 + n, weight: 1, ...more }
}

export function answer(more: Partial<ProbeAnswer>): ProbeAnswer {
  return {
    ok: true,
    inRecovery: true,
    timeline: 1,
    lsn: 1000n,
    receivedLsn: 1000n,
    streaming: true,
    replayAgeMs: undefined,
    connectionLimit: 97,
    versionNum: 180_004,
    responseMs: 1,
    ...more,
  }
}

export const asReader = (more: Partial<ProbeAnswer> = {}) => answer({ inRecovery: true, ...more })
export const asWriter = (more: Partial<ProbeAnswer> = {}) =>
  answer({ inRecovery: false, receivedLsn: undefined, streaming: undefined, ...more })

/** One more than the default, so that tests can tell what counts faster. */
const RULES = { downAfter: 3, rise: 2 }

const WHY: Record<FailureKind, string> = {
  refused: 'connection refused',
  timeout: 'no answer in 1000 ms',
  busy: 'too many clients',
  other: 'the database system is starting up',
}

export function failure(kind: FailureKind): ProbeFailure {
  return { ok: false, kind, why: WHY[kind] }
}

/** A topology that grows by observations, each `stepMs` after the one before. */
export class Story {
  topology: ObservedTopology = emptyTopology
  said: string[] = []
  at = 1_000

  constructor(nodes: number) {
    this.see({
      kind: 'nodes',
      at: this.at,
      specs: Array.from({ length: nodes }, (_, i) => spec(i + 1)),
    })
    this.said = []
  }

  see(observation: Observation): this {
    const before = this.topology.epoch
    const { topology, sentences } = observe(this.topology, observation, RULES)
    const grew = topology.epoch - before
    if (grew !== (sentences.length > 0 ? 1 : 0)) throw new Error(`epoch grew by ${grew}`)
    this.topology = topology
    this.said.push(...sentences)
    return this
  }

  answers(n: number, what: ProbeAnswer, stepMs = 10): this {
    this.at += stepMs
    return this.see({ kind: 'answer', node: `node-${n}`, at: this.at, answer: what })
  }

  fails(n: number, kind: FailureKind, times = 1, stepMs = 50): this {
    for (let i = 0; i < times; i++) {
      this.at += stepMs
      this.see({ kind: 'failure', node: `node-${n}`, at: this.at, failure: failure(kind) })
    }
    return this
  }

  /** `writer/up reader/suspect ...` in configuration order. */
  get picture(): string {
    return this.topology.nodes.map((n) => `${n.role}/${n.health}`).join(' ')
  }

  /** A steady cluster: node-1 writer, the others readers, nothing said yet. */
  static steady(nodes: number): Story {
    const story = new Story(nodes).answers(1, asWriter())
    for (let n = 2; n <= nodes; n++) story.answers(n, asReader())
    story.said = []
    return story
  }
}
