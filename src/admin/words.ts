/** How figures are put into words for people, on the page and in the terminal alike. */
import type { SourceStatus } from './snapshot.ts'

/** `850 ms`, `12.3 s`, `4 min`, `3 h 20 min`, `5 d 2 h`. */
export function span(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${Math.floor(ms / 100) / 10} s`
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
  return hours % 24 === 0 ? `${hours / 24} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`
}

/** The same for spans where a millisecond counts: `0.42 ms`, `18.3 ms`, `850 ms`, `1.24 s`. */
export function fineSpan(ms: number): string {
  if (ms < 1) return `${ms.toFixed(2)} ms`
  if (ms < 100) return `${ms.toFixed(1)} ms`
  if (ms < 1_000) return `${Math.round(ms)} ms`
  return ms < 60_000 ? `${(ms / 1_000).toFixed(2)} s` : span(ms)
}

/** `-` where something is not known. */
export function orDash(value: number | string | null): string {
  return value === null || value === '' ? '-' : String(value)
}

export function lag(ms: number | null): string {
  return ms === null ? '-' : span(ms)
}

/** How a node is: a fenced one is down too, but not because it is away. */
export function healthWord({
  health,
  fenced,
}: {
  readonly health: string
  readonly fenced: boolean
}): string {
  return fenced ? 'fenced' : health
}

/** The node of a pool, and what its pool does when it is not what pools do. */
export function poolNode({
  node,
  state,
}: {
  readonly node: string
  readonly state: string
}): string {
  return state === 'serving' ? node : `${node} (${state})`
}

/** `3 of 10`, or `3` while the limit is not known. */
export function outOf(used: number, limit: number | null): string {
  return limit === null ? String(used) : `${used} of ${limit}`
}

/** Where the nodes come from, when that is not the configuration: `patroni: http://... names 2 nodes`. */
export function sourceLine({ kind, ok, because, since }: SourceStatus): string | undefined {
  if (kind === 'static') return undefined
  if (ok !== false) return `found by ${kind}: ${because}`
  const time = new Date(since).toISOString().slice(0, 19).replace('T', ' ')
  return `found by ${kind}, which has not answered since ${time} UTC: ${because}`
}

export function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1_048_576)} MiB`
}
