/** Where a node is, as the room that connects to it takes it. Rule: it names it and knows no more. */
import type { Address } from '../net/network.ts'

export interface NodeAddress {
  readonly name: string
  /** The name that its certificate must carry under verify-full, unless the settings name another. */
  readonly host: string
  /** Tried in order: a Unix socket first where there is one. */
  readonly addresses: readonly Address[]
}

/** Of a node as it is configured. */
export function addressOfNode(spec: {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly socketDirectory?: string | undefined
}): NodeAddress {
  const { name, host, port, socketDirectory } = spec
  const tcp = { host, port }
  if (socketDirectory === undefined) return { name, host, addresses: [tcp] }
  return { name, host, addresses: [{ path: `${socketDirectory}/.s.PGSQL.${port}` }, tcp] }
}
