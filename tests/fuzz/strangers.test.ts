/**
 * Everything a stranger or a bad node may send, one target each (see targets/). Finds are kept in
 * finds/, one input a line, and played first.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { describeFault, fuzz, readBack, type Target, told, wanted } from '../support/fuzz.ts'
import { TARGETS } from './targets/all.ts'

const ENDLESS = 24 * 3_600_000

describe.each(TARGETS.map((target) => [target.name, target] as const))('%s', (_name, target) => {
  if (target.close !== undefined) afterAll(target.close)

  it('goes well with every input that was once found to go wrong', async () => {
    for (const input of findsOf(target)) await target.check(input)
  })

  it(`keeps its promise: ${target.promise}`, { timeout: ENDLESS }, async () => {
    const report = await fuzz(target, wanted(target))
    console.log(told(report))
    expect(describeFault(report, target.promise)).toBe('')
    // Inputs that all come out alike would test nothing.
    expect(report.outcomes.size).toBeGreaterThan(1)
  })
})

function findsOf(target: Target): unknown[] {
  const path = join(import.meta.dirname, 'finds', `${target.name}.jsonl`)
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'utf8').split('\n')
  return lines.filter((line) => line.startsWith('{')).map(readBack)
}
