/**
 * Durations and sizes as people write them: `"120s"`, `"50ms"`, `"1MiB"`. Rule: a number always
 * carries its unit in the file, and is plain milliseconds or bytes inside.
 */
const DURATION_UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const SIZE_UNITS = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const

export const DURATION_PATTERN = '[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)'
export const SIZE_PATTERN = '[0-9]+(B|KiB|MiB|GiB)'

export const RATE_PATTERN = '[1-9][0-9]{0,6}/(s|m)'

const DURATION = new RegExp(`^${DURATION_PATTERN}$`)
const SIZE = new RegExp(`^${SIZE_PATTERN}$`)
const RATE = new RegExp(`^${RATE_PATTERN}$`)

/** Milliseconds of `"1.5s"`, rounded; undefined when the text is no duration. */
export function parseDuration(text: string): number | undefined {
  const unit = DURATION.exec(text)?.[2]
  if (unit === undefined) return undefined
  return Math.round(Number.parseFloat(text) * DURATION_UNITS[unit as keyof typeof DURATION_UNITS])
}

/** Bytes of `"1MiB"`; undefined when the text is no size. */
export function parseSize(text: string): number | undefined {
  const unit = SIZE.exec(text)?.[1]
  if (unit === undefined) return undefined
  return Number.parseInt(text, 10) * SIZE_UNITS[unit as keyof typeof SIZE_UNITS]
}

/** So many in a second: `"100/s"` is 100, `"30/m"` is 0.5; undefined when the text is no rate. */
export function parseRate(text: string): number | undefined {
  const unit = RATE.exec(text)?.[1]
  if (unit === undefined) return undefined
  return Number.parseInt(text, 10) / (unit === 's' ? 1 : 60)
}

/** The shortest exact way to write so many milliseconds: 90000 is `90s`, 120000 is `2m`. */
export function printDuration(ms: number): string {
  return printWith(DURATION_UNITS, ms)
}

/** The shortest exact way to write so many bytes: 1048576 is `1MiB`. */
export function printSize(bytes: number): string {
  return printWith(SIZE_UNITS, bytes)
}

function printWith(units: Readonly<Record<string, number>>, value: number): string {
  const [smallest] = Object.keys(units)
  if (value === 0) return `0${smallest}`
  const fitting = Object.entries(units).filter(([, size]) => value % size === 0)
  const [name, size] = fitting.at(-1) ?? [smallest, 1]
  return `${value / size}${name}`
}
