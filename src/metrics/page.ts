/**
 * `docs/metrics.md`, written from the catalogue. Rule: nobody edits that page; its test compares it
 * with this text and writes it anew with `npx vitest run tests/unit/metrics/page.test.ts -u`.
 */
import { BOUNDS_US } from './buckets.ts'
import { CATALOGUE, type MetricRow, PROCESS_METRICS } from './catalogue.ts'

export function metricsPage(): string {
  const aws = CATALOGUE.filter((row) => row.aws !== undefined)
  const ours = CATALOGUE.filter((row) => row.aws === undefined)
  return `# Metrics

Generated from \`src/metrics/catalogue.ts\`; do not edit by hand.

Weir serves these at \`http://127.0.0.1:6480/metrics\` in the text format of Prometheus. Where Amazon
CloudWatch shows the same of an RDS Proxy, the metric bears that name in snake case and its help text
says so. Counters end in \`_total\`. Latencies are histograms in seconds (CloudWatch: microseconds),
with bounds ${BOUNDS_US.map(duration).join(', ')}.

## Named after CloudWatch

| metric | AWS | type | unit | labels | meaning |
| --- | --- | --- | --- | --- | --- |
${aws.map((row) => line(row, [row.aws ?? ''])).join('\n')}

\`QueryRequests\` of RDS Proxy leaves the extended protocol of Postgres out; ours counts it.
CloudWatch splits server metrics by role as well; here, join with \`weir_node_role\`:

\`\`\`
sum by (role) (weir_database_connections * on (node) group_left (role) (weir_node_role == 1))
\`\`\`

Figures people derive:

- utilisation: \`weir_database_connections / weir_max_database_connections_allowed\`; above 0.7, raise the budget.
- pinned share: \`weir_database_connections_currently_session_pinned / weir_database_connections\`.
- reuse: \`rate(weir_transactions_total[5m])\` against \`rate(weir_database_connection_requests_total[5m])\`.

## Ours

| metric | type | unit | labels | meaning |
| --- | --- | --- | --- | --- |
${ours.map((row) => line(row, [])).join('\n')}

## Of the process

Collected by prom-client, among others:

| metric | meaning |
| --- | --- |
${PROCESS_METRICS.map((m) => `| \`${m.name}\` | ${m.help} |`).join('\n')}
`
}

function line(row: MetricRow, second: readonly string[]): string {
  const help = row.aws === undefined ? row.help : row.help.replace(` AWS: ${row.aws}`, '')
  const labels = row.labels.length === 0 ? '-' : row.labels.map((l) => `\`${l}\``).join(' ')
  return `| ${[`\`${row.name}\``, ...second, row.type, row.unit, labels, help].join(' | ')} |`
}

function duration(us: number): string {
  if (us < 1_000) return `${us} us`
  if (us < 1_000_000) return `${us / 1_000} ms`
  return `${us / 1_000_000} s`
}
