/**
 * What no single setting can know: names that must be unique, members that must exist, doors that
 * may not stand open. Rule: every check looks only at parts that are right by themselves, so that
 * one mistake is told once.
 */
import { isIPv4 } from 'node:net'
import { dirname, resolve } from 'node:path'
import { checkAdmin } from './check-admin.ts'
import { checkEndpoints } from './check-endpoints.ts'
import { checkSource } from './check-source.ts'
import { checkNodesTls, checkTls } from './check-tls.ts'
import { checkTokens } from './check-tokens.ts'
import type { Draft, Report } from './draft.ts'
import { inspectSecretFile } from './secret-file.ts'
import { addressOf } from './settings.ts'

export function checkAll(draft: Draft, file: string, report: Report): void {
  checkSource(draft, file, report)
  checkNodes(draft, report)
  checkEndpoints(draft, report)
  checkNumbers(draft, report)
  checkDoors(draft, report)
  checkAdmin(draft, isLoopback(draft.admin.host), file, report)
  checkInstance(draft, report)
  checkTls(draft, file, report)
  checkNodesTls(draft, file, report)
  checkSecrets(draft, file, report)
  checkTokens(draft, file, report)
}

/** Whether only this machine can reach an address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
}

function checkNodes({ nodes }: Draft, report: Report): void {
  const seen = new Set<string>()
  for (const [i, node] of (nodes ?? []).entries()) {
    if (node === undefined) continue
    if (seen.has(node.name)) report(['nodes', i, 'name'], 'a name that no other node has')
    seen.add(node.name)
    if (node.url !== undefined) {
      if (addressOf(node.url) === undefined) {
        report(['nodes', i, 'url'], 'postgres://HOST or postgres://HOST:PORT and nothing more')
      }
      for (const key of ['host', 'port'] as const) {
        if (node[key] !== undefined) report(['nodes', i, key], 'either url, or host and port')
      }
    } else if (node.host === undefined && node.socketDirectory === undefined) {
      report(['nodes', i, 'host'], 'a host name or address')
    }
  }
}

function checkNumbers({ pool, topology }: Draft, report: Report): void {
  const { maxConnectionsPercent: most, maxIdleConnectionsPercent: idle } = pool
  if (idle !== undefined && idle > most) {
    report(['pool', 'maxIdleConnectionsPercent'], `at most maxConnectionsPercent, which is ${most}`)
  }
  if (pool.maxConnections !== undefined && pool.minIdle > pool.maxConnections) {
    report(['pool', 'minIdle'], `at most maxConnections, which is ${pool.maxConnections}`)
  }
  if (topology.suspectPeriod > topology.period) {
    report(['topology', 'suspectPeriod'], 'a duration no longer than topology.period')
  }
}

function checkDoors({ listen, admin, auth }: Draft, report: Report): void {
  for (const [section, door] of [
    ['listen', listen],
    ['admin', admin],
  ] as const) {
    if (isLoopback(door.host) || door.allowPublic) continue
    report([section, 'host'], `a loopback address, or ${section}.allowPublic: true beside it`)
  }
  const relays = listen.proxyTrusted?.length ?? 0
  if (listen.proxyProtocol === 'required' && relays === 0) {
    report(['listen', 'proxyTrusted'], 'at least one network, since proxyProtocol is required')
  } else if (listen.proxyProtocol === 'off' && listen.proxyTrusted !== undefined) {
    report(['listen', 'proxyTrusted'], 'it left out, since listen.proxyProtocol is off')
  }
  if (auth.trust && !isLoopback(listen.host)) {
    report(['auth', 'trust'], `false, since listen.host ${listen.host} is not loopback`)
  }
}

function checkInstance({ instance: { id, peers } }: Draft, report: Report): void {
  if (id === undefined) {
    if (Object.keys(peers).length > 0) {
      report(['instance', 'id'], 'a number of its own, since instance.peers has others')
    }
    return
  }
  for (const peer of Object.keys(peers)) {
    if (Number(peer) === id) report(['instance', 'peers', peer], 'only other instances')
  }
}

function checkSecrets({ secrets, topology, auth }: Draft, file: string, report: Report): void {
  const users = new Set<string>()
  let complete = true
  for (const [i, secret] of secrets.entries()) {
    if (secret === undefined) {
      complete = false
      continue
    }
    const found =
      typeof secret === 'string'
        ? inspectSecretFile(resolve(dirname(file), secret))
        : { users: 'username' in secret ? [secret.username] : undefined }
    if ('got' in found) {
      report(['auth', 'secrets', i], found.want, found.got)
      complete = false
      continue
    }
    // What a command or another service will give is not known here.
    if (found.users === undefined) complete = false
    for (const user of found.users ?? []) {
      if (users.has(user)) {
        report(['auth', 'secrets', i], 'one secret for each user', `user "${user}" a second time`)
      }
      users.add(user)
    }
  }
  if (!complete) return
  if (users.size === 0) {
    report(['auth', 'secrets'], 'at least one secret, such as [secrets.json]', 'none')
    return
  }
  const known = [...users].slice(0, 10).join(', ')
  for (const [path, user] of [
    [['topology', 'user'], topology.user],
    [['auth', 'query', 'user'], auth.query?.user],
  ] as const) {
    if (user !== undefined && !users.has(user)) report(path, `a user of auth.secrets (${known})`)
  }
}
