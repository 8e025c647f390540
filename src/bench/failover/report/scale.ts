/**
 * From milliseconds to a place on a picture, with the ticks a reader needs. Rule: linear where
 * lengths are compared by eye, logarithmic only where percentiles of very different subjects stand
 * together, and then every decade has its own line.
 */
export interface Tick {
  readonly at: number
  readonly ms: number
  /** Has a label; the others are only lines. */
  readonly named: boolean
}

export interface Scale {
  /** Place of a value, kept within the picture. */
  x(ms: number): number
  readonly ticks: readonly Tick[]
}

/** @param wish about so many ticks */
export function linear(from: number, to: number, left: number, right: number, wish = 8): Scale {
  const span = Math.max(to - from, 1e-6)
  const step = niceStep(span / wish)
  const x = (ms: number): number =>
    left + (Math.min(Math.max(ms, from), to) - from) * ((right - left) / span)
  const ticks: Tick[] = []
  for (let n = Math.ceil(from / step - 1e-9); n * step <= to + 1e-9; n++) {
    // From a whole number each time: sums of steps drift.
    const ms = Number((n * step).toPrecision(12))
    ticks.push({ at: x(ms), ms, named: true })
  }
  return { x, ticks }
}

/** 1, 2 or 5 times a power of ten, at least `raw`. */
function niceStep(raw: number): number {
  const power = 10 ** Math.floor(Math.log10(raw))
  const factor = [1, 2, 5, 10].find((one) => one * power >= raw - 1e-12) ?? 10
  return factor * power
}

/** Decades from the one below `least` to the one above `most`; values below go to the left edge. */
export function logarithmic(least: number, most: number, left: number, right: number): Scale {
  const low = Math.floor(Math.log10(Math.max(least, 0.1)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(most, 0.1)) - 1e-9))
  const x = (ms: number): number => {
    const place = Math.log10(Math.max(ms, 10 ** low)) - low
    return left + Math.min(place, high - low) * ((right - left) / (high - low))
  }
  const ticks: Tick[] = []
  for (let decade = low; decade <= high; decade++) {
    for (const factor of decade === high ? [1] : [1, 2, 5]) {
      const ms = factor * 10 ** decade
      ticks.push({ at: x(ms), ms, named: factor === 1 })
    }
  }
  return { x, ticks }
}

/**
 * Moves centres apart until neighbours are `gap` from each other, all within the edges; the order
 * stays. When there is no room for that they are spread evenly.
 */
export function spread(
  centres: readonly number[],
  gap: number,
  left: number,
  right: number,
): number[] {
  const n = centres.length
  if (n === 0) return []
  if ((n - 1) * gap > right - left) {
    return centres.map((_, i) => left + (i * (right - left)) / Math.max(1, n - 1))
  }
  const placed: number[] = []
  for (const [i, centre] of centres.entries()) {
    placed.push(Math.max(centre, left, i === 0 ? left : (placed[i - 1] as number) + gap))
  }
  let limit = right
  for (let i = n - 1; i >= 0; i--) {
    placed[i] = Math.min(placed[i] as number, limit)
    limit = (placed[i] as number) - gap
  }
  return placed
}
