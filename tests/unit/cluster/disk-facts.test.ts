import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { canFollow, diskFacts, forkOf } from '../../../src/cluster/disk-facts.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'weir-facts-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

interface Made {
  state?: number
  checkpoint?: bigint
  timeline?: number
  standby?: boolean
  history?: [number, string]
}

/** A data directory with nothing in it but what is looked at. */
function made(name: string, facts: Made): string {
  const data = join(directory, name)
  mkdirSync(join(data, 'global'), { recursive: true })
  mkdirSync(join(data, 'pg_wal'))
  const control = Buffer.alloc(8192)
  control.writeInt32LE(facts.state ?? 1, 16)
  control.writeBigUInt64LE(facts.checkpoint ?? 0n, 32)
  control.writeUInt32LE(facts.timeline ?? 1, 48)
  writeFileSync(join(data, 'global', 'pg_control'), control)
  if (facts.standby) writeFileSync(join(data, 'standby.signal'), '')
  if (facts.history) {
    const [number, text] = facts.history
    const hex = number.toString(16).toUpperCase().padStart(8, '0')
    writeFileSync(join(data, 'pg_wal', `${hex}.history`), text)
  }
  return data
}

test('a directory without a server has no facts', () => {
  expect(diskFacts(directory)).toBeUndefined()
})

test('a promoted server knows its timeline before its first checkpoint on it', () => {
  const data = made('a', { timeline: 1, history: [11, '10\t0/4000000\tno recovery target\n'] })
  expect(diskFacts(data)).toMatchObject({ timeline: 1, newestTimeline: 11, claimsWriter: true })
  expect(forkOf(data, 10)).toBe(0x4000000n)
  expect(forkOf(data, 1)).toBeUndefined()
})

describe('a former writer follows without a copy', () => {
  const writer = () =>
    made('writer', { history: [2, '1\t16/B0000A0\tno recovery target specified\n'] })

  test('when it was shut down in order before the new timeline began', () => {
    expect(canFollow(made('old', { checkpoint: 0x16_0b000028n }), writer())).toBe(true)
  })

  test('but not when it wrote past that point', () => {
    expect(canFollow(made('old', { checkpoint: 0x16_0b0000a0n }), writer())).toBe(false)
  })

  test('nor when it crashed', () => {
    expect(canFollow(made('old', { checkpoint: 0x16_0b000028n, state: 6 }), writer())).toBe(false)
  })

  test('nor when its timeline is not in the history of the writer', () => {
    const old = made('old', { checkpoint: 1n, timeline: 3 })
    expect(canFollow(old, writer())).toBe(false)
  })
})
