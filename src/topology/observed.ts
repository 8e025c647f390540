/**
 * The topology as the reducer sees it: the public value plus what it must remember between two
 * observations. Rule: readers of a topology see only `Topology`; these fields are for `observe`.
 */
import type { FailureKind, ProbeAnswer, ProbeFailure } from './probe.ts'
import type { Hint, NodeSpec, NodeState, Topology } from './topology.ts'

export interface ObservedNode extends NodeState {
  /** What its last answer said of itself; the role is what we made of it. */
  readonly claim: 'writer' | 'reader' | undefined
  /** Whether the last probe was answered. */
  readonly answering: boolean
  /** Probes failed in a row, and when (wall) the first of them did. */
  readonly failures: number
  readonly failingSince: number | undefined
  /** Of the last of them; a node whose answer we cannot use may still serve others. */
  readonly failedBy: FailureKind | undefined
  /** Probes answered in a row while down, and when (wall) the last one that counted was. */
  readonly goods: number
  readonly goodAt: number | undefined
  /** When (wall) it went down as a reader, of late: who does so again and again is out for longer. */
  readonly falls: readonly number[]
}

/** Where the writer's log stood at a moment. */
export interface TrailPoint {
  /** Wall-clock milliseconds. */
  readonly at: number
  readonly lsn: bigint
}

export interface ObservedTopology extends Topology {
  readonly nodes: readonly ObservedNode[]
  /** The highest timeline a writer was ever seen on: nobody below it becomes writer again. */
  readonly writerTimeline: number | undefined
  /** Positions of the present writer, oldest first, strictly growing in `at` and `lsn`. */
  readonly trail: readonly TrailPoint[]
}

/** `at` is wall-clock milliseconds. */
export type Observation =
  | {
      readonly kind: 'answer'
      readonly node: string
      readonly at: number
      readonly answer: ProbeAnswer
    }
  | {
      readonly kind: 'failure'
      readonly node: string
      readonly at: number
      readonly failure: ProbeFailure
    }
  /** A probe is taking long: not failed yet, but reason enough to look more closely. */
  | { readonly kind: 'slow'; readonly node: string; readonly at: number; readonly ms: number }
  | { readonly kind: 'hint'; readonly at: number; readonly hint: Hint }
  /** The nodes to watch from now on, in configuration order: whoever is new comes, others go. */
  | { readonly kind: 'nodes'; readonly at: number; readonly specs: readonly NodeSpec[] }

export interface Observed {
  readonly topology: ObservedTopology
  /** One for each change, in plain English; empty exactly when the epoch stayed. */
  readonly sentences: readonly string[]
}

export const emptyTopology: ObservedTopology = {
  epoch: 0,
  nodes: [],
  writerTimeline: undefined,
  trail: [],
}

/** A node nobody has asked yet. */
export function newNode(spec: NodeSpec, at: number): ObservedNode {
  return {
    spec,
    role: 'unknown',
    health: 'unknown',
    lagMs: undefined,
    lsn: undefined,
    positionAt: undefined,
    timeline: undefined,
    connectionLimit: undefined,
    responseMs: undefined,
    versionNum: undefined,
    because: `${spec.name} was not probed yet`,
    since: at,
    claim: undefined,
    answering: false,
    failures: 0,
    failingSince: undefined,
    failedBy: undefined,
    goods: 0,
    goodAt: undefined,
    falls: [],
    fenced: false,
  }
}
