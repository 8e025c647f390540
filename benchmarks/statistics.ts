/**
 * The little statistics a table of medians needs. Rule: nothing here averages over rounds, so one
 * round that went wrong moves no figure far.
 */

/** The middle value, or the mean of the two in the middle; undefined of nothing. */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  if (sorted.length === 0) return undefined
  if (!Number.isInteger(middle)) return sorted[Math.floor(middle)]
  return (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Largest minus smallest as a share of the median, 0.1 is ten percent; needs two values. */
export function spread(values: readonly number[]): number | undefined {
  const middle = median(values)
  if (values.length < 2 || middle === undefined || middle === 0) return undefined
  return (Math.max(...values) - Math.min(...values)) / middle
}
