/** The file of the audit log: who may read it, how it is put aside, and what is no place for it. */
import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type FileRules, fileSink, streamSink } from '../../../src/audit/sink.ts'
import { FakeClock } from '../../../src/core/clock.ts'

let directory: string
let clock: FakeClock
let rules: FileRules

beforeEach(async () => {
  clock = new FakeClock()
  directory = await mkdtemp(join(tmpdir(), 'weir-audit-'))
  rules = {
    path: join(directory, 'audit.log'),
    ...{ rotateSize: 2_048, rotateInterval: 'never', keep: 2 },
  }
})

afterEach(() => rm(directory, { recursive: true, force: true }))

const text = (n: number): string => `${String(n).padStart(1_023, '.')}\n`

test('nobody but the owner and the group may read it, and it is gone on with', async () => {
  const first = await fileSink(rules, clock)
  await first.write('one\n')
  await first.close()
  const second = await fileSink(rules, clock)
  await second.write('two\n')
  await second.close()
  expect(await readFile(rules.path, 'utf8')).toBe('one\ntwo\n')
  expect((await stat(rules.path)).mode & 0o777).toBe(0o640)
})

test('it is put aside when it is large, and so many are kept', async () => {
  const sink = await fileSink(rules, clock)
  for (let n = 0; n < 20; n++) await sink.write(text(n))
  await sink.close()
  const names = (await readdir(directory)).sort()
  expect(names).toEqual(['audit.log', 'audit.log.1', 'audit.log.2'])
  for (const name of names) {
    const { mode, size } = await stat(join(directory, name))
    expect([mode & 0o777, size <= 2_048], name).toEqual([0o640, true])
  }
  const kept = await Promise.all(names.reverse().map((n) => readFile(join(directory, n), 'utf8')))
  const numbers = kept
    .join('')
    .split('\n')
    .filter(Boolean)
    .map((line) => Number(line.replaceAll('.', '')))
  const last = numbers.length
  expect(numbers).toEqual(Array.from({ length: last }, (_, i) => 20 - last + i))
})

test('it is put aside when its day is over, but not when there is nothing in it', async () => {
  clock.advance(Date.now() - clock.wall())
  const sink = await fileSink({ ...rules, rotateInterval: 'daily' }, clock)
  clock.advance(86_400_000)
  await sink.write('one\n')
  await sink.write('and\n')
  expect(await readdir(directory)).toEqual(['audit.log'])
  await sink.close()
  // The file's own time counts when it is opened again, a day ago for this clock.
  const next = await fileSink({ ...rules, rotateInterval: 'daily' }, clock)
  await next.write('two\n')
  await next.close()
  expect((await readdir(directory)).sort()).toEqual(['audit.log', 'audit.log.1'])
  expect(await readFile(rules.path, 'utf8')).toBe('two\n')
})

test('a line that was torn when a program died stays a line of its own', async () => {
  await writeFile(rules.path, '{"torn')
  const sink = await fileSink(rules, clock)
  await sink.write('one\n')
  await sink.close()
  expect(await readFile(rules.path, 'utf8')).toBe('{"torn\none\n')
})

test('a place where no file can be is said at once', async () => {
  await expect(fileSink({ ...rules, path: directory }, clock)).rejects.toThrow(/EISDIR|no file/)
  await expect(
    fileSink({ ...rules, path: join(directory, 'no', 'audit.log') }, clock),
  ).rejects.toThrow('ENOENT')
})

test('a file that was moved away is followed by a new one at the next line', async () => {
  const sink = await fileSink(rules, clock)
  await sink.write('one\n')
  await rename(rules.path, join(directory, 'moved'))
  await sink.write('two\n')
  await sink.write('three\n')
  expect(await readFile(rules.path, 'utf8')).toBe('two\nthree\n')
  expect(await readFile(join(directory, 'moved'), 'utf8')).toBe('one\n')
  await rm(directory, { recursive: true })
  await expect(sink.write('four\n')).rejects.toThrow('ENOENT')
  await expect(sink.write('five\n')).rejects.toThrow()
  await sink.close()
})

test('standard output takes lines too, and tells when it is gone', async () => {
  const out = new PassThrough()
  const sink = streamSink(out)
  await sink.write('one\n')
  expect(String(out.read())).toBe('one\n')
  out.on('error', () => {})
  out.destroy()
  await expect(sink.write('two\n')).rejects.toThrow()
})
