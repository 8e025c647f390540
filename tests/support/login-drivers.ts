/**
 * The three real clients of the login matrix: libpq (by psql), `pg` and `postgres`. Rule: each logs in
 * anew for every cell, as `sslmode` has it (prefer, or verify-full where TLS is required), and says who
 * the node thinks it is, or the error in the client's own words.
 */
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import pg from 'pg'
import postgres from 'postgres'
import { makeToken } from '../../src/auth/token-signing.ts'
import type { Cell, ClientTls, Driver, MatrixLab } from './login-matrix.ts'

export type Outcome = { readonly user: string; readonly ssl: boolean } | { readonly error: string }

export interface Attempt extends Cell {
  readonly port: number
  readonly clientTls: ClientTls
  readonly password: string
}

const QUESTION = `select current_user || ' ' || ssl from pg_stat_ssl where pid = pg_backend_pid()`

/** What a client gives for a password: a token where one is asked for. */
export async function passwordFor(lab: MatrixLab, { client, user }: Cell, port: number) {
  if (client !== 'token') return lab.passwords.get(user)!.passwords
  const terms = { host: '127.0.0.1', port, user, region: 'us-east-1', signedAt: Date.now() }
  return makeToken(terms, lab.accessKey)
}

export const hasPsql: boolean = spawnSync('psql', ['--version']).status === 0

export async function tryAll(
  lab: MatrixLab,
  driver: Driver,
  attempts: readonly Attempt[],
): Promise<Outcome[]> {
  if (driver === 'psql') return tryPsql(lab, attempts)
  const logIn = driver === 'pg' ? tryPg : tryPostgres
  const outcomes: Outcome[] = []
  for (let i = 0; i < attempts.length; i += AT_ONCE) {
    const some = attempts.slice(i, i + AT_ONCE)
    outcomes.push(...(await Promise.all(some.map((attempt) => logIn(lab, attempt).catch(failed)))))
  }
  return outcomes
}

const AT_ONCE = 6

function failed(error: unknown): Outcome {
  return { error: error instanceof Error ? error.message : String(error) }
}

function answered(text: string): Outcome {
  const [user = '', ssl] = text.split(' ')
  return { user, ssl: ssl === 'true' }
}

function clientTlsOptions({ files }: MatrixLab, { clientTls, client }: Attempt) {
  const own = { cert: readFileSync(files.clientCert), key: readFileSync(files.clientKey) }
  return {
    ...(clientTls === 'required' ? { ca: readFileSync(files.ca) } : { rejectUnauthorized: false }),
    ...(client === 'cert' ? own : {}),
  }
}

async function tryPg(lab: MatrixLab, attempt: Attempt): Promise<Outcome> {
  const { port, user, password, clientTls, client: way } = attempt
  const client = new pg.Client({
    ...{ host: '127.0.0.1', port, user, password, database: 'app' },
    ssl: clientTls === 'off' ? false : clientTlsOptions(lab, attempt),
    enableChannelBinding: way === 'scram-plus',
    connectionTimeoutMillis: 30_000,
  })
  client.on('error', () => {})
  await client.connect()
  try {
    const { rows } = await client.query<[string]>({ text: QUESTION, rowMode: 'array' })
    return answered(rows[0]![0])
  } finally {
    await client.end()
  }
}

async function tryPostgres(lab: MatrixLab, attempt: Attempt): Promise<Outcome> {
  const { port, user, password, clientTls } = attempt
  const sql = postgres({
    ...{ host: '127.0.0.1', port, user, password, database: 'app', max: 1, connect_timeout: 30 },
    ssl: clientTls === 'off' ? false : clientTlsOptions(lab, attempt),
    fetch_types: false,
    onnotice: () => {},
  })
  try {
    const rows = await sql.unsafe(QUESTION).values()
    return answered(String(rows[0]![0]))
  } finally {
    await sql.end({ timeout: 5 })
  }
}

const MARK = '=== cell'

/** One psql connects anew for each; one that was refused ends it, and another goes on behind that. */
async function tryPsql(lab: MatrixLab, attempts: readonly Attempt[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  while (outcomes.length < attempts.length) {
    const script = attempts
      .slice(outcomes.length)
      .flatMap((attempt) => [
        `\\echo ${MARK}`,
        `\\warn ${MARK}`,
        `\\connect -reuse-previous=off "${conninfo(lab, attempt)}"`,
        `${QUESTION};`,
      ])
    const args = ['-X', '-q', '-A', '-t', '-d', lab.house.direct]
    const { out, err } = await psql(args, script.join('\n'))
    const errors = err.split(MARK).slice(1)
    const before = outcomes.length
    for (const [i, answer] of out.split(MARK).slice(1).entries()) {
      outcomes.push(answer.trim() === '' ? refused(errors[i] ?? '') : answered(answer.trim()))
    }
    if (outcomes.length === before) throw new Error(`psql did nothing: ${err}`)
  }
  return outcomes
}

function refused(text: string): Outcome {
  const why = /FATAL: +(.*)/.exec(text) ?? /failed: (.*)/.exec(text) ?? /error: (.*)/.exec(text)
  return { error: why?.[1] ?? `psql said nothing: ${text}` }
}

/** How psql connects to an endpoint with that `tls.mode`. */
const SSL_MODES = { off: 'disable', allowed: 'prefer', required: 'verify-full' } as const

function conninfo({ files }: MatrixLab, { port, user, password, clientTls, client }: Attempt) {
  const words = {
    ...{ host: '127.0.0.1', port, user, password, dbname: 'app' },
    sslmode: SSL_MODES[clientTls],
    ...(clientTls === 'required' ? { sslrootcert: files.ca } : {}),
    // Named, so that nothing of whoever runs the tests is used.
    sslcert: client === 'cert' ? files.clientCert : '/nowhere/client.crt',
    sslkey: client === 'cert' ? files.clientKey : '/nowhere/client.key',
    gssencmode: 'disable',
    channel_binding: client === 'scram-plus' ? 'require' : 'prefer',
  }
  return Object.entries(words)
    .map(([name, value]) => `${name}='${value}'`)
    .join(' ')
}

function psql(args: string[], script: string): Promise<{ out: string; err: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn('psql', args, { stdio: 'pipe' })
    let out = ''
    let err = ''
    child.stdout.on('data', (chunk) => {
      out += chunk
    })
    child.stderr.on('data', (chunk) => {
      err += chunk
    })
    child.on('error', reject)
    child.on('close', () => resolve({ out, err }))
    child.stdin.end(script)
  })
}
