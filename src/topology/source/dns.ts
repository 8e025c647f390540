/**
 * Nodes by what a name server answers: A and AAAA records (one node for each address) or SRV records
 * (one for each target). Rule: a node's name comes from the record alone, an address or the first
 * label of a target where no other has the same, so it lasts when addresses and their order change.
 */
import { Resolver } from 'node:dns/promises'
import { messageOf } from '../../core/errors.ts'
import type { NodeSpec } from '../topology.ts'
import { inOrder, plainName } from './naming.ts'
import type { Source } from './source.ts'

export interface DnsOptions {
  readonly names: readonly string[]
  readonly record: 'A' | 'SRV'
  /** Of the nodes, where the record does not say: A and AAAA. */
  readonly port: number
  /** `10.0.0.2` or `127.0.0.1:8600`; undefined: those of the system. */
  readonly servers: readonly string[] | undefined
}

/** One try and one more; the watch has a limit of its own. */
const RESOLVER = { timeout: 400, tries: 2 }

export function dnsSource({ names, record, port, servers }: DnsOptions): Source {
  const where = servers === undefined ? '' : ` at ${servers.join(', ')}`
  return {
    kind: 'dns',
    place: `${record === 'A' ? 'A and AAAA' : 'SRV'} of ${names.join(', ')}${where}`,
    list: async (signal) => {
      // Servers are read anew each time: those of the system may change under a laptop or a pod.
      const resolver = new Resolver(RESOLVER)
      if (servers !== undefined) resolver.setServers(servers.map(withBrackets))
      signal.addEventListener('abort', () => resolver.cancel(), { once: true })
      const found = await Promise.all(
        names.map((name) =>
          record === 'A'
            ? byAddress(resolver, name, port)
            : byService(resolver, name, servers !== undefined),
        ),
      )
      return { nodes: inOrder(found.flat()), from: `DNS for ${names.join(', ')}` }
    },
    close: () => Promise.resolve(),
  }
}

async function byAddress(resolver: Resolver, name: string, port: number): Promise<NodeSpec[]> {
  const hosts = await addressesOf(resolver, name)
  return hosts.map((host) => ({ name: plainName(host), host, port, weight: 1 }))
}

/**
 * @param here whether the targets are looked up too: name servers of our own are usually the only
 * ones that know them, while those of the system are asked again at each connect
 */
async function byService(resolver: Resolver, name: string, here: boolean): Promise<NodeSpec[]> {
  const records = await resolver.resolveSrv(name).catch((error: unknown) => {
    throw new Error(`SRV of ${name}: ${plainly(error)}`)
  })
  // A target of "." says that there is no such service.
  const offered = records.filter((record) => record.name !== '' && record.name !== '.')
  if (offered.length === 0) throw new Error(`SRV of ${name} names no target`)
  const alike = offered.every((record) => record.weight === offered[0]!.weight)
  const short = (target: string): string => target.split('.')[0]!
  const nameOf = (target: string): string => {
    const twins = offered.filter((record) => short(record.name) === short(target))
    // db-0.east and db-0.west are called in full; one target on two ports is told apart by them.
    return plainName(twins.length === 1 ? short(target) : target)
  }
  return Promise.all(
    offered.map(async (record) => ({
      name: nameOf(record.name),
      host: here ? (await addressesOf(resolver, record.name))[0]! : record.name,
      port: record.port,
      weight: alike ? 1 : record.weight,
    })),
  )
}

/** In a lasting order: name servers like to turn their lists. */
async function addressesOf(resolver: Resolver, name: string): Promise<string[]> {
  const [four, six] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
  // One that does not answer may know half of the nodes: only "there are none" is an answer.
  for (const result of [four, six]) {
    if (result.status === 'rejected' && !isNone(result.reason)) {
      throw new Error(`addresses of ${name}: ${plainly(result.reason)}`)
    }
  }
  const found = [four, six].flatMap((r) => (r.status === 'fulfilled' ? r.value.toSorted() : []))
  if (found.length === 0) throw new Error(`${name} has no address`)
  return found
}

function isNone(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'ENODATA' || code === 'ENOTFOUND'
}

const WORDS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'there is no such name',
  ENODATA: 'there is no such record',
  ETIMEOUT: 'the name server does not answer',
  ECONNREFUSED: 'the name server cannot be reached',
  ESERVFAIL: 'the name server has failed',
  EREFUSED: 'the name server refuses to answer',
  ECANCELLED: 'the name server did not answer in time',
}

function plainly(error: unknown): string {
  const code = codeOf(error)
  return code !== undefined && code in WORDS ? `${WORDS[code]} (${code})` : messageOf(error)
}

function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}

/** `::1` as the resolver wants it; `[::1]:53` and everything else is right already. */
function withBrackets(server: string): string {
  return (server.match(/:/g) ?? []).length > 1 && !server.startsWith('[') ? `[${server}]` : server
}
