/**
 * From counters to the text Prometheus reads. Rule: nothing is kept in prom-client between two
 * scrapes; each row of the catalogue brings its readings when asked, and prom-client writes them.
 */
import { collectDefaultMetrics, type Metric, Registry } from 'prom-client'
import { BOUNDS_US, type LatencyCounts } from './buckets.ts'
import { CATALOGUE, type MetricRow } from './catalogue.ts'
import type { Reading, Source } from './readings.ts'

interface Series {
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

/**
 * Registers every row of the catalogue.
 * @param source asked at each scrape, once per metric; must be cheap and must not throw
 */
export function expose(registry: Registry, source: () => Source): void {
  for (const row of CATALOGUE) {
    // prom-client asks a metric for `get()` and nothing more when it writes its text. Its own
    // Counter cannot be set and its Histogram cannot be filled, hence this stand-in.
    const metric = {
      name: row.name,
      reset: () => {},
      get: async () => ({
        name: row.name,
        help: row.help,
        type: row.type,
        aggregator: 'sum',
        values: row.read(source()).flatMap((reading) => seriesOf(row, reading)),
      }),
    }
    registry.registerMetric(metric as unknown as Metric)
  }
}

/**
 * A registry of its own with the catalogue and prom-client's process metrics.
 * @returns the whole text for `/metrics` (content type `text/plain; version=0.0.4`)
 */
export function exposition(source: () => Source | Promise<Source>): () => Promise<string> {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  let current: Source | undefined
  expose(registry, () => current!)
  return async () => {
    // One source for the whole text, so that the numbers of one scrape fit together.
    current = await source()
    return registry.metrics()
  }
}

function seriesOf(row: MetricRow, reading: Reading): Series[] {
  if (typeof reading.value === 'number') return [{ labels: reading.labels, value: reading.value }]
  return histogramSeries(row.name, reading.labels, reading.value)
}

/** Buckets become cumulative, as Prometheus wants them, and end in `+Inf`, `_sum`, `_count`. */
function histogramSeries(
  name: string,
  labels: Reading['labels'],
  latency: LatencyCounts,
): Series[] {
  const series: Series[] = []
  let sum = 0
  latency.counts.forEach((count, place) => {
    sum += count
    const bound = BOUNDS_US[place]
    const le = bound === undefined ? '+Inf' : bound / 1_000_000
    series.push({ metricName: `${name}_bucket`, labels: { ...labels, le }, value: sum })
  })
  series.push({ metricName: `${name}_sum`, labels, value: latency.sumUs / 1_000_000 })
  series.push({ metricName: `${name}_count`, labels, value: sum })
  return series
}
