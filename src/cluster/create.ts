/**
 * Makes the first node of a lab from nothing. Rule: a node counts as made (`ready`) only when its
 * data directory, roles and database are complete; whatever an interrupted attempt left is removed
 * before the next.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
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

/** Makes and starts the writer of an empty lab. */
export async function createWriter(lab: Lab, state: ClusterState): Promise<void> {
  const writer = writerOf(state)
  lab.say(`creating ${writer.name} (initdb)`)
  emptyNode(lab, state, writer.name)
  await initialise(lab, state, writer.name)
  await launch(lab, state, writer, undefined)
  await ensureRoles(state)
  changeState(lab, (now) => {
    for (const node of now.nodes) if (node.name === writer.name) node.ready = true
  })
}

/** Empties a node's data directory; only below our own root. */
export function emptyNode(lab: Lab, state: ClusterState, name: string): void {
  makeDirectory(nodesDirectory(state), lab.runAs)
  makeDirectory(nodeDirectory(state, name), lab.runAs)
  rmSync(dataDirectory(state, name), { recursive: true, force: true })
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
    if (!rows[0].role)
      await client.query(`create role ${user} superuser login password ${password}`)
    if (!rows[0].database) {
      await client.query(`create database ${pg.escapeIdentifier(state.database)} owner ${user}`)
    }
  })
}

async function initialise(lab: Lab, state: ClusterState, name: string): Promise<void> {
  const secret = join(nodeDirectory(state, name), 'initial-password')
  mkdirSync(nodeDirectory(state, name), { recursive: true })
  writeOwned(lab, secret, state.lab.password)
  const flags = ['--username', state.lab.user, '--pwfile', secret, '--encoding', 'UTF8']
  flags.push('--auth', 'scram-sha-256', '--data-checksums', '--no-locale', '--no-sync')
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
