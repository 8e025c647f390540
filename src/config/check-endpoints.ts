/**
 * Checks between endpoints, nodes and ports. Rule: a setting that would have no effect on an
 * endpoint of its kind is a mistake, not a comment.
 */
import type { Draft, Report } from './draft.ts'
import { didYouMean } from './problem.ts'

type FileEndpoint = NonNullable<Draft['endpoints'][number]>
type Kind = FileEndpoint['kind']

/** Which kinds a setting is for; the others must leave it out. */
const ONLY_FOR = {
  type: ['custom'],
  staticMembers: ['custom'],
  excludedMembers: ['custom'],
  node: ['instance'],
  balance: ['reader', 'custom'],
  maxLag: ['reader', 'custom'],
  noReader: ['reader', 'custom'],
} as const satisfies Partial<Record<keyof FileEndpoint, readonly Kind[]>>

export function checkEndpoints(draft: Draft, report: Report): void {
  const names = new Set<string>()
  const serverNames = new Map<string, string>()
  for (const [i, endpoint] of draft.endpoints.entries()) {
    if (endpoint === undefined) continue
    if (names.has(endpoint.name)) {
      report(['endpoints', i, 'name'], 'a name that no other endpoint has')
    }
    names.add(endpoint.name)
    for (const serverName of endpoint.tlsServerNames ?? []) {
      const other = serverNames.get(serverName.toLowerCase())
      if (other !== undefined) {
        report(
          ['endpoints', i, 'tlsServerNames'],
          `server names that endpoint ${other} does not have`,
          `"${serverName}"`,
        )
      }
      serverNames.set(serverName.toLowerCase(), endpoint.name)
    }
    checkKind(endpoint, i, report)
    checkMembers(endpoint, i, draft, report)
  }
  checkPorts(draft, report)
}

function checkKind(endpoint: FileEndpoint, i: number, report: Report): void {
  for (const [key, kinds] of Object.entries(ONLY_FOR)) {
    if (endpoint[key as keyof typeof ONLY_FOR] === undefined) continue
    if ((kinds as readonly Kind[]).includes(endpoint.kind)) continue
    report(
      ['endpoints', i, key],
      `it left out, since it is for kind ${kinds.join(' or ')} and this is kind ${endpoint.kind}`,
    )
  }
  if (endpoint.kind === 'instance' && endpoint.node === undefined) {
    report(['endpoints', i, 'node'], 'the name of one of the nodes')
  }
  if (endpoint.kind !== 'custom') return
  if (endpoint.staticMembers !== undefined && endpoint.excludedMembers !== undefined) {
    report(['endpoints', i, 'excludedMembers'], 'either staticMembers or excludedMembers', 'both')
  }
  if (endpoint.noReader === 'writer') {
    report(['endpoints', i, 'noReader'], 'wait or error, since kind custom only uses its members')
  }
}

function checkMembers(
  endpoint: FileEndpoint,
  i: number,
  { nodeNames: nodes, sourceKind }: Draft,
  report: Report,
): void {
  if (endpoint.kind === 'custom' && endpoint.staticMembers?.length === 0) {
    report(['endpoints', i, 'staticMembers'], 'at least one node')
  }
  // Who is there is known only once the source has answered, and may change: said in the log then.
  if (sourceKind !== 'static') return
  const want = (name: string) => {
    const meant = didYouMean(name, nodes)
    const known = `one of the nodes ${nodes.join(', ')}`
    return meant === undefined ? known : `${known}; did you mean ${meant}?`
  }
  const lists = endpoint.kind === 'custom' ? (['staticMembers', 'excludedMembers'] as const) : []
  for (const key of lists) {
    for (const [k, member] of (endpoint[key] ?? []).entries()) {
      if (!nodes.includes(member)) report(['endpoints', i, key, k], want(member))
    }
  }
  const { kind, node } = endpoint
  if (kind === 'instance' && node !== undefined && !nodes.includes(node)) {
    report(['endpoints', i, 'node'], want(node))
  }
}

function checkPorts({ endpoints, admin, listen }: Draft, report: Report): void {
  const taken = new Map<number, string>(admin.enabled ? [[admin.port, 'admin']] : [])
  for (const [i, endpoint] of endpoints.entries()) {
    if (endpoint === undefined) continue
    const { port, socketDirectory } = endpoint
    if (port === undefined) {
      if (socketDirectory === undefined) continue
      report(['endpoints', i, 'port'], 'a port, which names the socket in socketDirectory')
      continue
    }
    const other = taken.get(port)
    if (other !== undefined) {
      report(['endpoints', i, 'port'], `a port that ${other} does not use`)
    }
    taken.set(port, `endpoint ${endpoint.name}`)
  }
  const highest = Math.max(0, ...taken.keys())
  if (highest + listen.portOffset > 65_535) {
    report(['listen', 'portOffset'], `at most ${65_535 - highest}, since port ${highest} is used`)
  }
  if (endpoints.length > 0 && endpoints.every((e) => e !== undefined && e.port === undefined)) {
    report(['endpoints'], 'at least one endpoint with a port', 'no port at all')
  }
}
