/** Weaknesses towards the nodes: who can pretend to be one, and who can listen. */
import { isLoopback } from './check.ts'
import type { Examined, Found, Rule } from './security-rule.ts'
import type { Path } from './walk.ts'

export const NODE_RULES: readonly Rule[] = [
  { name: 'nodes-tls', find: nodesTls },
  { name: 'nodes-binding', find: nodesBinding },
  { name: 'source-in-clear', find: sourceInClear },
]

interface Way {
  readonly path: Path
  readonly mode: string
  readonly hasCa: boolean
  readonly binding: string
  readonly bindingPath: Path
  /** The way leads over a network. */
  readonly far: boolean
}

/** One for all nodes that say nothing of their own, and one for each that does. */
function ways({ settings: { nodes, tls, topology } }: Examined): Way[] {
  const isFar = (host: string, socketDirectory: string | undefined): boolean =>
    socketDirectory === undefined && !isLoopback(host)
  const plain = nodes.filter((node) => !differs(node))
  const found = topology.source.kind !== 'static'
  const general: Way = {
    path: ['tls', 'nodes'],
    mode: tls.nodes,
    hasCa: tls.nodesCaFile !== undefined,
    binding: tls.nodesChannelBinding,
    bindingPath: ['tls', 'nodesChannelBinding'],
    far: found || plain.some(({ host, socketDirectory }) => isFar(host, socketDirectory)),
  }
  const own = nodes.flatMap((node, i): Way[] => {
    const { tls: of } = node
    if (of === undefined || !differs(node)) return []
    const at = ['nodes', i, 'tls']
    return [
      {
        path: of.mode === undefined ? at : [...at, 'mode'],
        mode: of.mode ?? tls.nodes,
        hasCa: (of.caFile ?? tls.nodesCaFile) !== undefined,
        binding: of.channelBinding ?? tls.nodesChannelBinding,
        bindingPath: [...at, 'channelBinding'],
        far: isFar(node.host, node.socketDirectory),
      },
    ]
  })
  return plain.length === 0 && !found ? own : [general, ...own]
}

function differs({ tls }: Examined['settings']['nodes'][number]): boolean {
  return (tls?.mode ?? tls?.caFile ?? tls?.channelBinding) !== undefined
}

function nodesTls(examined: Examined): Found[] {
  return ways(examined).flatMap(({ path, mode, hasCa, far }): Found[] => {
    const set =
      'verify-full, with tls.nodesCaFile: the authority that signed the certificates of the nodes.'
    // With an authority, require looks who signed, as in libpq.
    switch (mode === 'require' && hasCa ? 'verify-ca' : mode) {
      case 'disable':
      case 'allow':
      case 'prefer':
        return [
          {
            level: far ? 'high' : 'low',
            path,
            is: `is ${mode}`,
            why:
              mode === 'disable'
                ? 'Statements and rows travel to the nodes in clear.'
                : 'Whoever stands between Weir and a node can say that there is no TLS, and everything travels in clear.',
            set,
          },
        ]
      case 'require':
        return [
          {
            level: far ? 'high' : 'low',
            path,
            is: 'is require',
            why: 'The connection is encrypted, but to whomever: no certificate is looked at, so somebody between can pretend to be the node.',
            set,
          },
        ]
      case 'verify-ca':
        return [
          {
            level: far ? 'medium' : 'low',
            path,
            is: `is ${mode}`,
            why: 'Any certificate of that authority will do, also that of another machine.',
            set: 'verify-full.',
          },
        ]
      default:
    }
    return []
  })
}

function nodesBinding(examined: Examined): Found[] {
  return ways(examined).flatMap(({ binding, far, bindingPath }): Found[] => {
    if (!far || binding !== 'disable') return []
    return [
      {
        level: 'low',
        path: bindingPath,
        is: 'is disable',
        why: 'Somebody who has got hold of a certificate for the name of a node can pass a login on to the real one.',
        set: 'prefer, or require where all nodes have SCRAM passwords and TLS.',
      },
    ]
  })
}

function sourceInClear({ settings: { topology } }: Examined): Found[] {
  const { source } = topology
  const urls = Object.values(source)
    .flat()
    .filter((text) => typeof text === 'string')
  if (
    !urls.some(
      (url) => /^http:\/\//.test(url) && !isLoopback(new URL(url).hostname.replace(/^\[|\]$/g, '')),
    )
  )
    return []
  return [
    {
      level: 'medium',
      path: ['topology', 'source'],
      is: 'is asked over http',
      why: 'Whoever stands between can answer with nodes of their own, and Weir would log in there.',
      set: 'https in its urls, with caFile.',
    },
  ]
}
