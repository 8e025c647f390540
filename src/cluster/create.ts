/**
 * Makes the first node of a lab from nothing. Rule: a node counts as made (`ready`) only when its
 * data directory, roles and database are complete; whatever an interrupted attempt left is removed
 * before the next.
 */
import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { messageOf, WeirError } from '../core/errors.ts'
import { serverEnvironment } from './binaries.ts'
import {
  changeState,
  dataDirectory,
  type Lab,
  launch,
  makeDirectory,
  nodeDirectory,
  nodesDirectory,
  writeOwned,
  writerOf,
} from './lab.ts'
import { spawnIdentity } from './run-as.ts'
import { withNode } from './sql.ts'
import type { ClusterState } from './state-file.ts'

const run = promisify(execFile)

/**
 * Makes and starts the writer of an empty lab. It runs without fsync until its caller configures it
 * again after the first copies: nothing is in it yet, and a cold disk would cost many seconds.
 */
export async function createWriter(lab: Lab, state: ClusterState): Promise<void> {
  const writer = writerOf(state)
  lab.say(`creating ${writer.name} (initdb)`)
  await emptyNode(lab, state, writer.name)
  await initialise(lab, state, writer.name)
  await launch(lab, { ...state, fsync: false }, writer, undefined)
  await ensureRoles(state)
  changeState(lab, (now) => {
    for (const node of now.nodes) if (node.name === writer.name) node.ready = true
  })
}

/**
 * Empties a node's data directory. The directory itself stays: Postgres finds the shared memory that
 * a killed server left by its inode, and cleans it up at the next start.
 */
export async function emptyNode(lab: Lab, state: ClusterState, name: string): Promise<void> {
  const data = dataDirectory(state, name)
  for (const path of [nodesDirectory(state), nodeDirectory(state, name)]) {
    makeDirectory(path, lab.runAs)
  }
  makeDirectory(data, lab.runAs, 0o700)
  for (const entry of await readdir(data)) {
    await rm(join(data, entry), { recursive: true, force: true })
  }
}

/**
 * Brings user, password and database to what the state says. Needed after creation, and harmless
 * later, so every start does it.
 */
export async function ensureRoles(state: ClusterState): Promise<void> {
  const user = pg.escapeIdentifier(state.user)
  const password = pg.escapeLiteral(state.password)
  await withNode(state, writerOf(state), async (client) => {
    const { rows } = await client.query(
      `select exists (select from pg_roles where rolname = $1) as role,
              exists (select from pg_database where datname = $2) as database`,
      [state.user, state.database],
    )
    const login = `superuser login password ${password}`
    if (!rows[0].role) await client.query(`create role ${user} ${login}`)
    if (!rows[0].database) {
      await client.query(`create database ${pg.escapeIdentifier(state.database)} owner ${user}`)
    }
    if (rows[0].role && !(await accepts(state))) await client.query(`alter role ${user} ${login}`)
  })
}

/** Whether the recorded password is the user's; each change would cost every cache its keys. */
async function accepts(state: ClusterState): Promise<boolean> {
  const { user, password, database } = state
  const client = new pg.Client({
    host: '127.0.0.1',
    port: writerOf(state).port,
    user,
    password,
    database,
    connectionTimeoutMillis: 10_000,
    ssl: false,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}

async function initialise(lab: Lab, state: ClusterState, name: string): Promise<void> {
  const secret = join(nodeDirectory(state, name), 'initial-password')
  writeOwned(lab, secret, state.lab.password)
  const flags = ['--username', state.lab.user, '--pwfile', secret, '--encoding', 'UTF8']
  flags.push('--auth', 'scram-sha-256', '--data-checksums', '--no-locale', '--no-sync')
  if (state.walSegment !== undefined) flags.push(`--wal-segsize=${state.walSegment}`)
  try {
    await run(join(lab.binaries.bin, 'initdb'), ['-D', dataDirectory(state, name), ...flags], {
      ...spawnIdentity(lab.runAs),
      cwd: '/',
      env: serverEnvironment(lab.binaries),
    })
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim()
    throw new WeirError('WEIR_CLUSTER_INITDB', 'initdb failed', {
      detail: said || messageOf(error),
      cause: error,
    })
  } finally {
    rmSync(secret, { force: true })
  }
}
