import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { FakeClock, systemClock } from '../../../src/core/clock.ts'
import { watchFiles } from '../../../src/core/file-watch.ts'
import { until } from '../../../src/core/until.ts'

const folder = mkdtempSync(join(tmpdir(), 'weir-watch-'))
afterAll(() => rmSync(folder, { recursive: true }))

it('tells of a file that was replaced by renaming, and only of that one', async () => {
  const [a, b] = [join(folder, 'a'), join(folder, 'b')]
  writeFileSync(a, 'one')
  writeFileSync(b, 'one')
  const told: string[][] = []
  const files = await watchFiles({
    files: [a, b],
    clock: systemClock,
    changed: (f) => told.push([...f]),
  })
  writeFileSync(join(folder, 'a.new'), 'two')
  renameSync(join(folder, 'a.new'), a)
  await until(() => told.length > 0, 20_000, { what: 'the change to be seen' })
  files.stop()
  expect(told).toEqual([[a]])
})

it('sees a link that was turned to another file', async () => {
  const link = join(folder, 'link')
  writeFileSync(join(folder, 'first'), '1')
  writeFileSync(join(folder, 'second'), '1')
  symlinkSync(join(folder, 'first'), link)
  let told = 0
  const files = await watchFiles({ files: [link], clock: new FakeClock(), changed: () => told++ })
  symlinkSync(join(folder, 'second'), join(folder, 'link.new'))
  renameSync(join(folder, 'link.new'), link)
  await files.look()
  files.stop()
  expect(told).toBe(1)
})

it('looks every few seconds where nobody gives a sign, and not after its end', async () => {
  const file = join(folder, 'quiet', 'none')
  const clock = new FakeClock()
  let told = 0
  const files = await watchFiles({ files: [file], clock, changed: () => told++, lookMs: 1_000 })
  files.forget(file)
  clock.advance(1_000)
  await files.look()
  expect(told).toBe(1)
  files.forget(file)
  files.stop()
  clock.advance(5_000)
  await files.look()
  expect(told).toBe(1)
})
