/**
 * Where a lab's files go. Rule: everything is below the directory the person named, unless the user
 * that must run the servers cannot reach it (root's home, a private clone) or paths would exceed
 * what a Unix socket's name can hold; then a directory of ours below the system's temporary one is
 * made with an unguessable name and recorded in the state.
 */
import { createHash } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { WeirError } from '../core/errors.ts'
import { makeDirectory } from './lab.ts'
import { canReach, type RunAs } from './run-as.ts'

// sun_path holds 108 bytes on Linux, 104 on macOS, with the closing zero.
const SOCKET_PATH_LIMIT = 103

/**
 * The directory used when none is named: `.weir`, or beside it when that belongs to someone else,
 * or a temporary one when the current directory cannot be written to.
 */
export function defaultDirectory(cwd: string = process.cwd()): string {
  const uid = process.getuid?.() ?? 0
  for (const name of ['.weir', `.weir-${uid}`]) {
    const candidate = join(cwd, name)
    if (existsSync(candidate) ? statSync(candidate).uid === uid : isWritable(cwd)) return candidate
  }
  const mark = createHash('sha256').update(resolve(cwd)).digest('hex').slice(0, 8)
  return join(tmpdir(), `weir-${uid}-${mark}`)
}

/** Makes `directory` if needed. Throws WEIR_CLUSTER_DIRECTORY if it belongs to another user. */
export function claimDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o755 })
  const owner = statSync(directory).uid
  const uid = process.getuid?.() ?? owner
  if (owner === uid && isWritable(directory)) return
  throw new WeirError(
    'WEIR_CLUSTER_DIRECTORY',
    `${directory} belongs to another user (uid ${owner}, we are ${uid})`,
    { hint: 'name another one with --dir DIR' },
  )
}

/** Directory for data, logs and caches, reachable by the user that runs servers. */
export function chooseRoot(directory: string, runAs: RunAs | undefined): string {
  if (canReach(directory, runAs)) return directory
  const root = mkdtempSync(join(tmpdir(), 'weir-'))
  chmodSync(root, 0o755)
  return root
}

/** Directory for Unix sockets: `run` below the root, or a shorter temporary one. */
export function chooseSocketDirectory(root: string, runAs: RunAs | undefined): string {
  const inside = join(root, 'run')
  if (Buffer.byteLength(join(inside, '.s.PGSQL.65535')) <= SOCKET_PATH_LIMIT) {
    makeDirectory(inside, runAs)
    return inside
  }
  const outside = mkdtempSync(join(socketParent(), 'weir-'))
  makeDirectory(outside, runAs)
  chmodSync(outside, 0o755)
  return outside
}

/** Whether a recorded socket directory is still there and ours. */
export function socketDirectoryStands(path: string, runAs: RunAs | undefined): boolean {
  try {
    return statSync(path).uid === (runAs?.uid ?? process.getuid?.() ?? 0)
  } catch {
    return false
  }
}

function socketParent(): string {
  const room = SOCKET_PATH_LIMIT - '/weir-123456/.s.PGSQL.65535'.length
  return Buffer.byteLength(tmpdir()) <= room ? tmpdir() : '/tmp'
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK)
    accessSync(dirname(path), constants.X_OK)
    return true
  } catch {
    return false
  }
}
