#!/usr/bin/env node
// `npm run check`: what a person runs before a commit. Format and lint, types, layers and unit
// tests, all at once, one line each as it ends.
//
// Rule: it stays under half a minute, or people stop running it; a run that takes longer says so.
// Whatever fails shows its own output, after everything has ended, and the exit code is 1.
import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'

const root = dirname(import.meta.dirname)
const BUDGET_MS = 30_000
/** Biome colours a pipe too unless told otherwise. */
const COLOURS = process.stdout.isTTY ? '--colors=force' : '--colors=off'

/** A package's program, run by node itself so that no shell and no PATH is needed. */
const bin = (...path) => join(root, 'node_modules', ...path)

const STEPS = [
  { name: 'format and lint', args: [bin('@biomejs', 'biome', 'bin', 'biome'), 'ci', COLOURS, '.'] },
  { name: 'types', args: [bin('typescript', 'bin', 'tsc'), '-p', '.', '--pretty', 'false'] },
  { name: 'layers', args: [join(root, 'scripts', 'layers.js')] },
  // Test files share their workers here: less than half the work. `npm test` keeps them apart.
  {
    name: 'unit tests',
    args: [bin('vitest', 'vitest.mjs'), 'run', '--project=unit', '--no-isolate'],
  },
]

/** Runs one step; resolves with its outcome and everything it printed, never rejects. */
function run({ name, args }) {
  const started = performance.now()
  const colour = process.stdout.isTTY ? { FORCE_COLOR: '1' } : {}
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      env: { ...process.env, ...colour },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      output += text
    })
    const end = (passed, said = output) => {
      const seconds = ((performance.now() - started) / 1000).toFixed(1)
      console.log(`${passed ? 'ok  ' : 'FAIL'}  ${name.padEnd(16)} ${seconds.padStart(5)} s`)
      resolve({ name, passed, output: said })
    }
    child.on('error', (error) => end(false, error.message))
    child.on('close', (status) => end(status === 0))
  })
}

const started = performance.now()
const results = await Promise.all(STEPS.map(run))
const elapsed = performance.now() - started
const failed = results.filter((result) => !result.passed)

for (const { name, output } of failed) console.log(`\n--- ${name} ---\n${output.trimEnd()}`)
if (failed.length > 0) console.log('')
if (elapsed > BUDGET_MS) console.log(`note: the check should take under ${BUDGET_MS / 1000} s`)
const verdict =
  failed.length === 0 ? 'check passed' : `check failed: ${failed.map((f) => f.name).join(', ')}`
console.log(`${verdict} in ${(elapsed / 1000).toFixed(1)} s`)
process.exitCode = failed.length === 0 ? 0 : 1
