/**
 * Copies the writer's data directory for a new reader while the writer works: the online backup
 * of the Postgres manual (pg_backup_start, copy files, pg_backup_stop) on one machine.
 * Rule: the reader's replication slot is reserved before the copy begins, so the WAL the copy needs
 * to become consistent cannot vanish; and write-ahead files themselves are never copied.
 */
import { constants } from 'node:fs'
import { chown, copyFile, mkdir, readdir, readlink, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import type pg from 'pg'
import { WeirError } from '../core/errors.ts'
import { emptyNode } from './create.ts'
import { changeState, dataDirectory, type Lab, writeOwned, writerOf } from './lab.ts'
import type { RunAs } from './run-as.ts'
import { slotName } from './server-settings.ts'
import { withNode } from './sql.ts'
import type { ClusterState, NodeEntry } from './state-file.ts'

// What a copy must not have (its server makes these anew) and what it must not keep.
const CONTENT_SKIPPED = new Set([
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
])
const SKIPPED =
  /^(postmaster\.(pid|opts)|pg_internal\.init.*|pgsql_tmp.*|backup_label.*|backup_manifest|standby\.signal|recovery\.signal|t\d+_\d+.*)$/

/** Makes `node`'s data directory a fresh copy of the writer's; the node must not run. */
export async function cloneFromWriter(
  lab: Lab,
  state: ClusterState,
  node: NodeEntry,
): Promise<void> {
  const writer = writerOf(state)
  lab.say(`copying ${writer.name} to ${node.name}`)
  changeState(lab, (now) => {
    for (const entry of now.nodes) if (entry.name === node.name) entry.ready = false
  })
  await emptyNode(lab, state, node.name)
  const source = dataDirectory(state, writer.name)
  const target = dataDirectory(state, node.name)
  await withNode(
    state,
    writer,
    async (client) => {
      await refuseTablespaces(client)
      await renewSlot(client, slotName(node.name))
      // 'fast' makes the starting checkpoint at once instead of spreading it over minutes.
      await client.query('select pg_backup_start($1, true)', [`clone for ${node.name}`])
      await copyData(source, target, lab.runAs)
      const { rows } = await client.query<{ labelfile: string }>(
        'select labelfile from pg_backup_stop(false)',
      )
      writeOwned(lab, join(target, 'backup_label'), rows[0]?.labelfile ?? '')
    },
    { withinMs: 120_000 },
  )
  changeState(lab, (now) => {
    for (const entry of now.nodes) if (entry.name === node.name) entry.ready = true
  })
}

/** Makes a slot, holding WAL from now on, unless it is there. */
export async function ensureSlot(client: pg.Client, name: string): Promise<void> {
  await client.query(
    `select pg_create_physical_replication_slot($1, true)
      where not exists (select from pg_replication_slots where slot_name = $1)`,
    [name],
  )
}

/** Drops the slots that `drop` names, ending whoever streams from them. */
export async function dropSlots(client: pg.Client, drop: (name: string) => boolean): Promise<void> {
  const { rows } = await client.query<{ slot_name: string; active_pid: number | null }>(
    `select slot_name, active_pid from pg_replication_slots where slot_type = 'physical'`,
  )
  for (const { slot_name, active_pid } of rows.filter((row) => drop(row.slot_name))) {
    if (active_pid !== null)
      await client.query('select pg_terminate_backend($1, 5000)', [active_pid])
    await client.query('select pg_drop_replication_slot($1)', [slot_name])
  }
}

async function renewSlot(client: pg.Client, slot: string): Promise<void> {
  await dropSlots(client, (name) => name === slot)
  await ensureSlot(client, slot)
}

async function refuseTablespaces(client: pg.Client): Promise<void> {
  const { rows } = await client.query('select spcname from pg_tablespace where oid >= 16384')
  if (rows.length === 0) return
  throw new WeirError(
    'WEIR_CLUSTER_TABLESPACE',
    'the lab cannot copy a cluster that has tablespaces of its own',
    { hint: `both copies would share their files; drop ${rows.map((r) => r.spcname).join(', ')}` },
  )
}

async function copyData(source: string, target: string, runAs: RunAs | undefined): Promise<void> {
  const own = async (path: string) => {
    if (runAs !== undefined) await chown(path, runAs.uid, runAs.gid)
  }
  const folder = async (from: string, to: string): Promise<void> => {
    await mkdir(to, { mode: 0o700, recursive: true })
    await own(to)
    const entries = await tolerant(readdir(from, { withFileTypes: true }))
    await inParallel(entries ?? [], 8, async (entry) => {
      const a = join(from, entry.name)
      const b = join(to, entry.name)
      if (SKIPPED.test(entry.name)) return
      if (entry.isDirectory()) {
        if (!CONTENT_SKIPPED.has(entry.name)) return folder(a, b)
        await mkdir(b, { mode: 0o700 })
        return own(b)
      }
      if (entry.isSymbolicLink()) return symlink(await readlink(a), b)
      if (!entry.isFile()) return
      // A relation dropped meanwhile is gone here and dropped again when its WAL is replayed.
      const copied = await tolerant(copyFile(a, b, constants.COPYFILE_FICLONE).then(() => true))
      if (copied === undefined) return
      await own(b)
    })
  }
  await folder(source, target)
}

/** The result, or undefined where the file has gone. */
async function tolerant<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0
  const lane = async () => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item)
  }
  await Promise.all(Array.from({ length: width }, lane))
}
