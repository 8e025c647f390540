/** Whether tokens can be judged as the settings ask. Rule: as in check.ts, no problem quotes a secret. */
import { dirname, resolve } from 'node:path'
import type { Draft, Report } from './draft.ts'
import { readable } from './secret-file.ts'

export function checkTokens({ auth, tls }: Draft, file: string, report: Report): void {
  const { iam, iamAuth, users } = auth
  if (iamAuth !== 'disabled') needs(['auth', 'iamAuth'])
  const names = new Set<string>()
  for (const [i, { name, iamAuth: own = 'disabled' }] of users.entries()) {
    if (names.has(name)) report(['auth', 'users', i, 'name'], 'each user once')
    names.add(name)
    if (own !== 'disabled') needs(['auth', 'users', i, 'iamAuth'])
  }
  const ids = new Set<string>()
  for (const [i, key] of (iam?.accessKeys ?? []).entries()) {
    const path = ['auth', 'iam', 'accessKeys', i]
    if (ids.has(key.accessKeyId)) report([...path, 'accessKeyId'], 'each access key once')
    ids.add(key.accessKeyId)
    for (const name of ['secretAccessKey', 'sessionToken'] as const) {
      const held = key[name]
      if (typeof held !== 'object' || !('file' in held)) continue
      const read = readable(resolve(dirname(file), held.file))
      if ('got' in read) report([...path, name], read.want, read.got)
      else if (read.text.trim() === '') {
        report(
          [...path, name],
          'a file that holds the secret alone',
          `${held.file}, which is empty`,
        )
      }
    }
  }
  for (const [i, host] of (iam?.hosts ?? []).entries()) {
    if (/[/?#@\s]/.test(host)) report(['auth', 'iam', 'hosts', i], 'HOST or HOST:PORT alone')
  }

  function needs(path: (string | number)[]): void {
    if ((iam?.accessKeys ?? []).length === 0) {
      report(path, 'disabled, or a key in auth.iam.accessKeys')
    }
    if (tls.mode === 'off') {
      report(path, 'disabled, or tls.mode allowed or required: tokens travel in TLS only')
    }
  }
}
