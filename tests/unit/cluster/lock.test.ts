import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Lock, tryLock, waitForLock } from '../../../src/cluster/lock.ts'

let directory: string
let file: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'weir-lock-'))
  file = join(directory, 'a.lock')
})
afterEach(() => rmSync(directory, { recursive: true }))

const taken = (result: ReturnType<typeof tryLock>): Lock => {
  if (!('release' in result)) throw new Error(`held by ${result.pid}`)
  return result
}

test('a lock that is held tells by whom and for what', () => {
  const lock = taken(tryLock(file, 'is being tested'))
  expect(tryLock(file, 'comes second')).toMatchObject({
    pid: process.pid,
    purpose: 'is being tested',
  })
  lock.release()
  taken(tryLock(file, 'comes third')).release()
  expect(readdirSync(directory)).toEqual([])
})

test('a lock whose holder is dead is free, also when its pid belongs to another process now', () => {
  for (const change of [{ pid: 2 ** 22 + 1 }, { startedAt: 'at another time' }]) {
    taken(tryLock(file, 'is about to die'))
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...change }))
    taken(tryLock(file, 'comes after')).release()
    expect(readdirSync(directory)).toEqual([])
  }
})

test('a lock file of junk does not lock anyone out', () => {
  writeFileSync(file, '{"pid":')
  taken(tryLock(file, 'comes after')).release()
})

test('releasing twice does not take the lock from its next holder', () => {
  const first = taken(tryLock(file, 'is first'))
  first.release()
  taken(tryLock(file, 'is second'))
  first.release()
  expect(tryLock(file, 'is third')).toMatchObject({ purpose: 'is second' })
})

test('waiting ends with the lock when it is released and with its holder when it is not', async () => {
  const first = taken(tryLock(file, 'is first'))
  expect(await waitForLock(file, 'is impatient', 0)).toMatchObject({ purpose: 'is first' })
  const second = waitForLock(file, 'is second', 5_000)
  first.release()
  taken(await second).release()
})
