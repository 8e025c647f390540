#!/usr/bin/env node
// The fuzz targets without a test runner: for millions of inputs, and to see what they never reach.
//
//   node tests/fuzz/measure.js --runs 1000000 --only client-login,node-login --seed 7
//   node tests/fuzz/measure.js --runs 20000 --coverage src/wire,src/auth,src/protocol [--lines]
//
// Rule: compiles into a folder of its own under the system's temporary one, prints one line for each
// target, and exits with 1 when a promise was broken. Coverage is V8's own, counted in lines of the
// compiled files that hold code; `--lines` prints those that were never reached.
import { execFileSync, spawnSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = join(import.meta.dirname, '..', '..')
const { values: asked } = parseArgs({
  options: {
    runs: { type: 'string' },
    seed: { type: 'string' },
    only: { type: 'string' },
    coverage: { type: 'string' },
    lines: { type: 'boolean', default: false },
    outcomes: { type: 'boolean', default: false },
  },
})

const DRIVE = `
import { TARGETS } from './tests/fuzz/targets/all.js'
import { describeFault, fuzz, told, wanted } from './tests/support/fuzz.js'
const only = process.env.WEIR_FUZZ_ONLY?.split(',')
let broken = 0
for (const target of TARGETS) {
  if (only !== undefined && !only.includes(target.name)) continue
  const begun = performance.now()
  const report = await fuzz(target, wanted(target))
  const seconds = ((performance.now() - begun) / 1000).toFixed(1)
  const megabytes = Math.round(process.memoryUsage().rss / 1048576)
  console.log(told(report) + ', ' + seconds + ' s, ' + megabytes + ' MB')
  if (process.env.WEIR_FUZZ_OUTCOMES) {
    for (const [outcome, times] of [...report.outcomes].sort((a, b) => b[1] - a[1])) {
      console.log('    ' + String(times).padStart(8) + '  ' + outcome)
    }
  }
  if (report.fault !== undefined) {
    broken++
    console.log(describeFault(report, target.promise))
  }
  await target.close?.()
}
process.exit(broken === 0 ? 0 : 1)
`

const built = mkdtempSync(join(tmpdir(), 'weir-fuzz-'))
let failed = false
try {
  compile()
  failed = run()
  if (asked.coverage !== undefined) tellCoverage(asked.coverage.split(','))
} finally {
  rmSync(built, { recursive: true, force: true })
}
process.exitCode = failed ? 1 : 0

function compile() {
  const config = join(built, 'tsconfig.json')
  writeFileSync(
    config,
    JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      compilerOptions: {
        noEmit: false,
        rootDir: root,
        outDir: join(built, 'out'),
        types: ['node'],
      },
      include: ['targets', '../support'].map((folder) => join(root, 'tests/fuzz', folder)),
    }),
  )
  symlinkSync(join(root, 'node_modules'), join(built, 'node_modules'))
  mkdirSync(join(built, 'out'))
  writeFileSync(join(built, 'out', 'package.json'), readFileSync(join(root, 'package.json')))
  for (const folder of ['config', 'tests/fuzz/finds']) {
    mkdirSync(join(built, 'out', folder, '..'), { recursive: true })
    symlinkSync(join(root, folder), join(built, 'out', folder))
  }
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  // Types are judged by `npm run check`; here only what comes out counts.
  spawnSync(process.execPath, [compiler, '-p', config], { stdio: 'ignore' })
  writeFileSync(join(built, 'out', 'drive.js'), DRIVE)
}

/** Runs the targets in a process of their own, whose coverage is written when it ends. */
function run() {
  const env = { ...process.env, WEIR_FUZZ_OUTCOMES: asked.outcomes ? '1' : '' }
  if (asked.runs !== undefined) env.WEIR_FUZZ_RUNS = asked.runs
  env.WEIR_FUZZ_SEED = asked.seed ?? 'random'
  if (asked.only !== undefined) env.WEIR_FUZZ_ONLY = asked.only
  if (asked.coverage !== undefined) env.NODE_V8_COVERAGE = join(built, 'coverage')
  const done = spawnSync(process.execPath, [join(built, 'out', 'drive.js')], {
    cwd: root,
    env,
    stdio: 'inherit',
  })
  return done.status !== 0
}

function tellCoverage(folders) {
  const reached = new Map()
  for (const name of readdirSync(join(built, 'coverage'))) {
    const { result } = JSON.parse(readFileSync(join(built, 'coverage', name), 'utf8'))
    for (const { url, functions } of result) {
      if (!url.startsWith('file:')) continue
      const path = relative(join(built, 'out'), fileURLToPath(url))
      if (folders.some((folder) => path.startsWith(`${folder}/`))) reached.set(path, functions)
    }
  }
  for (const folder of folders) {
    const total = { lines: 0, hit: 0 }
    const files = execFileSync('find', [join(built, 'out', folder), '-name', '*.js'], {
      encoding: 'utf8',
    })
    for (const file of files.split('\n').filter(Boolean).sort()) {
      const path = relative(join(built, 'out'), file)
      const { lines, missed } = linesOf(readFileSync(file, 'utf8'), reached.get(path))
      if (lines === 0) continue
      total.lines += lines
      total.hit += lines - missed.length
      const share = Math.round((100 * (lines - missed.length)) / lines)
      console.log(`${String(share).padStart(4)} %  ${path.replace(/\.js$/, '.ts')}`)
      if (!asked.lines) continue
      for (const { number, text } of missed) console.log(`         ${number}: ${text.trim()}`)
    }
    const share = ((100 * total.hit) / total.lines).toFixed(1)
    console.log(`${folder}: ${share} % of ${total.lines} lines`)
  }
}

/** Lines that hold code, and those of them no call reached. */
function linesOf(text, functions) {
  // Inner ranges come later and are the more exact ones.
  const counts = new Int32Array(text.length)
  for (const { ranges } of functions ?? []) {
    for (const { startOffset, endOffset, count } of ranges)
      counts.fill(count, startOffset, endOffset)
  }
  const missed = []
  let lines = 0
  let inComment = false
  let at = 0
  for (const [index, line] of text.split('\n').entries()) {
    const start = at + (line.length - line.trimStart().length)
    at += line.length + 1
    const bare = line.trim()
    if (bare.startsWith('/*')) inComment = true
    const comment = inComment || bare.startsWith('//')
    if (bare.endsWith('*/')) inComment = false
    if (comment || /^[\s{}()[\];,]*$|^export \{\};?$/.test(bare)) continue
    lines++
    if (functions === undefined || counts[start] === 0)
      missed.push({ number: index + 1, text: line })
  }
  return { lines, missed }
}
