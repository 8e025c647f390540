/**
 * Under which user servers run. Postgres refuses to run as root, so root hands it to an
 * unprivileged user; everyone else runs it as themselves. Rule: `undefined` means "as we are", and
 * only this file knows how that user is found and what that user can reach.
 */
import { execFileSync } from 'node:child_process'
import { accessSync, constants, readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { WeirError } from '../core/errors.ts'

export interface RunAs {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

// `nobody` before `postgres`: a lab with a well-known password must not lend anyone the account of
// an installed database. Postgres looks its user up, so a bare number will not do.
const CANDIDATES = ['nobody', 'postgres', 'daemon']

/** The user for servers when we are root, else undefined. Throws WEIR_CLUSTER_USER if none is found. */
export function chooseRunAs(): RunAs | undefined {
  if (process.getuid?.() !== 0) return undefined
  for (const name of CANDIDATES) {
    const found = lookUp(name)
    if (found !== undefined) return found
  }
  throw new WeirError('WEIR_CLUSTER_USER', 'Postgres does not run as root, and no user is there', {
    hint: `create one of ${CANDIDATES.join(', ')}, or start as an ordinary user`,
  })
}

/** Options for `spawn` and `execFile`. */
export function spawnIdentity(runAs: RunAs | undefined): { uid?: number; gid?: number } {
  return runAs === undefined ? {} : { uid: runAs.uid, gid: runAs.gid }
}

/** Whether that user can walk down to `path` and read it. */
export function canReach(path: string, runAs: RunAs | undefined): boolean {
  let at: string
  try {
    at = realpathSync(path)
    if (runAs === undefined) {
      accessSync(at, constants.R_OK | constants.X_OK)
      return true
    }
  } catch {
    return false
  }
  for (let needed = 0o5; ; needed = 0o1) {
    const { mode, uid, gid } = statSync(at)
    const bits = uid === runAs.uid ? mode >> 6 : gid === runAs.gid ? mode >> 3 : mode
    if ((bits & needed) !== needed) return false
    if (dirname(at) === at) return true
    at = dirname(at)
  }
}

function lookUp(name: string): RunAs | undefined {
  try {
    const line = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((entry) => entry.startsWith(`${name}:`))
    if (line !== undefined) {
      const [, , uid, gid] = line.split(':')
      if (Number(uid) > 0) return { name, uid: Number(uid), gid: Number(gid) }
    }
    // Users may come from a directory service instead of the file.
    const ask = (flag: string) => Number(execFileSync('id', [flag, name], { stdio: 'pipe' }))
    const uid = ask('-u')
    return uid > 0 ? { name, uid, gid: ask('-g') } : undefined
  } catch {
    return undefined
  }
}
