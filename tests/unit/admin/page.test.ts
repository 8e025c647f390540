import { describe, expect, test } from 'vitest'
import { html } from '../../../src/admin/html.ts'
import { page, tables } from '../../../src/admin/page.ts'
import { span } from '../../../src/admin/words.ts'
import { exampleStatus, PAUSE } from './example.ts'

describe('html', () => {
  test('escapes what it is given, in text and in attributes', () => {
    const name = `<b title='x' onclick="y">&`
    expect(html`<p id="${name}">${name}</p>`.text).toBe(
      '<p id="&lt;b title=&#39;x&#39; onclick=&quot;y&quot;&gt;&amp;">' +
        '&lt;b title=&#39;x&#39; onclick=&quot;y&quot;&gt;&amp;</p>',
    )
  })

  test('does not escape twice what it made itself', () => {
    const items = ['a', '<b>'].map((item) => html`<li>${item}</li>`)
    expect(html`<ul>${items}</ul>`.text).toBe('<ul><li>a</li><li>&lt;b&gt;</li></ul>')
  })
})

describe('the page', () => {
  test('shows every node, endpoint, pool, state, pin and event', () => {
    const text = page(exampleStatus())
    const shown = ['node-1', 'node-3', '127.0.0.1:5502', '127.0.0.1:6433', 'temporary-table']
    shown.push('9 of 97', '6 of 10', '48 connected', 'up 12 min', 'node-1 is the writer.')
    for (const word of shown) expect(text, word).toContain(word)
  })

  test('calls a node fenced that takes writes and must not', () => {
    const nodes = exampleStatus().nodes.map((n) => ({ ...n, fenced: n.name === 'node-3' }))
    expect(page(exampleStatus({ nodes }))).toContain('<td class="bad">fenced</td>')
  })

  test('shows a pause with what still stands in its way, and nothing when there is none', () => {
    const text = tables(exampleStatus({ pauses: [PAUSE] }))
    expect(text).toContain('<h2>Paused</h2>')
    expect(text).toMatch(/<td>node node-1<\/td><td>4 s<\/td>\s*<td>26 s<\/td><td class="n">3<\/td>/)
    expect(tables(exampleStatus())).not.toContain('Paused')
  })

  test('shows the newest event first', () => {
    const text = tables(exampleStatus())
    expect(text.indexOf('node-3 is down:')).toBeLessThan(text.indexOf('node-1 is the writer.'))
  })

  test('shows a failover as a bar whose parts are its steps', () => {
    const text = tables(exampleStatus())
    expect(text).toContain('<td>node-2 → node-1</td>')
    // 487.5 of 519.5 ms were without a writer.
    expect(text).toContain(
      '<i class="to-promoted" style="width: 93.84%" title="no writer: 488 ms">',
    )
    expect(text).toContain('first reply +3.8 ms')
    expect(text).toContain('<td class="n">520 ms</td>')
    expect(text).toContain('<td class="told">3 retried, 2 transaction</td>')
  })

  test('draws of a failover only the steps that somebody saw', () => {
    const [failover] = exampleStatus().failovers
    const { fault: _fault, suspected: _suspected, down: _down, ...timeline } = failover!.timeline
    const text = tables(
      exampleStatus({ failovers: [{ ...failover!, timeline, heldMs: null, over: false }] }),
    )
    expect(text.match(/class="steps".*?<\/div>/s)?.[0].match(/<i /g)).toHaveLength(4)
    expect(text).not.toContain('to-suspected')
    expect(text).toContain('<td class="n">9.8 ms …</td>')
  })

  test('escapes names wherever they come from', () => {
    const evil = '<img src=x onerror=alert(1)>'
    const s = exampleStatus()
    const text = page({
      ...s,
      version: evil,
      nodes: s.nodes.map((n) => ({ ...n, name: evil, host: evil, because: evil })),
      endpoints: s.endpoints.map((e) => ({ ...e, name: evil, address: evil, chooses: evil })),
      pools: s.pools.map((p) => ({ ...p, node: evil, database: evil, user: evil })),
      clients: { ...s.clients, byState: { [evil]: 1 } },
      pins: [{ reason: evil, count: 1 }],
      failovers: s.failovers.map((f) => ({ ...f, from: evil, to: evil, outcomes: { [evil]: 1 } })),
      events: [{ at: 0, text: evil }],
    })
    expect(text).not.toContain('<img')
    expect(text.match(/&lt;img/g)?.length).toBe(1 + 3 * 3 + 2 * 3 + 3 + 1 + 1 + 3 + 1)
  })

  test('says so where there is nothing to show', () => {
    const none = { total: 0, active: 0, waiting: 0, heldBytes: 0, pinned: 0, byState: {} }
    const empty = {
      nodes: [],
      endpoints: [],
      pools: [],
      clients: none,
      pins: [],
      events: [],
      failovers: [],
    }
    const text = tables(exampleStatus(empty))
    expect(text).toContain('No pool yet')
    expect(text).toContain('No client is connected.')
    expect(text).not.toContain('<table')
  })
})

describe('spans of time', () => {
  test.each([
    [0, '0 ms'],
    [999.4, '999 ms'],
    [12_340, '12.3 s'],
    [59_999, '59.9 s'],
    [60_000, '1 min'],
    [3_600_000, '1 h'],
    [12_000_000, '3 h 20 min'],
    [86_400_000, '1 d'],
    [180_000_000, '2 d 2 h'],
  ])('%d ms are %s', (ms, words) => {
    expect(span(ms)).toBe(words)
  })
})

test('a pool that no longer serves says so beside its node', () => {
  const [pool] = exampleStatus().pools
  const retired = { ...pool!, state: 'retired' as const }
  expect(tables(exampleStatus({ pools: [retired] }))).toContain('<td>node-1 (retired)</td>')
  expect(tables(exampleStatus())).not.toContain('(serving)')
})
