#!/usr/bin/env node
// `npm test`: builds, checks the layers, then runs every kind of test, and ends in one line that a
// person and a machine read alike: `N passed, N failed, N skipped`.
//
// Rule: the exit code is 0 only when something passed, nothing failed and, with CI=true, no suite
// of tests/required-suites.json was skipped. Kinds run one after the other, so that a failover
// measured in milliseconds never shares the machine with a fuzz run. What failed is said once more at
// the end, where a machine that keeps only the end of a log shows it. Arguments go to vitest
// (`npm test -- tests/unit/pool`, `npm test -- -t 'name of a test'`).
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { failuresOf, missingSuites, tallyOf } from './tally.js'

const root = dirname(import.meta.dirname)

/** Folders of tests/, each a vitest project of the same name; cheapest first. */
const KINDS = ['unit', 'conformance', 'fuzz', 'integration', 'failover']

const asked = process.argv.slice(2)
const total = { passed: 0, failed: 0, skipped: 0 }
const files = []
const failures = []

function node(...args) {
  return spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
}

function fail(sentence) {
  console.log(`test: ${sentence}`)
  failures.push({ name: sentence, why: '' })
  total.failed++
}

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

/** Runs one kind and adds it to the total. */
function runKind(kind, folder) {
  console.log(`\ntest: ${kind}`)
  const out = join(folder, `${kind}.json`)
  const { status } = node(
    join(root, 'node_modules', 'vitest', 'vitest.mjs'),
    'run',
    `--project=${kind}`,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${out}`,
    '--passWithNoTests',
    // As `npm run check` runs them: a process of its own for each of two hundred files takes a minute.
    ...(kind === 'unit' ? ['--no-isolate'] : []),
    ...asked,
  )
  const report = readReport(out)
  const tally = tallyOf(report, status)
  for (const key of Object.keys(total)) total[key] += tally[key]
  failures.push(...failuresOf(report, tally))
  for (const file of report?.testResults ?? []) {
    const passed = file.assertionResults.filter((test) => test.status === 'passed').length
    files.push({ path: relative(root, file.name).replaceAll('\\', '/'), passed })
  }
}

function checkRequiredSuites() {
  const path = join(root, 'tests', 'required-suites.json')
  if (asked.length > 0 || !existsSync(path)) return
  for (const sentence of missingSuites(JSON.parse(readFileSync(path, 'utf8')), files)) {
    if (process.env.CI === 'true') fail(sentence)
    else console.log(`test: ${sentence} (an error with CI=true)`)
  }
}

/** Tests in a folder that no kind covers would never run; say so. */
function checkFolders() {
  const folders = readdirSync(join(root, 'tests'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !KINDS.includes(entry.name))
    .map((entry) => entry.name)
  for (const folder of folders) {
    const names = readdirSync(join(root, 'tests', folder), { recursive: true })
    const stray = names.find((name) => name.endsWith('.test.ts'))
    if (stray !== undefined) fail(`tests/${folder}/${stray} is of no kind: nothing runs it`)
  }
}

const folder = mkdtempSync(join(tmpdir(), 'weir-test-'))
try {
  console.log('test: build')
  const built = node(
    join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
    '-p',
    'tsconfig.build.json',
  )
  if (built.status !== 0) {
    fail('the build failed; nothing was run')
  } else {
    if (node(join(root, 'scripts', 'layers.js')).status !== 0) fail('the layers are broken')
    checkFolders()
    for (const kind of KINDS) runKind(kind, folder)
    checkRequiredSuites()
    if (total.passed + total.failed === 0) fail('no test ran')
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

if (failures.length > 0) console.log('\ntest: what failed')
for (const { name, why } of failures) console.log(`\n* ${name}\n${why}`)
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
process.exitCode = total.failed === 0 ? 0 : 1
