/** Where the nodes come from, as a person sees it: on the page and in the terminal. */
import { expect, test } from 'vitest'
import { tables } from '../../../src/admin/page.ts'
import type { SourceStatus } from '../../../src/admin/snapshot.ts'
import { COLOURS, NO_COLOURS, statusText } from '../../../src/cli/status-view.ts'
import { exampleStatus } from './example.ts'

const patroni: SourceStatus = {
  kind: 'patroni',
  place: 'http://10.0.0.11:8008',
  ok: true,
  because: 'http://10.0.0.11:8008 names 3 nodes',
  since: 1_700_000_000_000,
}

test('a source that answers is named with what it said', () => {
  const status = exampleStatus({ source: patroni })
  const line = 'found by patroni: http://10.0.0.11:8008 names 3 nodes'
  expect(statusText(status, NO_COLOURS)).toContain(`  ${line}\n\nEndpoints\n`)
  expect(tables(status)).toContain(`<p class="sub">${line}</p>`)
})

test('one that does not answer says so, since when and why, and in red', () => {
  const because = '<http://10.0.0.11:8008>: connection refused'
  const status = exampleStatus({ source: { ...patroni, ok: false, because } })
  const head = 'found by patroni, which has not answered since 2023-11-14 22:13:20 UTC: '
  expect(statusText(status, COLOURS)).toContain(COLOURS.bad(`${head}${because}`))
  expect(tables(status)).toContain(`<p class="sub bad">${head}&lt;http://10.0.0.11:8008&gt;: `)
})

test('of nodes in the configuration nothing is said', () => {
  expect(statusText(exampleStatus(), NO_COLOURS)).not.toContain('found by')
  expect(tables(exampleStatus())).not.toContain('found by')
})
