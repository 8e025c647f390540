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
