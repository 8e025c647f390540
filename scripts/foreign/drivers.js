#!/usr/bin/env node
// The test suites of pg, postgres.js and knex, straight to a node and then through Weir with a
// rotating pool.
//
// Rule: the yardstick is the same suite on the same machine without Weir; a test is different when
// it passes one way only. Each way gets a node of its own. The suites are not part of this project:
// name the folders that hold their sources, with their dependencies installed.
//
//   node scripts/foreign/drivers.js --run-as postgres --pg DIR --postgres DIR --knex DIR
//     --pg folder          packages/pg of node-postgres
//     --postgres folder    postgres.js
//     --knex folder        knex
//     --only direct|weir   one way only
//     --match text         only tests (of pg: files) whose name has this; not for postgres.js
//     --set setting=value  for Weir, e.g. --set pool.rotate=false; may be given again
//     --port n             first of three ports (default 7530)
//     --scratch folder     (default: weir-drivers in the folder for temporary files)
import { chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { SUITES } from './driver-suites.js'
import {
  argumentsOf,
  command,
  freshFolder,
  installed,
  LabError,
  ordinaryUser,
  pinsOf,
  run,
  startNode,
  startWeir,
  table,
} from './lab.js'

const options = argumentsOf(process.argv.slice(2), ['help'])
const scratch = resolve(options.scratch ?? join(tmpdir(), 'weir-drivers'))
const port = Number(options.port ?? 7530)

/** A self-signed certificate; one copy belongs to the node's user, which insists on it. */
function certificates(user) {
  const made = (name, owner) => {
    const [cert, key] = [join(scratch, `${name}.crt`), join(scratch, `${name}.key`)]
    run('openssl', [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=localhost'],
      ...['-keyout', key, '-out', cert],
    ])
    if (owner.uid !== undefined) chownSync(key, owner.uid, owner.gid)
    return { cert, key }
  }
  return { node: made('node', user), weir: made('weir', {}) }
}

/** One way through a suite: name -> undefined when passed, else what it said. */
async function oneWay(way, suite, folder, { pg, user, certificate }) {
  const place = freshFolder(join(scratch, `${suite.name}-${way}`), user)
  const node = await startNode({
    folder: place,
    port,
    bin: pg.bin,
    user,
    rules: suite.rules,
    settings: [
      'max_prepared_transactions=10',
      'wal_level=logical',
      'ssl=on',
      `ssl_cert_file=${certificate.node.cert}`,
      `ssl_key_file=${certificate.node.key}`,
    ],
  })
  const ask = (to) =>
    suite.tests({ folder, port: to, scratch: place, bin: pg.bin, only: options.match })
  try {
    suite.prepare(node)
    if (way === 'direct') return { tests: await ask(port) }
    const weir = await startWeir({
      folder: place,
      port: port + 1,
      node,
      overrides: options.set,
      users: suite.users,
      certificate: certificate.weir,
    })
    try {
      return { tests: await ask(weir.port), pins: await pinsOf(weir), log: weir.log }
    } finally {
      await weir.stop()
    }
  } finally {
    await node.stop()
  }
}

const passedOf = (way) => [...way.tests.values()].filter((failure) => failure === undefined).length

/** Rows of tests that passed one way only; what they said goes to a file. */
function differences(suite, direct, weir) {
  const folder = freshFolder(join(scratch, `${suite.name}-differences`), {})
  const rows = []
  for (const name of new Set([...direct.tests.keys(), ...weir.tests.keys()])) {
    const word = (way) => {
      if (!way.tests.has(name)) return 'not run'
      return way.tests.get(name) === undefined ? 'passed' : 'failed'
    }
    if (word(direct) === word(weir)) continue
    const file = join(folder, `${name.replaceAll(/\W+/g, '-').slice(0, 100)}.txt`)
    const said = (way) => way.tests.get(name) ?? word(way)
    writeFileSync(file, `${name}\n\ndirect: ${said(direct)}\n\nWeir: ${said(weir)}\n`)
    rows.push([suite.name, name, word(direct), word(weir), file])
  }
  return rows
}

/** Both ways through a suite: its row of the table and what is different; undefined with --only. */
async function compare(suite, context) {
  const folder = resolve(options[suite.name])
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const ways = {}
  for (const way of options.only === undefined ? ['direct', 'weir'] : [options.only]) {
    const started = Date.now()
    ways[way] = await oneWay(way, suite, folder, context)
    const { tests, pins = [] } = ways[way]
    const seconds = Math.round((Date.now() - started) / 1000)
    console.log(
      `${suite.name} ${version} ${way}: ${passedOf(ways[way])}/${tests.size}, ${seconds} s`,
    )
    for (const pin of pins) console.log(`  ${pin}`)
    for (const [name, failure] of options.only === undefined ? [] : tests) {
      if (failure !== undefined) console.log(`failed: ${name}\n${failure}`)
    }
  }
  const { direct, weir } = ways
  if (direct === undefined || weir === undefined) return undefined
  const rows = differences(suite, direct, weir)
  const name = `${suite.name} ${version}`
  return { rows, sum: [name, direct.tests.size, passedOf(direct), passedOf(weir), rows.length] }
}

async function main() {
  const user = ordinaryUser(options['run-as'])
  const pg = installed()
  mkdirSync(scratch, { recursive: true })
  const context = { pg, user, certificate: certificates(user) }
  const wanted = SUITES.filter((suite) => options[suite.name] !== undefined)
  if (wanted.length === 0) throw new LabError('name at least one of --pg, --postgres and --knex')
  console.log(`PostgreSQL ${pg.version}, Node ${process.version}`)
  const sums = []
  const different = []
  for (const suite of wanted) {
    try {
      const found = await compare(suite, context)
      if (found === undefined) continue
      sums.push(found.sum)
      different.push(...found.rows)
    } catch (error) {
      if (!(error instanceof LabError)) throw error
      console.error(`drivers: ${error.message}`)
      process.exitCode = 1
    }
  }
  if (sums.length > 0) {
    console.log(
      table(['suite', 'tests', 'passed direct', 'passed through Weir', 'different'], sums),
    )
  }
  if (different.length > 0) {
    console.log(`\n${table(['suite', 'test', 'direct', 'Weir', 'what was said'], different)}`)
  }
}

await command('drivers', import.meta.filename, options.help, main)
