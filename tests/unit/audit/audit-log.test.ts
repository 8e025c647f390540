/** The audit log with a sink that fails: what is kept, what is lost, and who may log in meanwhile. */
import { beforeEach, describe, expect, test } from 'vitest'
import { AuditLog, type AuditRules } from '../../../src/audit/audit-log.ts'
import type { Sink } from '../../../src/audit/sink.ts'
import { AUDIT_KINDS, type AuditEvent } from '../../../src/core/audit.ts'
import { FakeClock } from '../../../src/core/clock.ts'
import { silentLog } from '../../../src/core/log.ts'
import { until } from '../../../src/core/until.ts'

/** A disk that is full while `full` is set. */
let full: boolean
let written: string[]
let opened: number
let closings: (string | undefined)[]
let counts: { auditLines: number; auditLinesLost: number; auditFailing: number }
let clock: FakeClock
let logged: string[]

beforeEach(() => {
  full = false
  written = []
  opened = 0
  closings = []
  counts = { auditLines: 0, auditLinesLost: 0, auditFailing: 0 }
  clock = new FakeClock()
  logged = []
})

async function open(): Promise<Sink> {
  if (full) throw new Error('ENOSPC: no space left on device')
  opened++
  return {
    write: async (text) => {
      if (full) throw new Error('ENOSPC: no space left on device')
      written.push(...text.trimEnd().split('\n'))
    },
    close: async () => {},
  }
}

function auditLog(some: Partial<AuditRules> = {}): AuditLog {
  const note = (_: object, message: string): void => void logged.push(message)
  return new AuditLog({
    rules: {
      ...{ events: AUDIT_KINDS, statements: 'off', required: true, place: 'audit.log', open },
      ...some,
    },
    clock,
    log: { ...silentLog, error: note, warn: note },
    counts,
    onClosed: (closed) => closings.push(closed?.sqlstate),
  })
}

/** Time for one more try. */
async function passing(): Promise<void> {
  clock.advance(10_000)
  await new Promise((resolve) => setImmediate(resolve))
}

const change = (detail: string): AuditEvent => ({
  ...{ kind: 'change', what: 'settings', outcome: 'done', detail },
})
const details = (): (string | undefined)[] => written.map((line) => JSON.parse(line).detail)

describe('the audit log', () => {
  test('writes in the order of telling, and only the kinds that are wanted', async () => {
    const log = auditLog({ events: ['change'] })
    await log.open()
    for (let i = 0; i < 1_200; i++) log.tell(change(String(i)))
    log.tell({ kind: 'cancel', outcome: 'ignored', pid: 1 })
    await until(() => counts.auditLines === 1_200, 10_000)
    expect(details()).toEqual(Array.from({ length: 1_200 }, (_, i) => String(i)))
    expect([log.wants('change'), log.wants('cancel')]).toEqual([true, false])
  })

  test('that is given other rules while a write fails has one sink afterwards', async () => {
    let fail = (_: Error): void => {}
    const write = () =>
      new Promise<void>((_, reject) => {
        fail = reject
      })
    const log = auditLog({ open: async () => ({ ...(await open()), write }) })
    await log.open()
    log.tell(change('one'))
    await new Promise((resolve) => setImmediate(resolve))
    const rules = { events: AUDIT_KINDS, statements: 'off', required: true, place: 'x' } as const
    const changed = log.change({ ...rules, open })
    await new Promise((resolve) => setImmediate(resolve))
    fail(new Error('EIO'))
    await changed
    await passing()
    expect([opened, counts.auditFailing, details()]).toEqual([2, 0, ['one']])
  })

  test('keeps what it cannot write, lets nobody log in, and writes it when there is room', async () => {
    const log = auditLog()
    await log.open()
    full = true
    log.tell(change('a'))
    await until(() => counts.auditFailing === 1, 10_000)
    expect(log.closed).toMatchObject({ code: 'WEIR_AUDIT', sqlstate: '57P03', retryable: true })
    log.tell(change('b'))
    for (let i = 0; i < 5; i++) await passing()
    expect(counts.auditFailing).toBe(1)
    full = false
    await until(async () => {
      await passing()
      return counts.auditFailing === 0
    }, 10_000)
    await until(() => written.length === 2, 10_000)
    expect(details()).toEqual(['a', 'b'])
    expect(log.closed).toBeUndefined()
    expect(closings).toEqual(['57P03', undefined])
    expect(logged).toEqual([
      'the audit log cannot be written (nobody may log in until it can): ENOSPC: no space left on device',
      'the audit log can be written again',
    ])
  })

  test('lets clients log in when it is not required, and says how much was lost', async () => {
    const log = auditLog({ required: false })
    await log.open()
    full = true
    log.tell(change('first'))
    await until(() => counts.auditFailing === 1, 10_000)
    expect(log.closed).toBeUndefined()
    for (let i = 0; i < 10_100; i++) log.tell(change(String(i)))
    expect(counts.auditLinesLost).toBe(101)
    full = false
    clock.advance(60_000)
    await until(() => written.length === 10_001, 10_000)
    expect(details().at(-1)).toBe('101 lines were lost before this one')
    expect(closings).toEqual([])
  })

  test('opens again with nobody there to log in and show that it can be written', async () => {
    const log = auditLog()
    full = true
    await expect(log.open()).rejects.toMatchObject({ code: 'WEIR_AUDIT' })
    full = false
    clock.advance(60_000)
    await until(() => log.closed === undefined, 10_000)
    expect(opened).toBe(1)
  })

  test('goes on with the old rules when new ones cannot be', async () => {
    const log = auditLog()
    await log.open()
    const rules: AuditRules = {
      ...{ events: ['login'], statements: 'off', required: false, place: 'other' },
      open: () => Promise.reject(new Error('no such directory')),
    }
    await expect(log.change(rules)).rejects.toThrow('no such directory')
    log.tell(change('still'))
    await until(() => written.length === 1, 10_000)
    await log.change({ ...rules, open })
    log.tell(change('not wanted any more'))
    await log.close()
    expect(details()).toEqual(['still'])
  })

  test('writes the last lines when it is closed', async () => {
    const log = auditLog()
    await log.open()
    log.tell(change('bye'))
    await log.close()
    expect(details()).toEqual(['bye'])
    log.tell(change('too late'))
    expect(counts.auditLines).toBe(1)
  })
})
