/**
 * Moments that two processes can compare. Rule: `process.hrtime` counts from the same beginning in
 * every process of a machine and `performance.now` does not, so what crosses the seam is the former.
 */
import type { Clock } from '../../core/clock.ts'

export interface MachineTime {
  /** From this process's monotonic clock (ms) to that of the machine. */
  toMachine(at: number): number
  fromMachine(at: number): number
}

export function machineTime(clock: Clock): MachineTime {
  const offset = Number(process.hrtime.bigint()) / 1e6 - clock.monotonic()
  return { toMachine: (at) => at + offset, fromMachine: (at) => at - offset }
}
