/**
 * Whether the instrument was what was measured. Pure. Rule: it says so itself, in words, as soon as
 * one sign of it is there; a person decides what the figures are still worth.
 */
import { spanText } from '../failover/report/figures.ts'
import type { InstrumentSummary, Warning } from './result.ts'

/** What is due is begun within a few milliseconds on an event loop that keeps up. */
const LATE_P99 = 50
const STALL = 250
const FULL_THREAD = 0.97
const FULL_MACHINE = 0.97

/** Sentences; none when there is nothing to say. */
export function warningsOf(of: Omit<InstrumentSummary, 'warnings'>): Warning[] {
  const warnings: Warning[] = []
  const warn = (kind: Warning['kind'], text: string): void => void warnings.push({ kind, text })
  const late = of.late
  if (late !== undefined && late.p99 > LATE_P99) {
    warn(
      'late',
      `the instrument was the bottleneck: what was due was begun ${spanText(late.p99)} late (p99), ` +
        `${spanText(late.max)} at worst; use more --threads or a machine of its own`,
    )
  } else if (of.busiest > FULL_THREAD) {
    warn(
      'busy',
      'a thread of the instrument was busy all the time; short spans may be its own, use more --threads',
    )
  }
  if (of.longestStallMs > STALL) {
    warn(
      'stall',
      `the instrument stood still for ${spanText(of.longestStallMs)}; no span shorter than that is certain`,
    )
  }
  if (of.machineBusiest !== undefined && of.machineBusiest > FULL_MACHINE) {
    warn(
      'machine',
      'all cores were busy at times: load, target and node shared them, so spans are of this machine',
    )
  }
  return warnings
}
