/**
 * What must fit together for the admin port to be safe: users with exactly one way to prove
 * themselves, no password in clear over a network, nothing shown to other machines that was not said.
 * Rule: as in check.ts.
 */
import { dirname, resolve } from 'node:path'
import type { Draft, Report } from './draft.ts'
import { readable } from './secret-file.ts'

/** @param local whether `admin.host` is an address that only this machine reaches */
export function checkAdmin(
  { admin, audit }: Draft,
  local: boolean,
  file: string,
  report: Report,
): void {
  const { users = [], open = [], tls, enabled } = admin
  const names = new Set<string>()
  for (const [i, user] of users.entries()) {
    const at = ['admin', 'users', i]
    if (names.has(user.name)) report([...at, 'name'], 'a name that no other admin user has')
    names.add(user.name)
    if (user.name.includes(':')) report([...at, 'name'], 'a name without a colon')
    const ways = WAYS.filter((way) => user[way] !== undefined)
    if (ways.length !== 1) {
      const got = ways.length === 0 ? 'none' : ways.join(' and ')
      report(at, `one of ${WAYS.join(', ')}`, got)
    }
    for (const key of ['passwordFile', 'tokenFile'] as const) {
      const name = user[key]
      if (name === undefined) continue
      const read = readable(resolve(dirname(file), name))
      if ('got' in read) report([...at, key], read.want, read.got)
    }
  }
  for (const key of ['certFile', 'keyFile'] as const) {
    if (tls === undefined) break
    const read = readable(resolve(dirname(file), tls[key]))
    if ('got' in read) report(['admin', 'tls', key], read.want, read.got)
    else if (!read.text.includes('-----BEGIN ')) {
      report(['admin', 'tls', key], 'a PEM file', `${tls[key]}, which is no PEM file`)
    }
  }
  if (audit.to === 'off' && audit.required) {
    report(['audit', 'required'], 'false, since audit.to is off')
  }
  if (!enabled || local) return
  if (users.length === 0 && open.length === 0) {
    report(
      ['admin', 'users'],
      `at least one user, or admin.open, since other machines reach admin.host ${admin.host}`,
      'none',
    )
  }
  if (users.length > 0 && tls === undefined) {
    report(
      ['admin', 'tls'],
      `a certFile and a keyFile, since passwords go over a network to admin.host ${admin.host}`,
      'nothing',
    )
  }
}

const WAYS = ['password', 'passwordFile', 'tokenHash', 'tokenFile'] as const
