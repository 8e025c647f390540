// How the test suites of three projects are run against a port. Rule: a suite is given a folder with
// its sources and its dependencies installed; nothing in that folder is changed, and what it needs of
// the node (roles, databases, access rules) stands here.
//
// `tests` resolves with name -> undefined when it passed, else what it said.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { LabError, PASSWORD, SUPERUSER } from './lab.js'

const EVERYBODY_PROVES = `local all all trust
host all all 127.0.0.1/32 scram-sha-256
`

/** Runs a program; resolves with its status and all it printed. `seconds` is its time limit. */
function finish(args, { cwd, env, seconds }) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        said += text
      })
    }
    const late = setTimeout(() => {
      said += `\nended after ${seconds} s\n`
      child.kill('SIGKILL')
    }, seconds * 1000)
    child.on('close', (status) => {
      clearTimeout(late)
      resolve({ status, said })
    })
  })
}

function filesUnder(folder, ending) {
  return readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name))
    .sort()
}

/** Several tests of a suite may have the same name. */
function freeName(results, name) {
  let free = name
  for (let i = 2; results.has(free); i++) free = `${name} (${i})`
  return free
}

const environment = (port, database) => ({
  PGHOST: '127.0.0.1',
  PGPORT: String(port),
  PGUSER: SUPERUSER,
  PGPASSWORD: PASSWORD,
  PGDATABASE: database,
})

/** `pg`: every file of test/integration is a program of its own; its end is its verdict. */
const pg = {
  name: 'pg',
  rules: EVERYBODY_PROVES,
  users: [
    { username: 'scram_test', password: 'test4scram' },
    { username: 'scram_unicode_test', password: 'IX-\u2168' },
  ],
  prepare(node) {
    node.sql('postgres', 'CREATE DATABASE ci_db_test')
    for (const { username, password } of this.users) {
      node.sql('postgres', `CREATE ROLE ${username} LOGIN PASSWORD '${password}'`)
    }
  },
  async tests({ folder, port, only }) {
    const [plain, unicode] = this.users
    const env = {
      ...environment(port, 'ci_db_test'),
      PGTESTNOSSL: 'true',
      SCRAM_TEST_PGUSER: plain.username,
      SCRAM_TEST_PGPASSWORD: plain.password,
      SCRAM_TEST_PGUSER_UNICODE: unicode.username,
      SCRAM_TEST_PGPASSWORD_UNICODE: unicode.password,
    }
    const results = new Map()
    for (const file of filesUnder(join(folder, 'test/integration'), '-tests.js')) {
      const name = relative(join(folder, 'test/integration'), file)
      if (only !== undefined && !name.includes(only)) continue
      const { status, said } = await finish([file], { cwd: folder, env, seconds: 90 })
      results.set(name, status === 0 ? undefined : `exit status ${status}\n${said}`)
    }
    return results
  },
}

/** postgres.js: one file of some 250 tests, in order; they make their own roles and database. */
const postgresJs = {
  name: 'postgres',
  rules: `local all all trust
host all postgres 127.0.0.1/32 trust
host all postgres_js_test 127.0.0.1/32 trust
host all postgres_js_test_md5 127.0.0.1/32 md5
host all postgres_js_test_scram 127.0.0.1/32 scram-sha-256
`,
  users: [
    { username: 'postgres_js_test', password: PASSWORD },
    { username: 'postgres_js_test_md5', password: 'postgres_js_test_md5' },
    { username: 'postgres_js_test_scram', password: 'postgres_js_test_scram' },
  ],
  prepare() {},
  async tests({ folder, port, bin }) {
    const hook = pathToFileURL(join(import.meta.dirname, 'postgres-js-hook.js')).href
    const env = environment(port, 'postgres')
    const { said } = await finish(['--import', hook, join(folder, 'tests/index.js')], {
      cwd: folder,
      env: { ...env, PATH: `${bin}:${process.env.PATH}` },
      seconds: 900,
    })
    const lines = said.split('\n').filter((line) => line.startsWith('@@'))
    if (lines.length === 0) throw new LabError(`the tests of postgres.js did not run:\n${said}`)
    const results = new Map()
    for (const line of lines) {
      const { name, failure } = JSON.parse(line.slice(2))
      results.set(freeName(results, name), failure)
    }
    return results
  },
}

/** Suites of knex that load the driver of another database. */
const OTHER_DATABASES = ['better-sqlite*', 'mssql*', 'mysql*', 'oracle*', 'sqlite*']

/** knex: its integration suites for Postgres, by mocha. */
const knex = {
  name: 'knex',
  rules: EVERYBODY_PROVES,
  users: [{ username: 'testuser', password: 'knextest' }],
  prepare(node) {
    node.sql('postgres', "CREATE ROLE testuser SUPERUSER LOGIN PASSWORD 'knextest'")
    node.sql('postgres', 'CREATE DATABASE knex_test OWNER testuser')
  },
  async tests({ folder, port, scratch, only }) {
    const connection = {
      adapter: 'postgresql',
      host: '127.0.0.1',
      port,
      database: 'knex_test',
      user: 'testuser',
      password: 'knextest',
    }
    const config = join(scratch, 'knex-connection.json')
    const report = join(scratch, 'knex-report.json')
    writeFileSync(config, JSON.stringify({ postgres: connection }))
    rmSync(report, { force: true })
    const mocha = join(folder, 'node_modules/mocha/bin/mocha.js')
    const { said } = await finish(
      [
        ...[mocha, '--exit', '-t', '10000', '--config', 'test/mocha-integration-config-test.js'],
        ...OTHER_DATABASES.flatMap((name) => ['--ignore', `test/integration2/dialects/${name}`]),
        ...['--reporter', 'json', '--reporter-option', `output=${report}`],
        ...(only === undefined ? [] : ['--grep', only]),
      ],
      { cwd: folder, env: { DB: 'postgres', KNEX_TEST: config }, seconds: 900 },
    )
    if (!existsSync(report)) throw new LabError(`the tests of knex did not run:\n${said}`)
    const results = new Map()
    const { passes, failures } = JSON.parse(readFileSync(report, 'utf8'))
    for (const { fullTitle, err } of [...passes, ...failures]) {
      const said = err.message === undefined ? undefined : (err.stack ?? err.message)
      results.set(freeName(results, fullTitle), said)
    }
    return results
  },
}

export const SUITES = [pg, postgresJs, knex]
