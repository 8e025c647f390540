// What `npm test` makes of vitest's JSON reports. Rule: silence is never success. A report that is
// missing, a file that could not be loaded and an error outside any test each count as a failure.

/** @typedef {{ passed: number, failed: number, skipped: number }} Tally */

/**
 * Sums one vitest run.
 * @param {object | undefined} report what the json reporter wrote; undefined when it wrote nothing
 * @param {number | null} status the run's exit code, null when a signal ended it
 * @returns {Tally}
 */
export function tallyOf(report, status) {
  if (report === undefined) return { passed: 0, failed: 1, skipped: 0 }
  const passed = report.numPassedTests
  const skipped = report.numPendingTests + report.numTodoTests
  // A file that fails to load or whose hooks fail has no failed test to show for it.
  const brokenFiles = report.testResults.filter(
    (file) =>
      file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  ).length
  const failed = report.numFailedTests + brokenFiles
  return { passed, failed: failed === 0 && status !== 0 ? 1 : failed, skipped }
}

/** Lines of a failure's message that are shown: what was expected, and where. */
const SHOWN_LINES = 12

/**
 * The failures of one vitest run by name, each with the beginning of its message; at least one
 * where the tally has any.
 * @param {object | undefined} report what the json reporter wrote
 * @param {Tally} tally of the same run
 * @returns {{ name: string, why: string }[]}
 */
export function failuresOf(report, tally) {
  const found = (report?.testResults ?? []).flatMap((file) => {
    const failed = file.assertionResults.filter((test) => test.status === 'failed')
    if (failed.length === 0 && file.status === 'failed') {
      return [{ name: file.name, why: beginningOf(file.message) }]
    }
    return failed.map((test) => ({
      name: `${file.name}: ${test.fullName}`,
      why: test.failureMessages.map(beginningOf).join('\n'),
    }))
  })
  if (found.length > 0 || tally.failed === 0) return found
  return [{ name: 'a run ended badly outside of any test', why: '' }]
}

function beginningOf(message) {
  const lines = (message ?? '').split('\n').slice(0, SHOWN_LINES)
  return lines.map((line) => `    ${line}`).join('\n')
}

/** A glob of `*` (within a folder) and `**` (any folders) as a whole-path pattern. */
function patternOf(glob) {
  const source = glob
    .split(/(\*\*\/|\*\*|\*)/)
    .map((part) => {
      if (part === '**/') return '(?:.*/)?'
      if (part === '**') return '.*'
      if (part === '*') return '[^/]*'
      return part.replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    })
    .join('')
  return new RegExp(`^${source}$`)
}

/**
 * The suites that had to run and did not: one sentence each.
 * @param {string[]} globs paths from the checkout's root
 * @param {{ path: string, passed: number }[]} files every file that was run
 * @returns {string[]}
 */
export function missingSuites(globs, files) {
  return globs.flatMap((glob) => {
    const pattern = patternOf(glob)
    const matching = files.filter((file) => pattern.test(file.path))
    if (matching.length === 0) return [`${glob}: no such suite was run`]
    return matching
      .filter((file) => file.passed === 0)
      .map((file) => `${file.path}: must run, but no test of it passed`)
  })
}
