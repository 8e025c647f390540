/**
 * A result arranged for reading: fault by fault, and in it subject by subject, the one the run is
 * about first. Pure. Rule: nothing is measured or summed anew that the result already says; what is
 * added here is order, the choice of rounds to show, and counts of clients.
 */
import {
  type ClientKind,
  type ClientRecord,
  type FailoverResult,
  type Fault,
  MILESTONES,
  type Milestone,
  type Round,
  type SubjectSummary,
  type Timeline,
} from '../result.ts'

export interface SubjectView {
  readonly summary: SubjectSummary
  /** Of its colour, the same for all faults. */
  readonly colour: number
  /** The rounds that count. */
  readonly rounds: readonly Round[]
  readonly invalid: readonly Round[]
  /** When each milestone was reached in the middle of the rounds, ms from the fault. */
  readonly median: Timeline
}

export interface FaultView {
  readonly fault: Fault
  readonly subjects: readonly SubjectView[]
}

/** The subject whose run this is: Weir where it took part, else the first. */
export function leadOf(result: FailoverResult): string {
  const names = result.subjects.map(({ subject }) => subject)
  return names.find((name) => name === 'weir') ?? names[0] ?? ''
}

/** Names of all subjects, the lead first. */
export function subjectNames(result: FailoverResult): string[] {
  const names = [...new Set(result.subjects.map(({ subject }) => subject))]
  const lead = leadOf(result)
  return names.sort((a, b) => Number(b === lead) - Number(a === lead))
}

export function faultViews(result: FailoverResult): FaultView[] {
  const names = subjectNames(result)
  const faults = [...new Set(result.subjects.map(({ fault }) => fault))]
  return faults.map((fault) => ({
    fault,
    subjects: names.flatMap((name, colour) => {
      const summary = result.subjects.find((s) => s.subject === name && s.fault === fault)
      if (summary === undefined) return []
      const all = result.rounds.filter((r) => r.subject === name && r.fault === fault)
      const rounds = all.filter((round) => round.invalid === undefined)
      const invalid = all.filter((round) => round.invalid !== undefined)
      return [{ summary, colour, rounds, invalid, median: medianTimeline(rounds) }]
    }),
  }))
}

/** Milestones relative to the fault; empty when the fault's own time is not known. */
export function fromFault({ timeline }: Pick<Round, 'timeline'>): Timeline {
  const { fault } = timeline
  if (fault === undefined) return {}
  const known = MILESTONES.flatMap((name) => {
    const at = timeline[name]
    return at === undefined ? [] : [[name, at - fault] as const]
  })
  return Object.fromEntries(known)
}

/** Known milestones in the order of time; those at one moment in the order of their words. */
export function inOrder(timeline: Timeline): { name: Milestone; at: number }[] {
  return MILESTONES.flatMap((name) => {
    const at = timeline[name]
    return at === undefined ? [] : [{ name, at }]
  }).sort((a, b) => a.at - b.at)
}

function medianTimeline(rounds: readonly Round[]): Timeline {
  const known = MILESTONES.flatMap((name) => {
    const values = rounds.flatMap((round) => {
      const at = fromFault(round)[name]
      return at === undefined ? [] : [at]
    })
    // A milestone that most rounds do not know would be drawn from other rounds than its neighbours.
    if (values.length === 0 || values.length * 2 < rounds.length) return []
    return [[name, middle(values)] as const]
  })
  return Object.fromEntries(known)
}

function middle(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.ceil(sorted.length / 2) - 1] as number
}

/** The longest gap of any client whose node was hurt: of writers, or of readers. */
export function worstGap({ clients, fault }: Round): number {
  const hurt = fault === 'reader-kill' ? 'reader' : 'writer'
  const gaps = clients.filter((c) => c.kind === hurt).map((c) => c.longestGapMs)
  return Math.max(0, ...(gaps.length > 0 ? gaps : clients.map((c) => c.longestGapMs)))
}

/** The round in the middle of all by its worst gap, and the one with the very worst. */
export function roundsToShow(rounds: readonly Round[]): { typical?: Round; worst?: Round } {
  const sorted = [...rounds].sort((a, b) => worstGap(a) - worstGap(b))
  const typical = sorted[Math.ceil(sorted.length / 2) - 1]
  const worst = sorted.at(-1)
  if (typical === undefined || worst === undefined) return {}
  return { typical, worst }
}

export function clientsOf(rounds: readonly Round[], kind: ClientKind): ClientRecord[] {
  return rounds.flatMap((round) => round.clients.filter((client) => client.kind === kind))
}

/** How many of that kind a round has; of the largest round when they differ. */
export function crowd(rounds: readonly Round[], kind: ClientKind): number {
  return Math.max(0, ...rounds.map((r) => r.clients.filter((c) => c.kind === kind).length))
}

export const errorCount = ({ errors }: SubjectSummary): number =>
  Object.values(errors).reduce((sum, n) => sum + n, 0)
