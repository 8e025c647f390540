/**
 * Checks of where the nodes come from. Rule: exactly one place names them, the list in the file or
 * the source; and what belongs to another kind of source is a mistake, not a comment.
 */
import { isIP } from 'node:net'
import { dirname, resolve } from 'node:path'
import type { Draft, Report } from './draft.ts'
import { readable } from './secret-file.ts'
import { hostAndPort, isHost, patternOf } from './source-address.ts'

type FileSource = Draft['topology']['source']
type Kind = FileSource['kind']

/** Which kinds a setting is for; the others must leave it out. */
const ONLY_FOR = {
  urls: ['patroni'],
  caFile: ['patroni'],
  names: ['dns'],
  record: ['dns'],
  servers: ['dns'],
  hosts: ['aurora'],
  instanceHost: ['aurora'],
  port: ['dns', 'aurora'],
  period: ['patroni', 'dns', 'aurora'],
} as const satisfies Partial<Record<keyof FileSource, readonly Kind[]>>

/** The list without which a kind knows nobody to ask. */
const NEEDED = {
  patroni: ['urls', 'at least one URL such as [http://10.0.0.11:8008]'],
  dns: ['names', 'at least one name such as [postgres.db.internal]'],
  aurora: ['hosts', 'at least one host such as the cluster endpoint'],
} as const

export function checkSource(draft: Draft, file: string, report: Report): void {
  const { sourceKind: kind, nodes } = draft
  if (kind === undefined) return
  if (kind === 'static') {
    if (nodes === undefined) {
      const want =
        'a list of at least one section such as { name: node-1, host: 127.0.0.1, port: 5432 }'
      report(['nodes'], want)
    }
  } else if (nodes !== undefined) {
    report(['nodes'], `it left out, since topology.source finds the nodes (kind ${kind})`)
  }
  const { source } = draft.topology
  for (const [key, kinds] of Object.entries(ONLY_FOR)) {
    if (source[key as keyof typeof ONLY_FOR] === undefined) continue
    if ((kinds as readonly Kind[]).includes(kind)) continue
    report(at(key), `it left out, since it is for kind ${kinds.join(' or ')} and this is ${kind}`)
  }
  if (kind === 'static') return
  const [list, want] = NEEDED[kind]
  const given: readonly string[] | undefined = source[list]
  if (given === undefined || given.length === 0) report(at(list), want)
  if (kind === 'patroni') checkPatroni(source, file, report)
  else if (kind === 'dns') checkDns(source, report)
  else checkAurora(source, report)
}

function checkPatroni({ urls = [], caFile }: FileSource, file: string, report: Report): void {
  for (const [i, url] of urls.entries()) {
    const [, rest] = /^https?:\/\/([^/]+)\/?$/.exec(url) ?? []
    if (rest === undefined || hostAndPort(rest) === undefined) {
      report([...at('urls'), i], 'http://HOST:PORT or https://HOST:PORT and nothing more')
    }
  }
  if (caFile === undefined) return
  const read = readable(resolve(dirname(file), caFile))
  if ('got' in read) report(at('caFile'), read.want, read.got)
  else if (!read.text.includes('-----BEGIN ')) {
    report(at('caFile'), 'a PEM file', `${caFile}, which is no PEM file`)
  }
}

function checkDns({ names = [], servers = [], record, port }: FileSource, report: Report): void {
  for (const [i, name] of names.entries()) {
    if (!isHost(name) || isIP(name) !== 0) report([...at('names'), i], 'a name to look up')
  }
  for (const [i, server] of servers.entries()) {
    const place = hostAndPort(server)
    if (isIP(server) === 0 && (place === undefined || isIP(place.host) === 0)) {
      report([...at('servers'), i], 'the address of a name server, such as 127.0.0.1:8600')
    }
  }
  if (record === 'SRV' && port !== undefined) {
    report(at('port'), 'it left out, since SRV records name the port')
  }
}

function checkAurora({ hosts = [], instanceHost }: FileSource, report: Report): void {
  for (const [i, host] of hosts.entries()) {
    if (hostAndPort(host) === undefined) report([...at('hosts'), i], 'HOST or HOST:PORT')
  }
  if (instanceHost !== undefined) {
    const marks = instanceHost.split('?').length - 1
    if (marks === 1 && hostAndPort(instanceHost.replace('?', '1')) !== undefined) return
    report(
      at('instanceHost'),
      'HOST or HOST:PORT with one ? in it, such as ?.abc123.eu-central-1.rds.amazonaws.com',
    )
  } else if (hosts.length > 0 && patternOf(hosts) === undefined) {
    report(
      at('instanceHost'),
      'the address of an instance with ? for its name, since no cluster endpoint is among hosts',
    )
  }
}

function at(key: string): string[] {
  return ['topology', 'source', key]
}
