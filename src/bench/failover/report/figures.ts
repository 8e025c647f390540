/**
 * Numbers as people read them. Rule: never more digits than were measured, the unit always beside
 * the number, and a dash for what was not measured, which is not zero.
 */

export const UNKNOWN = '–'

/** `3.4 ms`, `412 ms`, `1.24 s`, `15.1 s`; the dash for undefined. */
export function spanText(ms: number | undefined): string {
  if (ms === undefined) return UNKNOWN
  const size = Math.abs(ms)
  if (size < 9.95) return `${trimmed(ms, 1)} ms`
  if (size < 999.5) return `${Math.round(ms)} ms`
  if (size < 9_995) return `${trimmed(ms / 1000, 2)} s`
  if (size < 99_950) return `${trimmed(ms / 1000, 1)} s`
  return `${Math.round(ms / 1000)} s`
}

/** For the ticks of an axis, which are round numbers: `2 s`, `0.5 s`, `100 ms`. */
export function tickText(ms: number): string {
  if (ms === 0) return '0'
  const seconds = Math.abs(ms) >= 1_000
  return `${Number((seconds ? ms / 1000 : ms).toPrecision(6))} ${seconds ? 's' : 'ms'}`
}

/** `12 345`, with narrow spaces, as nobody mistakes them for a decimal point. */
export function countText(n: number): string {
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, '\u202f')
}

/** `3 rounds`, `1 round`. */
export function plural(n: number, noun: string): string {
  return `${countText(n)} ${noun}${n === 1 ? '' : 's'}`
}

/** What came of an expectation: a time where its text (`gap_p99<1s`) names one, else a count. */
export function actualText(expectation: string, actual: number | undefined): string {
  if (actual === undefined) return 'not measured'
  return /\d\s*(us|ms|s|m)\s*$/.test(expectation) ? spanText(actual) : countText(actual)
}

/** `2026-11-21 08:10:15 UTC`. */
export function momentText(wall: number): string {
  return `${new Date(wall).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

/** `4 min 12 s`, for how long a run took. */
export function lastedText(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

function trimmed(value: number, digits: number): string {
  const text = value.toFixed(digits)
  return Number(text) === 0 ? '0' : text
}
