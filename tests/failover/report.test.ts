/**
 * The report in a real browser: the figures are there to be read, nothing lies over anything else,
 * and it looks different by night. The subjects of a report are in report-subjects.test.ts.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { spanText } from '../../src/bench/failover/report/figures.ts'
import { reportHtml } from '../../src/bench/failover/report/html.ts'
import { chromium, pageOf, pictureOf } from '../support/browser.ts'
import { inspected } from '../support/inspected-page.ts'
import { madeUpResult } from '../unit/bench/report-fixture.ts'

let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'weir-report-'))
})

afterAll(() => rmSync(directory, { recursive: true, force: true }))

const result = madeUpResult()

function written(name: string, html: string): string {
  const file = join(directory, name)
  writeFileSync(file, html)
  return file
}

async function stumbles(html: string, width: number): Promise<string[]> {
  const file = written(`inspected-${width}.html`, inspected(html))
  const page = await pageOf(file, { width })
  const [, json] = /<title>found (.*?)<\/title>/s.exec(page) ?? []
  return JSON.parse((json ?? '').replaceAll('&amp;', '&').replaceAll('&lt;', '<'))
}

describe.skipIf(chromium === undefined)('The report of a run, in a browser', () => {
  it('shows the figures', async () => {
    const page = await pageOf(written('report.html', reportHtml(result)))
    const text = page.replace(/<(script|style).*?<\/\1>/gs, '').replace(/<[^>]+>/g, ' ')
    for (const { subject, writeGap, firstWrite, readGap } of result.subjects) {
      expect(text).toContain(subject)
      for (const figures of [writeGap, firstWrite, readGap]) {
        expect(text).toContain(spanText(figures?.p50))
        expect(text).toContain(spanText(figures?.p99))
      }
    }
    expect(text).toContain('None of 800 idle connections was dropped.')
    expect(page.match(/<svg/g)?.length).toBeGreaterThanOrEqual(11)
  })

  it('has no text over another or out of its picture, on a wide screen and a narrow one', async () => {
    const several = madeUpResult({ faults: ['kill', 'freeze', 'reader-kill'], rounds: 3 })
    for (const html of [reportHtml(result), reportHtml(several)]) {
      expect(await stumbles(html, 1_100)).toEqual([])
      expect(await stumbles(html, 500)).toEqual([])
    }
  })

  it('can be seen, by day and by night', async () => {
    const file = written('report.html', reportHtml(result))
    const [day, night] = [await pictureOf(file), await pictureOf(file, { dark: true })]
    for (const png of [day, night]) {
      expect(png.subarray(1, 4).toString()).toBe('PNG')
      // An empty page of this size is a few thousand bytes.
      expect(png.length).toBeGreaterThan(50_000)
    }
    expect(day.equals(night)).toBe(false)
  })
})
