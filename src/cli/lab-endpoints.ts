/**
 * The endpoints of a lab that has other nodes than config/local.yaml names: the same ones, for as many
 * nodes as there are. Rule: for three nodes it says what that file says (a test compares them).
 */
/** The nodes that config/local.yaml has endpoints for. */
export const LOCAL_NODES: readonly string[] = ['node-1', 'node-2', 'node-3']

const FIRST_INSTANCE_PORT = 6440

/** The value of an override `endpoints=...` for nodes of these names, in their order; JSON. */
export function labEndpoints(nodes: readonly string[]): string {
  const endpoints: object[] = [
    { name: 'writer', kind: 'writer', port: 6432 },
    { name: 'reader', kind: 'reader', port: 6433, maxLag: '10s', noReader: 'writer' },
  ]
  // A custom endpoint for readers needs a node that is not the only one.
  const last = nodes.at(-1)
  if (nodes.length > 1 && last !== undefined) {
    const members = { type: 'READER', staticMembers: [last] }
    endpoints.push({ name: 'analytics', kind: 'custom', ...members, port: 6434 })
  }
  for (const [i, node] of nodes.entries()) {
    endpoints.push({ name: node, kind: 'instance', node, port: FIRST_INSTANCE_PORT + i })
  }
  return JSON.stringify(endpoints)
}
