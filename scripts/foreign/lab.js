// One Postgres node and one Weir in front of it, for the suites of other projects. Rule: everything
// lives in one scratch folder and on loopback, and whatever was started here is ended here.
//
// The node trusts whoever comes unless a suite brings rules of its own; Weir believes passwords only.
// Nothing syncs to disk: a lab is thrown away.
import { spawn, spawnSync } from 'node:child_process'
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const root = dirname(dirname(import.meta.dirname))
export const SUPERUSER = 'postgres'
export const PASSWORD = 'postgres'

/** Our own mistake or a missing tool: printed as one sentence, no stack. */
export class LabError extends Error {}

/**
 * A script from its command line: its first comment for --help, else `main`, whose own errors are one
 * line and exit code 1.
 * @param {string} name before each error
 * @param {string} file the script itself
 * @param {boolean | undefined} help
 * @param {() => Promise<void>} main
 */
export async function command(name, file, help, main) {
  if (help) {
    const head = readFileSync(file, 'utf8').split('\nimport')[0]
    console.log(head.replace(/^#!.*\n/, '').replace(/^\/\/ ?/gm, ''))
    return
  }
  try {
    await main()
  } catch (error) {
    if (!(error instanceof LabError)) throw error
    console.error(`${name}: ${error.message}`)
    process.exitCode = 1
  }
}

/**
 * Postgres refuses root, so root names an ordinary user.
 * @param {string | undefined} name from --run-as
 * @returns {{ uid?: number, gid?: number }} for spawn
 */
export function ordinaryUser(name) {
  if (process.getuid?.() !== 0) return {}
  if (name === undefined) {
    throw new LabError('Postgres refuses to run as root: name an ordinary user with --run-as')
  }
  const id = (flag) => Number(spawnSync('id', [flag, name], { encoding: 'utf8' }).stdout.trim())
  const [uid, gid] = [id('-u'), id('-g')]
  if (!(uid > 0)) throw new LabError(`there is no user ${name}`)
  return { uid, gid }
}

/** Runs a program to its end and returns what it printed; a failure throws with it. */
export function run(program, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    ...options,
  })
  if (status === 0) return stdout
  const said = error?.message ?? `${stdout}${stderr}`.trim().split('\n').slice(-15).join('\n')
  throw new LabError(`${program} ${args.join(' ')} failed:\n${said}`)
}

/** Where the newest installed Postgres has its programs and libraries. */
export function installed() {
  const base = '/usr/lib/postgresql'
  const major = readdirSync(base)
    .filter((name) => existsSync(join(base, name, 'bin', 'initdb')))
    .sort((a, b) => Number(b) - Number(a))[0]
  if (major === undefined) throw new LabError(`no Postgres server under ${base}`)
  const bin = join(base, major, 'bin')
  const version = run(join(bin, 'postgres'), ['--version']).match(/\d+\.\d+/)[0]
  const driver = join(base, major, 'lib/pgxs/src/test/regress/pg_regress')
  return { major, bin, version, driver, lib: join(base, major, 'lib') }
}

/** A fresh folder that the ordinary user owns. */
export function freshFolder(path, user) {
  rmSync(path, { recursive: true, force: true })
  mkdirSync(path, { recursive: true })
  if (user.uid !== undefined) chownSync(path, user.uid, user.gid)
  return path
}

/** Everything started and not ended yet; nothing of it outlives this process. */
const running = new Set()
process.on('exit', () => {
  for (const child of running) child.kill('SIGQUIT')
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))

/** Starts a program that writes to the file `log`. */
function start(program, args, log, options) {
  const out = openSync(log, 'w')
  const child = spawn(program, args, { ...options, stdio: ['ignore', out, out] })
  closeSync(out)
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

async function ready(what, child, log, ask) {
  for (let i = 0; i < 300; i++) {
    if (child.exitCode !== null) throw new LabError(`${what} ended at once; see ${log}`)
    if (await ask()) return
    await sleep(100)
  }
  throw new LabError(`${what} was not ready within 30 s; see ${log}`)
}

/** SIGINT is a fast shutdown for Postgres and a polite one for Weir; after 20 s no more politeness. */
async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGINT')
  const hurry = setTimeout(() => child.kill('SIGKILL'), 20_000)
  await ended
  clearTimeout(hurry)
}

/**
 * A new cluster in `folder`/data, serving on `port` of loopback, in `folder` and in /tmp.
 * @param {{ folder: string, port: number, bin: string, user: object, settings?: string[],
 *   rules?: string }} options rules: lines of pg_hba.conf
 */
export async function startNode({ folder, port, bin, user, settings = [], rules }) {
  const data = join(folder, 'data')
  const log = join(folder, 'postgres.log')
  rmSync(data, { recursive: true, force: true })
  run(
    join(bin, 'initdb'),
    ['-D', data, '-U', SUPERUSER, '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync'],
    { ...user, cwd: folder },
  )
  if (rules !== undefined) writeFileSync(join(data, 'pg_hba.conf'), rules)
  const given = [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    `unix_socket_directories=${folder},/tmp`,
    'fsync=off',
    'password_encryption=scram-sha-256',
    ...settings,
  ]
  const args = ['-D', data, ...given.flatMap((s) => ['-c', s])]
  const child = start(join(bin, 'postgres'), args, log, { ...user, cwd: folder })
  const asked = ['-q', '-h', '127.0.0.1', '-p', String(port)]
  await ready('postgres', child, log, () => spawnSync(join(bin, 'pg_isready'), asked).status === 0)
  const sql = (database, ...statements) =>
    run(
      join(bin, 'psql'),
      [
        ...['-X', '-q', '-A', '-t', '-h', folder, '-p', String(port), '-U', SUPERUSER],
        ...['-v', 'ON_ERROR_STOP=1', '-d', database],
        ...statements.flatMap((s) => ['-c', s]),
      ],
      user,
    ).trim()
  sql('postgres', `ALTER ROLE ${SUPERUSER} PASSWORD '${PASSWORD}'`)
  return { port, log, sql, stop: () => stop(child) }
}

/**
 * Weir with a writer endpoint on `port` and admin on `port` + 1.
 * @param {{ folder: string, port: number, node: { port: number }, overrides: string[],
 *   users?: { username: string, password: string }[], certificate?: { cert: string, key: string },
 * }} options users: beside the superuser
 */
export async function startWeir({ folder, port, node, overrides, users = [], certificate }) {
  const log = join(folder, 'weir.log')
  const file = join(folder, 'weir.yaml')
  const config = {
    nodes: [{ name: 'node-1', host: '127.0.0.1', port: node.port }],
    topology: { user: SUPERUSER },
    endpoints: [{ name: 'writer', kind: 'writer', port, socketDirectory: '/tmp' }],
    pool: { maxConnections: 10, rotate: true },
    auth: { secrets: ['secrets.json'], methods: ['scram-sha-256', 'md5'] },
    tls: certificate
      ? { mode: 'allowed', certFile: certificate.cert, keyFile: certificate.key, nodes: 'disable' }
      : {},
    admin: { port: port + 1 },
    log: { format: 'json', level: 'info' },
  }
  const secrets = [{ username: SUPERUSER, password: PASSWORD }, ...users]
  writeFileSync(join(folder, 'secrets.json'), JSON.stringify(secrets), { mode: 0o600 })
  writeFileSync(file, JSON.stringify(config, null, 2))
  const out = openSync(log, 'w')
  const set = overrides.flatMap((o) => ['--set', o])
  const args = [join(root, 'scripts', 'weir.js'), 'serve', '-c', file, ...set]
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', out, out] })
  await ready('weir', child, log, async () => {
    const answer = await fetch(`http://127.0.0.1:${port + 1}/readyz`).catch(() => undefined)
    return answer?.ok === true
  })
  const ask = async (path) => (await fetch(`http://127.0.0.1:${port + 1}${path}`)).text()
  return { port, log, ask, stop: () => stop(child), running: () => child.exitCode === null }
}

/** Lines of /metrics that say how often sessions were pinned and why. */
export async function pinsOf(weir) {
  const text = await weir.ask('/metrics')
  return text.split('\n').filter((line) => /^weir_session_pins_total\{.* [^0]/.test(line))
}

/** Rows as an aligned Markdown table. */
export function table(head, rows) {
  const all = [head, ...rows].map((row) => row.map(String))
  const width = head.map((_, i) => Math.max(...all.map((row) => row[i].length), 3))
  const line = (row) => `| ${row.map((cell, i) => cell.padEnd(width[i])).join(' | ')} |`
  return [
    line(all[0]),
    `| ${width.map((w) => '-'.repeat(w)).join(' | ')} |`,
    ...all.slice(1).map(line),
  ].join('\n')
}

/** `--name value`, `--flag`, and the rest. */
export function argumentsOf(argv, flags) {
  const options = { rest: [], set: [] }
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]
    if (!word.startsWith('--')) options.rest.push(word)
    else if (flags.includes(word.slice(2))) options[word.slice(2)] = true
    else if (word === '--set') options.set.push(argv[++i])
    else options[word.slice(2)] = argv[++i]
  }
  return options
}
