/**
 * A certificate for the servers of a run, made on the spot. Rule: it vouches for nobody (clients of a
 * storm check no names), lives in a folder of its own that the servers' user can read, and goes with it.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findProgram, missingPrograms, unprivileged } from '../failover/subjects/programs.ts'

export interface Certificate {
  readonly certFile: string
  readonly keyFile: string
  end(): void
}

/** One sentence when it cannot be made. */
export function missingForCertificate(): string[] {
  return missingPrograms(['openssl'])
}

/** An elliptic key, as certificates of today have. Throws when openssl does not do it. */
export function makeCertificate(): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'weir-storm-tls-'))
  const [certFile, keyFile] = [join(folder, 'server.crt'), join(folder, 'server.key')]
  const end = (): void => rmSync(folder, { recursive: true, force: true })
  try {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    execFileSync(
      findProgram('openssl') ?? 'openssl',
      [
        'req',
        '-x509',
        ...key,
        '-keyout',
        keyFile,
        '-out',
        certFile,
        '-days',
        '30',
        '-subj',
        '/CN=localhost',
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
    chmodSync(folder, 0o711)
    chmodSync(keyFile, 0o600)
    const { uid, gid } = unprivileged()
    // Postgres takes a key only from a file of its own user.
    if (uid !== undefined && gid !== undefined) {
      for (const file of [certFile, keyFile]) chownSync(file, uid, gid)
    }
  } catch (error) {
    end()
    throw error
  }
  process.once('exit', end)
  return { certFile, keyFile, end }
}
