import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { CATALOGUE, PROCESS_METRICS } from '../../../src/metrics/catalogue.ts'
import { exposition } from '../../../src/metrics/exposition.ts'
import { Metrics } from '../../../src/metrics/metrics.ts'
import { metricsPage } from '../../../src/metrics/page.ts'

const page = fileURLToPath(new URL('../../../docs/metrics.md', import.meta.url))

const QUIET = {
  clients: { waiting: 0, heldBytes: 0 },
  pauses: [],
  source: { kind: 'static', ok: true },
}

test('docs/metrics.md is what the catalogue says (update: add -u to this test)', async () => {
  expect(existsSync(page), 'a missing page would be written instead of compared').toBe(true)
  await expect(metricsPage()).toMatchFileSnapshot(page)
})

test('the page names every metric', () => {
  const text = metricsPage()
  for (const row of CATALOGUE) expect(text).toContain(`\`${row.name}\``)
})

test.runIf(process.platform === 'linux')('the process metrics it promises exist', async () => {
  const control = {
    version: '',
    startedAt: 0,
    epoch: 0,
    workers: [],
    nodes: [],
    pools: [],
    ...QUIET,
  }
  const text = await exposition(() => ({ counted: new Metrics().snapshot(), control }))()
  for (const { name } of PROCESS_METRICS) expect(text).toContain(`# TYPE ${name} `)
})
