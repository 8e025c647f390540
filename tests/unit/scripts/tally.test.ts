/** The one line `npm test` ends in, and what makes it red. */
import { join } from 'node:path'
import { expect, test } from 'vitest'

type Status = 'passed' | 'failed' | 'skipped'
interface Report {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  numTodoTests: number
  testResults: { name: string; status: string; assertionResults: { status: Status }[] }[]
}
interface Tally {
  passed: number
  failed: number
  skipped: number
}

// Plain JavaScript without declarations, so it is imported by address and given its type here.
const { tallyOf, failuresOf, missingSuites } = (await import(
  join(import.meta.dirname, '../../../scripts/tally.js')
)) as {
  tallyOf(report: Report | undefined, status: number | null): Tally
  failuresOf(report: object | undefined, tally: Tally): { name: string; why: string }[]
  missingSuites(globs: string[], files: { path: string; passed: number }[]): string[]
}

/** A report of files, each a list of test outcomes; a file may fail by itself. */
function report(...files: { fileFailed?: boolean; tests: Status[] }[]): Report {
  const count = (status: Status) =>
    files.flatMap((file) => file.tests).filter((s) => s === status).length
  return {
    numPassedTests: count('passed'),
    numFailedTests: count('failed'),
    numPendingTests: count('skipped'),
    numTodoTests: 0,
    testResults: files.map(({ fileFailed, tests }, i) => ({
      name: `f${i}.test.ts`,
      status: fileFailed || tests.includes('failed') ? 'failed' : 'passed',
      assertionResults: tests.map((status) => ({ status })),
    })),
  }
}

test('outcomes are summed over files', () => {
  const both = report({ tests: ['passed', 'passed', 'skipped'] }, { tests: ['passed', 'failed'] })
  expect(tallyOf(both, 1)).toEqual({ passed: 3, failed: 1, skipped: 1 })
})

test('each file that could not be loaded counts as a failure beside failed tests', () => {
  const unloaded = { fileFailed: true, tests: [] }
  const broken = report({ tests: ['passed', 'failed'] }, unloaded, unloaded)
  expect(tallyOf(broken, 1)).toEqual({ passed: 1, failed: 3, skipped: 0 })
})

test('a file whose hook failed counts once beside its skipped tests', () => {
  const hook = report({ fileFailed: true, tests: ['skipped', 'skipped'] })
  expect(tallyOf(hook, 1)).toEqual({ passed: 0, failed: 1, skipped: 2 })
})

test('an error outside any test counts, for the exit code tells of it', () => {
  expect(tallyOf(report({ tests: ['passed'] }), 1).failed).toBe(1)
  expect(tallyOf(report({ tests: ['passed'] }), null).failed).toBe(1)
  expect(tallyOf(report({ tests: ['passed'] }), 0).failed).toBe(0)
})

test('a run that left no report counts as a failure', () => {
  expect(tallyOf(undefined, 0)).toEqual({ passed: 0, failed: 1, skipped: 0 })
})

test('a required suite must match, and each match must have passed a test', () => {
  const files = [
    { path: 'tests/failover/kill.test.ts', passed: 3 },
    { path: 'tests/failover/deep/stop.test.ts', passed: 0 },
    { path: 'tests/unit/pool/pool.test.ts', passed: 9 },
  ]
  expect(missingSuites(['tests/failover/*.test.ts', 'tests/**/pool.test.ts'], files)).toEqual([])
  expect(missingSuites(['tests/failover/**/*.test.ts'], files)).toEqual([
    'tests/failover/deep/stop.test.ts: must run, but no test of it passed',
  ])
  expect(missingSuites(['tests/integration/*.test.ts'], files)).toEqual([
    'tests/integration/*.test.ts: no such suite was run',
  ])
})

test('what failed is told by name with the beginning of its message, a file that did not load too', () => {
  const long = Array.from({ length: 40 }, (_, i) => `line ${i}`).join('\n')
  const testResults = [
    {
      name: 'a.test.ts',
      status: 'failed',
      assertionResults: [
        { status: 'passed', fullName: 'is well', failureMessages: [] },
        { status: 'failed', fullName: 'is not', failureMessages: [long] },
      ],
    },
    { name: 'b.test.ts', status: 'failed', message: 'cannot be read', assertionResults: [] },
  ]
  const [first, second, ...more] = failuresOf({ testResults }, { passed: 1, failed: 2, skipped: 0 })
  expect(first?.name).toBe('a.test.ts: is not')
  expect(first?.why).toContain('line 0')
  expect(first?.why).not.toContain('line 20')
  expect(second).toEqual({ name: 'b.test.ts', why: '    cannot be read' })
  expect(more).toEqual([])
})

test('a run that failed outside any test is told of too', () => {
  expect(failuresOf(undefined, { passed: 0, failed: 1, skipped: 0 })).toHaveLength(1)
  expect(failuresOf({ testResults: [] }, { passed: 3, failed: 0, skipped: 0 })).toEqual([])
})
