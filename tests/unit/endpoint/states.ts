/** Node states for endpoint tests: an up reader without lag unless said otherwise. */
import type { NodeSpec, NodeState, Topology } from '../../../src/topology/topology.ts'

export function node(
  n: number,
  spec: Partial<NodeSpec> = {},
  state: Partial<NodeState> = {},
): NodeState {
  return {
    spec: { name: `node-${n}`, host: '127.0.0.1', port: 5500 + n, weight: 1, ...spec },
    role: 'reader',
    health: 'up',
    lagMs: 0,
    lsn: 100n,
    positionAt: 1,
    timeline: 1,
    connectionLimit: 97,
    responseMs: undefined,
    fenced: false,
    versionNum: 180_004,
    because: `node-${n} is in a test`,
    since: 0,
    ...state,
  }
}

const ROLES = { W: 'writer', R: 'reader', U: 'unknown' } as const
const HEALTHS = { '': 'up', '?': 'suspect', '-': 'down', '!': 'down', '*': 'unknown' } as const

/**
 * Nodes in shorthand, in order: role W, R or U; health nothing (up), `?` suspect, `-` down, `!`
 * fenced, `*` not probed; then `~500` a lag in milliseconds, `~` not known; `@90` a position. `W R? R~500@90 R-`
 */
export function topology(shorthand: string): Topology {
  const nodes = shorthand.split(' ').map((text, i) => {
    const match = /^([WRU])([?*!-]?)(?:~(\d*))?(?:@(\d+))?$/.exec(text)
    if (match === null) throw new Error(`what is ${text}?`)
    const [, role, health, lag, lsn] = match
    const more: Partial<NodeState> = {
      role: ROLES[role as keyof typeof ROLES],
      health: HEALTHS[health as keyof typeof HEALTHS],
      fenced: health === '!',
      lagMs: lag === '' ? undefined : Number(lag ?? 0),
      lsn: BigInt(lsn ?? 100),
    }
    return node(i + 1, {}, more)
  })
  return { epoch: 1, nodes }
}
