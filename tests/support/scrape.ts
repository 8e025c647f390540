/**
 * Numbers of `/metrics` as a monitoring system reads them. Rule: a series that is not there is 0, as
 * a counter that was never touched.
 */
export type Series = ReadonlyMap<string, number>

/** `name{label="value",...}` to number, the labels in the order the page has them. */
export async function scrape(adminPort: number): Promise<Series> {
  const answer = await fetch(`http://127.0.0.1:${adminPort}/metrics`)
  if (answer.status !== 200) throw new Error(`/metrics answered ${answer.status}`)
  const series = new Map<string, number>()
  for (const line of (await answer.text()).split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const at = line.lastIndexOf(' ')
    series.set(line.slice(0, at), Number(line.slice(at + 1)))
  }
  return series
}

/** The sum of all series of that name whose labels include these. */
export function sumOf(series: Series, name: string, labels: Record<string, string> = {}): number {
  const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`)
  let sum = 0
  for (const [key, value] of series) {
    const named = key === name || key.startsWith(`${name}{`)
    if (named && wanted.every((label) => key.includes(label))) sum += value
  }
  return sum
}
