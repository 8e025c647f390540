/**
 * TLS towards one node: which ways to try, and words for what goes wrong. Rule: the modes mean what
 * `sslmode` means in libpq, the second try of `allow` and `prefer` included; and a certificate that
 * must be verified and is not ends in an error, never in another way.
 */
import type { ConnectionOptions } from 'node:tls'
import { messageOf, WeirError } from '../core/errors.ts'
import type { NodeEncryption } from '../protocol/contract.ts'

export type NodeTlsMode = 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full'

export interface NodeTls {
  readonly mode: NodeTlsMode
  /** Begin with the handshake instead of asking for it (PostgreSQL 17 and later). */
  readonly direct: boolean
  readonly channelBinding: NodeEncryption['channelBinding']
  /**
   * For each handshake anew, so that a file that was replaced is used.
   * @throws Error when a file cannot be read
   */
  readonly options: () => ConnectionOptions
}

/** The name of the protocol in a handshake (ALPN), as PostgreSQL 17 has it. */
const PROTOCOL = 'postgresql'

/**
 * The ways to try, in order; the second only when there was no TLS to be had although the node said so,
 * or its rules have no line for the first. A wrong password is as wrong on another connection.
 */
export function waysOf({ mode }: Pick<NodeTls, 'mode'>): readonly NodeEncryption['tls'][] {
  switch (mode) {
    case 'disable':
      return ['disable']
    case 'allow':
      return ['disable', 'require']
    case 'prefer':
      return ['prefer', 'disable']
    default:
      return ['require']
  }
}

/** What is said when no way led in: the second error, and why the first way was none. */
export function bothWays(first: WeirError | undefined, second: WeirError): WeirError {
  if (first === undefined) return second
  const { code, message, sqlstate, retryable, detail, hint, cause } = second
  return new WeirError(code, `${message} (before that: ${first.message})`, {
    ...{ sqlstate, retryable, cause },
    ...(detail === undefined ? {} : { detail }),
    ...(hint === undefined ? (first.hint === undefined ? {} : { hint: first.hint }) : { hint }),
  })
}

/** The TLS handshake with a node failed. */
const NO_TLS = 'WEIR_NODE_TLS'

/** What a handshake is begun with. */
export function handshakeOptions(tls: NodeTls): ConnectionOptions {
  return { ...tls.options(), ALPNProtocols: [PROTOCOL] }
}

/**
 * A handshake without a request for it may have ended at a server of another kind.
 * @throws WeirError
 */
export function checkProtocol(node: string, tls: NodeTls, spoken: string | undefined): void {
  if (!tls.direct || spoken === PROTOCOL) return
  throw tlsError(node, tls.mode, new Error('it did not agree to speak postgresql (ALPN)'), {
    hint: 'Set tls.nodesNegotiation to postgres: direct TLS needs PostgreSQL 17 or later.',
  })
}

/** The error of a handshake, with node, mode, what failed and what to do. */
export function tlsTrouble(node: string, tls: Pick<NodeTls, 'mode' | 'direct'>, error: unknown) {
  const code = codeOf(error)
  const hint = HINTS.find(([codes]) => codes.test(code))?.[1]
  const direct = tls.direct ? DIRECT_HINT : undefined
  return tlsError(node, tls.mode, error, { hint: hint ?? direct })
}

function tlsError(
  node: string,
  mode: NodeTlsMode,
  cause: unknown,
  { hint }: { hint: string | undefined },
): WeirError {
  return new WeirError(NO_TLS, `TLS to ${node} (${mode}) failed: ${messageOf(cause)}`, {
    sqlstate: '08006',
    cause,
    ...(hint === undefined ? {} : { hint }),
  })
}

const DIRECT_HINT = 'If the node is older than PostgreSQL 17, set tls.nodesNegotiation to postgres.'

/** By the codes of Node.js, which are OpenSSL's own for what is wrong with a certificate. */
const HINTS: readonly (readonly [RegExp, string])[] = [
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    'Set tls.serverName of the node to a name in its certificate, or give it a certificate with that name; verify-ca does not look at names.',
  ],
  [
    /SELF_SIGNED|^UNABLE_TO_(GET_ISSUER|VERIFY_LEAF)|^CERT_UNTRUSTED$|^INVALID_CA$/,
    'Name the certificate of the authority that signed it in tls.nodesCaFile.',
  ],
  [/^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/, 'Give the node a certificate that is valid now.'],
  [/CRL/, 'tls.nodesCrlFile needs a list of each authority in the chain that is not out of date.'],
  [/^CERT_REVOKED$/, 'Its authority has revoked it: give the node another certificate.'],
  [
    /CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_(UNKNOWN|EXPIRED|REVOKED)/,
    'The node wants a certificate of ours that it can verify: tls.nodesCertFile and tls.nodesKeyFile.',
  ],
]

function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : ''
}
