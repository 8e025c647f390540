/**
 * The source of nodes that the configuration asks for, as the app makes it: with HTTP, SQL and time
 * limits in hand. Rule: what a source may need of other rooms is put together here, so that the
 * sources themselves know none of them.
 */
import { readFileSync } from 'node:fs'
import { rootCertificates } from 'node:tls'
import type { EndpointSettings, Settings } from '../config/settings.ts'
import { hostAndPort, patternOf } from '../config/source-address.ts'
import type { Clock } from '../core/clock.ts'
import { AuroraStatus, type AuroraStatusOptions } from '../protocol/postgres/aurora-status.ts'
import { auroraSource } from '../topology/source/aurora.ts'
import { dnsSource } from '../topology/source/dns.ts'
import { patroniSource } from '../topology/source/patroni.ts'
import type { Source } from '../topology/source/source.ts'
import type { NodeSpec } from '../topology/topology.ts'
import { getJson } from './get-json.ts'

/** One that keeps us waiting for so long has the next one asked too (ms). */
const STAGGER_MS = 250
const PERIOD_MS = 1_000
/** Answers of name servers are kept by others on the way for about as long. */
const DNS_PERIOD_MS = 5_000
/** A source may have to ask others itself, as Patroni asks its store. */
const LEAST_LIMIT_MS = 2_000
const POSTGRES_PORT = 5432

/** Undefined when the nodes are those of the file. */
export function sourceFor(
  { topology: { source } }: Settings,
  stream: AuroraStatusOptions['stream'],
  clock: Clock,
): Source | undefined {
  const { kind, port = POSTGRES_PORT } = source
  switch (kind) {
    case 'static':
      return undefined
    case 'patroni': {
      const { caFile } = source
      const own = caFile === undefined ? undefined : readFileSync(caFile, 'utf8')
      const ca = own === undefined ? undefined : [...rootCertificates, own]
      return patroniSource({
        urls: source.urls ?? [],
        getJson: (url, signal) => getJson(url, signal, ca),
        clock,
        staggerMs: STAGGER_MS,
      })
    }
    case 'dns': {
      const { names = [], record = 'A', servers } = source
      return dnsSource({ names, record, port, servers })
    }
    case 'aurora': {
      const { hosts = [], instanceHost } = source
      const status = new AuroraStatus({ stream })
      return auroraSource({
        hosts: hosts.map((text) => {
          const place = hostAndPort(text)!
          return { host: place.host, port: place.port ?? port }
        }),
        template: instanceHost ?? patternOf(hosts)!,
        port,
        ask: (place, signal) => status.ask(place, signal),
        close: () => status.close(),
        clock,
        staggerMs: STAGGER_MS,
      })
    }
    default:
      return kind satisfies never
  }
}

/** How often it is asked and how long an answer may take (ms). Nothing waits for it but the next one. */
export function sourceTimes({ topology }: Settings): { periodMs: number; limitMs: number } {
  const { source, probeTimeoutMs } = topology
  const periodMs = source.periodMs ?? (source.kind === 'dns' ? DNS_PERIOD_MS : PERIOD_MS)
  return { periodMs, limitMs: Math.max(LEAST_LIMIT_MS, 2 * probeTimeoutMs) }
}

/** A sentence for each endpoint that names nodes which are not there now. */
export function missingMembers(
  endpoints: readonly EndpointSettings[],
  nodes: readonly NodeSpec[],
): string[] {
  return endpoints.flatMap(({ name, staticMembers, excludedMembers, node }) => {
    const named = [
      ...(staticMembers ?? excludedMembers ?? []),
      ...(node === undefined ? [] : [node]),
    ]
    const away = named.filter((one) => !nodes.some((spec) => spec.name === one))
    if (away.length === 0) return []
    const there = nodes.map((spec) => spec.name).join(', ')
    return [`endpoint ${name} names ${away.join(', ')}, not there now; there are ${there}`]
  })
}
