import { describe, expect, it } from 'vitest'
import { Ledger, OWED } from '../../../src/protocol/postgres/ledger.ts'

function owing(...kinds: number[]): Ledger {
  const ledger = new Ledger()
  for (const kind of kinds) ledger.push(kind)
  return ledger
}

function kinds(ledger: Ledger): number[] {
  const list: number[] = []
  for (; !ledger.empty; ledger.shift()) list.push(ledger.head)
  return list
}

describe('the reply ledger', () => {
  it('names the oldest entry first and -1 when nothing is owed', () => {
    const ledger = owing(OWED.PARSE, OWED.BIND, OWED.SYNC)
    expect(ledger.length).toBe(3)
    expect(kinds(ledger)).toEqual([OWED.PARSE, OWED.BIND, OWED.SYNC])
    expect(ledger.head).toBe(-1)
    expect(ledger.empty).toBe(true)
  })

  it('drops what the server skips behind an error, up to the next Sync', () => {
    const ledger = owing(OWED.BIND, OWED.EXECUTE, OWED.QUERY, OWED.SYNC, OWED.PARSE, OWED.SYNC)
    ledger.fail()
    expect(ledger.skipping).toBe(false)
    expect(kinds(ledger)).toEqual([OWED.SYNC, OWED.PARSE, OWED.SYNC])
  })

  it('books nothing behind an error until Sync comes, not even for a simple query', () => {
    const ledger = owing(OWED.BIND)
    ledger.fail()
    expect(ledger.skipping).toBe(true)
    for (const kind of [OWED.EXECUTE, OWED.QUERY, OWED.FUNCTION]) ledger.push(kind)
    expect(ledger.empty).toBe(true)
    ledger.push(OWED.SYNC)
    expect(ledger.skipping).toBe(false)
    expect(kinds(ledger)).toEqual([OWED.SYNC])
  })

  it('leaves the batch open behind an error although a simple query was sent', () => {
    const ledger = new Ledger()
    ledger.openBatch()
    ledger.push(OWED.BIND)
    ledger.push(OWED.QUERY)
    ledger.closeBatch()
    expect(ledger.batchOpen).toBe(false)
    ledger.fail()
    expect(ledger.batchOpen).toBe(true)
    ledger.push(OWED.SYNC)
    ledger.closeBatch()
    expect(ledger.batchOpen).toBe(false)
  })

  it('undoes the newest first and says which of them failed itself', () => {
    const undone: string[] = []
    const ledger = new Ledger()
    for (const name of ['one', 'two', 'three']) {
      ledger.push(OWED.PARSE, { restore: (failed) => undone.push(`${name} ${failed}`) })
    }
    ledger.push(OWED.SYNC)
    ledger.push(OWED.PARSE, { restore: () => undone.push('never') })
    ledger.fail()
    expect(undone).toEqual(['three false', 'two false', 'one true'])
    const after = owing(OWED.BIND)
    after.fail()
    after.push(OWED.PARSE, { restore: (failed) => undone.push(`late ${failed}`) })
    expect(undone.at(-1)).toBe('late false')
  })

  it('knows when only answers of Weir itself are owed', () => {
    expect(owing().onlyFakes).toBe(false)
    expect(owing(OWED.PARSE_FAKED, OWED.CLOSE_FAKED).onlyFakes).toBe(true)
    expect(owing(OWED.PARSE_FAKED, OWED.BIND).onlyFakes).toBe(false)
  })

  it('counts every ReadyForQuery owed', () => {
    const ledger = owing(OWED.QUERY, OWED.PARSE, OWED.SYNC, OWED.FUNCTION, OWED.QUIET, OWED.BIND)
    expect(ledger.readyOwed).toBe(3)
  })

  it('forgets Syncs that a copy reads, up to its end', () => {
    const ledger = owing(OWED.EXECUTE, OWED.SYNC, OWED.SYNC)
    ledger.copyStarted()
    expect(ledger.copyIn).toBe(true)
    expect(ledger.batchOpen).toBe(true)
    expect(kinds(ledger)).toEqual([OWED.EXECUTE])
    const blind = owing(OWED.EXECUTE, OWED.SYNC)
    blind.copyEnded()
    blind.push(OWED.SYNC)
    blind.copyStarted()
    expect(blind.copyIn).toBe(false)
    expect(kinds(blind)).toEqual([OWED.EXECUTE, OWED.SYNC])
  })

  it('owes nothing for the end of a copy that never was', () => {
    const ledger = owing(OWED.QUERY)
    ledger.copyEnded()
    expect(kinds(ledger)).toEqual([OWED.QUERY])
    ledger.copyEnded()
    expect(ledger.empty).toBe(true)
  })
})
