/** `tls` as the program sees it. Rule: every file name is absolute, and nothing is read. */
import type { FileSettings } from './schema.ts'

type TlsSection = FileSettings['tls']

const FILES = [
  'certFile',
  'keyFile',
  'clientCaFile',
  'clientCrlFile',
  'nodesCaFile',
  'nodesCertFile',
  'nodesKeyFile',
  'nodesCrlFile',
] as const
const NODE_FILES = ['caFile', 'certFile', 'keyFile', 'crlFile'] as const

export type NodeTlsSection = NonNullable<NonNullable<FileSettings['nodes']>[number]['tls']>

/** Of one node; see `settleTls`. */
export function settleNodeTls(
  tls: NodeTlsSection,
  beside: (name: string) => string,
): NodeTlsSection {
  const named = NODE_FILES.flatMap((key) => {
    const name = tls[key]
    return name === undefined ? [] : [[key, beside(name)]]
  })
  return { ...tls, ...Object.fromEntries(named) }
}

/** @param beside makes a name absolute that is relative to the configuration file */
export function settleTls(tls: TlsSection, beside: (name: string) => string): TlsSection {
  const named = FILES.flatMap((key) => {
    const name = tls[key]
    return name === undefined ? [] : [[key, beside(name)]]
  })
  return {
    ...tls,
    ...Object.fromEntries(named),
    certificates: tls.certificates.map((pair) => ({
      ...pair,
      certFile: beside(pair.certFile),
      keyFile: beside(pair.keyFile),
    })),
  }
}
