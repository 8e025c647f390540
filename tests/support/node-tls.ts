/** TLS towards a node for an opener under test. Rule: nothing is verified unless `options` says so. */
import type { ConnectionOptions } from 'node:tls'
import type { NodeTls } from '../../src/server/node-tls.ts'

export function nodeTls(
  mode: NodeTls['mode'],
  options: () => ConnectionOptions = () => ({ rejectUnauthorized: false }),
): NodeTls {
  return { mode, direct: false, channelBinding: 'prefer', options }
}
