/**
 * A storm's result arranged for reading: which target the run is about, everybody's colour, and series
 * over time. Pure. Rule: nothing is measured anew here; rates are differences of what was counted.
 */
import { SLICE_MS } from '../load-words.ts'
import {
  errorsOf,
  type Moment,
  type Sight,
  type StormResult,
  type TargetResult,
} from '../result.ts'
import { cpuRates } from '../watch.ts'

export interface TargetView {
  readonly result: TargetResult
  /** Of `subject-N` in the style. */
  readonly colour: number
}

/** `[ms after the start, value]`. */
export type Points = readonly (readonly [number, number])[]

/** The one the run is about first: `weir`, else the first one. */
export function viewsOf({ targets }: StormResult): TargetView[] {
  const lead = targets.find(({ target }) => target === 'weir') ?? targets[0]
  const sorted = [...targets].sort((a, b) => Number(b === lead) - Number(a === lead))
  return sorted.map((result, i) => ({ result, colour: i % 6 }))
}

/** Everybody was answered and nobody saw an error. */
export function isFine(target: TargetResult): boolean {
  return target.failure === undefined && errorsOf(target) === 0 && target.answered >= target.arrived
}

export function overTime(
  { moments }: TargetResult,
  value: (moment: Moment) => number | undefined,
): Points {
  return moments.flatMap((moment) => {
    const found = value(moment)
    return found === undefined ? [] : [[moment.at, found] as const]
  })
}

export function seen(
  { sights }: TargetResult,
  value: (sight: Sight) => number | undefined,
): Points {
  return sights.flatMap((sight) => {
    const found = value(sight)
    return found === undefined ? [] : [[Math.max(0, sight.at), found] as const]
  })
}

export const cores = ({ sights }: TargetResult, whose: 'proxy' | 'node'): Points =>
  cpuRates(sights, whose)

/** A count of a slice as so many a second. */
export const perSecond = (count: number): number => (count * 1000) / SLICE_MS

/** Memory that the clients cost a proxy, each; undefined where it cannot be told. */
export function memoryOfAClient({ proxy, moments }: TargetResult): number | undefined {
  const most = Math.max(0, ...moments.map(({ open }) => open))
  if (proxy === undefined || most === 0) return undefined
  return Math.max(0, proxy.memoryPeak - proxy.memoryBefore) / most
}
