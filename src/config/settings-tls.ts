/** `tls` as the program sees it. Rule: every file name is absolute, and nothing is read. */
import type { FileSettings } from './schema.ts'

type TlsSection = FileSettings['tls']

/** The settings of `tls` that name a file. */
export const TLS_FILES = [
  'certFile',
  'keyFile',
  'clientCaFile',
  'clientCrlFile',
  'nodesCaFile',
  'nodesCertFile',
  'nodesKeyFile',
  'nodesCrlFile',
] as const
/** Of `tls` of one node. */
export const NODE_TLS_FILES = ['caFile', 'certFile', 'keyFile', 'crlFile'] as const

export type NodeTlsSection = NonNullable<NonNullable<FileSettings['nodes']>[number]['tls']>

/** Of one node; see `settleTls`. */
export function settleNodeTls(
  tls: NodeTlsSection,
  beside: (name: string) => string,
): NodeTlsSection {
  const named = NODE_TLS_FILES.flatMap((key) => {
    const name = tls[key]
    return name === undefined ? [] : [[key, beside(name)]]
  })
  return { ...tls, ...Object.fromEntries(named) }
}

/** @param beside makes a name absolute that is relative to the configuration file */
export function settleTls(tls: TlsSection, beside: (name: string) => string): TlsSection {
  const named = TLS_FILES.flatMap((key) => {
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
