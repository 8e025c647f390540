#!/usr/bin/env node
// PostgreSQL's own regression suite, straight to a node and then through Weir with a rotating pool.
//
// Rule: the yardstick is the same suite, same build, same machine without Weir; a test counts as
// different when what psql printed differs, whatever the expected file says. The suite's sources are
// those of the installed Postgres and stay in the scratch folder.
//
//   node scripts/foreign/regress.js --run-as postgres                    sources by apt-get source
//   node scripts/foreign/regress.js --run-as postgres postgresql-15.18   a source folder at hand
//     --tests a,b          these only, behind test_setup (and without their groups)
//     --max-connections n  tests of a group at a time (default 4)
//     --timeout seconds    for one test (default 120)
//     --only direct|weir   one way only, printed as it passed or failed
//     --set setting=value  for Weir, e.g. --set pool.rotate=false; may be given again
//     --port n             first of three ports (default 7500)
//     --scratch folder     (default: weir-regress in the folder for temporary files)
import { spawn, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import {
  argumentsOf,
  command,
  freshFolder,
  installed,
  LabError,
  ordinaryUser,
  PASSWORD,
  pinsOf,
  run,
  SUPERUSER,
  startNode,
  startWeir,
  table,
} from './lab.js'

const options = argumentsOf(process.argv.slice(2), ['help'])
const scratch = resolve(options.scratch ?? join(tmpdir(), 'weir-regress'))
const port = Number(options.port ?? 7500)

/** Fetches package files into `folder` by a private apt that also knows of sources. */
function aptInto(folder) {
  for (const part of ['lists/partial', 'cache/archives/partial', 'sources']) {
    mkdirSync(join(folder, part), { recursive: true })
  }
  const parts = '/etc/apt/sources.list.d'
  const lists = ['/etc/apt/sources.list', ...readdirSync(parts).map((n) => join(parts, n))]
  for (const list of lists.filter(
    (f) => existsSync(f) && /debian|ubuntu|pgdg/.test(f + readFileSync(f, 'utf8')),
  )) {
    const text = readFileSync(list, 'utf8')
      .replace(/^Types: deb$/gm, 'Types: deb deb-src')
      .replace(/^deb (.*)$/gm, 'deb $1\ndeb-src $1')
    writeFileSync(join(folder, 'sources', list.split('/').pop()), text)
  }
  const apt = [
    '-o',
    'Dir::Etc::SourceList=/dev/null',
    '-o',
    `Dir::Etc::SourceParts=${folder}/sources`,
    '-o',
    `Dir::State::Lists=${folder}/lists`,
    '-o',
    `Dir::Cache=${folder}/cache`,
    '-o',
    'APT::Sandbox::User=root',
  ]
  run('apt-get', [...apt, '-qq', 'update'])
  return (...args) => run('apt-get', [...apt, '-qq', ...args], { cwd: folder })
}

/** Version of a package as installed, `15.18-0+deb12u1`. */
function packageVersion(name) {
  return run('dpkg-query', ['-W', '-f', '$' + '{Version}', name]).trim()
}

/** The folder of PostgreSQL's sources, fetched when none was named. */
function sourcesOf(pg) {
  const [given] = options.rest
  if (given !== undefined) return resolve(given)
  const folder = join(scratch, 'apt')
  const known = () =>
    existsSync(folder) && readdirSync(folder).find((n) => n === `postgresql-${pg.version}`)
  if (!known()) {
    console.log(`fetching the sources of postgresql-${pg.major} ${pg.version}`)
    const name = `postgresql-${pg.major}`
    aptInto(folder)('source', '--download-only', `${name}=${packageVersion(name)}`)
    const archive = readdirSync(folder).find((n) => n.includes('.orig.tar'))
    run('tar', ['xf', archive], { cwd: folder })
  }
  return join(folder, known())
}

/** Server headers: installed, else out of the package, unpacked beside the sources. */
function headersOf(pg) {
  const installedAt = `/usr/include/postgresql/${pg.major}/server`
  if (existsSync(installedAt)) return installedAt
  const folder = join(scratch, 'headers')
  const unpacked = join(folder, installedAt)
  if (existsSync(unpacked)) return unpacked
  const name = `postgresql-server-dev-${pg.major}`
  mkdirSync(folder, { recursive: true })
  aptInto(join(scratch, 'apt'))('download', `${name}=${packageVersion(`postgresql-${pg.major}`)}`)
  const file = readdirSync(join(scratch, 'apt')).find((n) => n.startsWith(name))
  run('dpkg-deb', ['-x', join(scratch, 'apt', file), folder])
  return unpacked
}

/** The suite's C functions, compiled, beside the two modules its trigger tests load. */
function librariesFor(pg, suite) {
  const lib = join(scratch, 'lib')
  mkdirSync(lib, { recursive: true })
  if (!existsSync(join(lib, 'regress.so'))) {
    run('cc', [
      '-O2',
      '-fPIC',
      '-shared',
      '-I',
      headersOf(pg),
      '-I',
      suite,
      '-o',
      join(lib, 'regress.so'),
      join(suite, 'regress.c'),
    ])
  }
  for (const name of ['refint.so', 'autoinc.so']) {
    if (!existsSync(join(lib, name))) symlinkSync(join(pg.lib, name), join(lib, name))
  }
  return lib
}

const DATABASE_SETTINGS = [
  "lc_messages TO 'C'",
  "lc_monetary TO 'C'",
  "lc_numeric TO 'C'",
  "lc_time TO 'C'",
  "bytea_output TO 'hex'",
  "timezone_abbreviations TO 'Default'",
]

/** A database as pg_regress itself would make it. */
function createDatabase(node) {
  node.sql('postgres', 'CREATE DATABASE regression TEMPLATE template0')
  for (const setting of DATABASE_SETTINGS)
    node.sql('postgres', `ALTER DATABASE regression SET ${setting}`)
}

/** Runs pg_regress against `to`; its tests as name -> passed. */
async function regress({ pg, suite, lib, user, out, to, label }) {
  const asked = options.tests?.split(',') ?? []
  const args = [
    '--use-existing',
    '--host=127.0.0.1',
    `--port=${to}`,
    `--user=${SUPERUSER}`,
    '--dbname=regression',
    `--bindir=${pg.bin}`,
    `--inputdir=${suite}`,
    `--outputdir=${out}`,
    `--dlpath=${lib}`,
    `--launcher=timeout --kill-after=10 ${options.timeout ?? 120}`,
    `--max-connections=${options['max-connections'] ?? 4}`,
    ...(asked.length > 0
      ? ['test_setup', ...asked.filter((t) => t !== 'test_setup')]
      : [`--schedule=${suite}/parallel_schedule`]),
  ]
  const env = { ...process.env, PGPASSWORD: PASSWORD, HOME: out }
  const child = spawn(pg.driver, args, {
    ...user,
    cwd: out,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  let seen = 0
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      said += text
      const done = said.match(RESULT)?.length ?? 0
      if (process.stdout.isTTY && done !== seen) process.stdout.write(`\r${label}: ${done} tests`)
      seen = done
    })
  }
  await new Promise((resolve) => child.once('close', resolve))
  if (process.stdout.isTTY) process.stdout.write('\n')
  writeFileSync(join(out, 'pg_regress.log'), said)
  const tests = new Map()
  for (const [, name, verdict] of said.matchAll(RESULT)) tests.set(name, verdict === 'ok')
  if (tests.size === 0) throw new LabError(`pg_regress ran nothing:\n${said}`)
  return tests
}

const RESULT = /^(?:test)?\s+(\w+)\s+\.\.\. (ok|FAILED|failed)/gm

/** One way through the suite on a node of its own, so that neither leaves anything to the other. */
async function oneWay(way, context) {
  const folder = freshFolder(join(scratch, way), context.user)
  const out = freshFolder(join(folder, 'out'), context.user)
  const node = await startNode({
    folder,
    port,
    bin: context.pg.bin,
    user: context.user,
    settings: ['max_prepared_transactions=2'],
  })
  try {
    createDatabase(node)
    if (way === 'direct')
      return { out, tests: await regress({ ...context, out, to: port, label: way }) }
    const weir = await startWeir({ folder, port: port + 1, node, overrides: options.set })
    try {
      const tests = await regress({ ...context, out, to: weir.port, label: way })
      return { out, tests, pins: await pinsOf(weir), log: weir.log }
    } finally {
      await weir.stop()
    }
  } finally {
    await node.stop()
  }
}

/** Writes out/NAME.diff for what both ways printed; false when it is the same. */
function difference(direct, weir, name, folder) {
  const of = (way) => join(way.out, 'results', `${name}.out`)
  const { status, stdout } = spawnSync('diff', ['-U5', of(direct), of(weir)], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (status === 0) return undefined
  const file = join(folder, `${name}.diff`)
  writeFileSync(file, stdout)
  return { file, lines: stdout.split('\n').filter((l) => /^[-+](?![-+]{2} )/.test(l)).length }
}

async function main() {
  const user = ordinaryUser(options['run-as'])
  const pg = installed()
  mkdirSync(scratch, { recursive: true })
  const source = sourcesOf(pg)
  const suite = join(source, 'src/test/regress')
  const context = { user, pg, suite, lib: librariesFor(pg, suite) }
  console.log(`PostgreSQL ${pg.version}, suite ${suite}`)
  const ways = options.only === undefined ? ['direct', 'weir'] : [options.only]
  const results = {}
  for (const way of ways) {
    const started = Date.now()
    results[way] = await oneWay(way, context)
    const passed = [...results[way].tests.values()].filter(Boolean).length
    console.log(
      `${way}: ${passed} of ${results[way].tests.size} passed in ${Math.round((Date.now() - started) / 1000)} s`,
    )
  }
  report(results)
}

function report({ direct, weir }) {
  for (const pin of weir?.pins ?? []) console.log(pin)
  if (direct === undefined || weir === undefined) {
    const { tests, out } = direct ?? weir
    for (const [name, passed] of tests)
      if (!passed) console.log(`failed: ${name}  ${join(out, 'regression.diffs')}`)
    return
  }
  const folder = freshFolder(join(scratch, 'differences'), {})
  const rows = []
  for (const [name, passed] of direct.tests) {
    const through = weir.tests.get(name)
    const found = difference(direct, weir, name, folder)
    const word = (ok) => (ok === undefined ? 'not run' : ok ? 'passed' : 'failed')
    if (found === undefined && passed === through) continue
    rows.push([name, word(passed), word(through), found?.lines ?? 0, found?.file ?? ''])
  }
  const count = (way) => [...way.tests.values()].filter(Boolean).length
  console.log(
    table(
      ['tests', 'passed direct', 'passed through Weir', 'printed something else'],
      [[direct.tests.size, count(direct), count(weir), rows.length]],
    ),
  )
  if (rows.length > 0)
    console.log(`\n${table(['test', 'direct', 'Weir', 'lines', 'difference'], rows)}`)
}

await command('regress', import.meta.filename, options.help, main)
