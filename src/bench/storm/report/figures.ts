/**
 * Figures of a storm as people read them, beside those every report has. Rule: never more digits than
 * were measured, and a dash for what was not measured.
 */
import { countText, spanText, UNKNOWN } from '../../failover/report/figures.ts'

/** `9.4 KiB`, `12 MiB`, `1.4 GiB`. */
export function memoryText(bytes: number | undefined): string {
  if (bytes === undefined) return UNKNOWN
  if (bytes === 0) return '0'
  const kib = bytes / 1024
  if (kib < 9.95) return `${kib.toFixed(1)} KiB`
  if (kib < 1_000) return `${Math.round(kib)} KiB`
  const mib = kib / 1024
  if (mib < 9.95) return `${mib.toFixed(1)} MiB`
  if (mib < 1_000) return `${Math.round(mib)} MiB`
  return `${(mib / 1024).toFixed(1)} GiB`
}

/** CPU seconds: `0.42 s`, `12.3 s`. */
export function cpuText(seconds: number | undefined): string {
  if (seconds === undefined) return UNKNOWN
  return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`
}

/** What came of an expectation, in the unit its text has. */
export function cameText(expectation: string, actual: number | undefined): string {
  if (actual === undefined) return 'not measured'
  if (/\d[KMG]iB$/.test(expectation)) return memoryText(actual)
  return /\d(ms|s|m)$/.test(expectation) ? spanText(actual) : countText(actual)
}
