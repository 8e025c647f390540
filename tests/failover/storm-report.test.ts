/**
 * The report of a storm in a real browser: the figures are there to be read, nothing lies over anything
 * else, and it looks different by night.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { spanText } from '../../src/bench/failover/report/figures.ts'
import { stormHtml } from '../../src/bench/storm/report/html.ts'
import { chromium, pageOf, pictureOf } from '../support/browser.ts'
import { inspected } from '../support/inspected-page.ts'
import { DIRECT, madeUpStorm, madeUpTarget } from '../unit/bench/storm/fixture.ts'

let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'weir-storm-report-'))
})

afterAll(() => rmSync(directory, { recursive: true, force: true }))

const pgbouncer = madeUpTarget({ target: 'pgbouncer', description: 'PgBouncer, pools of 20' })
const result = madeUpStorm([DIRECT, madeUpTarget(), pgbouncer])

function written(name: string, html: string): string {
  const file = join(directory, name)
  writeFileSync(file, html)
  return file
}

describe.skipIf(chromium === undefined)('The report of a storm, in a browser', () => {
  it('shows the figures of every target', async () => {
    const page = await pageOf(written('storm.html', stormHtml(result)))
    const text = page.replace(/<(script|style).*?<\/\1>/gs, '').replace(/<[^>]+>/g, ' ')
    for (const { target, spans } of result.targets) {
      expect(text).toContain(target)
      for (const span of Object.values(spans)) {
        expect(text).toContain(spanText(span.figures.p50))
        expect(text).toContain(spanText(span.figures.p99))
      }
    }
    expect(text).toContain('sorry, too &lt;many&gt; clients already')
    expect(page.match(/<svg/g)?.length).toBeGreaterThanOrEqual(10)
  })

  it('has no text over another or out of its picture, on a wide screen and a narrow one', async () => {
    const one = madeUpStorm([madeUpTarget()])
    for (const html of [stormHtml(result), stormHtml(one)]) {
      for (const width of [1_100, 500]) {
        const file = written(`inspected-${width}.html`, inspected(html))
        expect(await foundIn(file, width)).toEqual([])
      }
    }
  })

  it('can be seen, by day and by night', async () => {
    const file = written('storm.html', stormHtml(result))
    const [day, night] = [await pictureOf(file), await pictureOf(file, { dark: true })]
    for (const png of [day, night]) {
      expect(png.subarray(1, 4).toString()).toBe('PNG')
      // An empty page of this size is a few thousand bytes.
      expect(png.length).toBeGreaterThan(50_000)
    }
    expect(day.equals(night)).toBe(false)
  })
})

async function foundIn(file: string, width: number): Promise<string[]> {
  const page = await pageOf(file, { width })
  const [, json] = /<title>found (.*?)<\/title>/s.exec(page) ?? []
  return JSON.parse((json ?? '').replaceAll('&amp;', '&').replaceAll('&lt;', '<'))
}
