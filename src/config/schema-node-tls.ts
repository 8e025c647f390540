/**
 * Settings of TLS towards the nodes: those for all of them, which stand in `tls`, and those of one
 * node, which stand in its `tls`. Rule: what a node does not say holds for it as for all.
 */
import { oneOf, section, text } from './setting.ts'

const MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
const NEGOTIATIONS = ['postgres', 'direct'] as const
const BINDINGS = ['disable', 'prefer', 'require'] as const

const PEM = 'the name of a PEM file'

/** Of section `tls`. */
export const nodesTls = {
  nodes: oneOf(MODES, {
    description:
      'TLS between Weir and the nodes, with the meanings of sslmode in libpq: allow and prefer take what they get, require encrypts, verify-ca also looks who signed the certificate, verify-full also whom it names.',
    example: 'verify-full',
  }).prefault('prefer'),
  nodesCaFile: text(PEM, {
    description:
      'Certificates that may vouch for a node under verify-ca and verify-full; with it, require means verify-ca, as in libpq. Read again when it changes, as the other files for nodes are.',
    example: 'rds-ca.pem',
    otherwise: 'the certificates Node.js trusts',
  }).optional(),
  nodesCertFile: text(PEM, {
    description:
      'Certificate shown to nodes that ask for one (pg_hba.conf: cert, clientcert). It stands for every user, so the node must map its name to them (pg_ident.conf).',
    example: 'weir-client.crt',
  }).optional(),
  nodesKeyFile: text(PEM, {
    description: 'Private key of nodesCertFile.',
    example: 'weir-client.key',
  }).optional(),
  nodesCrlFile: text(PEM, {
    description:
      'Revoked certificates of nodes; with it every authority of the chain needs a list that is not out of date.',
    example: 'nodes.crl',
  }).optional(),
  nodesNegotiation: oneOf(NEGOTIATIONS, {
    description:
      'postgres: TLS is asked for first. direct: a connection begins with its handshake, one round trip less; needs PostgreSQL 17 or later and require or stricter.',
    example: 'direct',
  }).prefault('postgres'),
  nodesChannelBinding: oneOf(BINDINGS, {
    description:
      'Whether logins by SCRAM are bound to the certificate of the node (SCRAM-SHA-256-PLUS). require: no other proof will do, so that nobody between can log in with it.',
    example: 'require',
  }).prefault('prefer'),
}

/** Of one node. */
export const nodeTls = section(
  {
    mode: oneOf(MODES, {
      description: 'In place of tls.nodes.',
      example: 'verify-full',
      otherwise: 'tls.nodes',
    }).optional(),
    caFile: text(PEM, {
      description: 'In place of tls.nodesCaFile.',
      example: 'node-1-ca.crt',
      otherwise: 'tls.nodesCaFile',
    }).optional(),
    certFile: text(PEM, {
      description: 'In place of tls.nodesCertFile.',
      example: 'weir-at-node-1.crt',
      otherwise: 'tls.nodesCertFile',
    }).optional(),
    keyFile: text(PEM, {
      description: 'Private key of certFile.',
      example: 'weir-at-node-1.key',
      otherwise: 'tls.nodesKeyFile',
    }).optional(),
    crlFile: text(PEM, {
      description: 'In place of tls.nodesCrlFile.',
      example: 'node-1.crl',
      otherwise: 'tls.nodesCrlFile',
    }).optional(),
    negotiation: oneOf(NEGOTIATIONS, {
      description: 'In place of tls.nodesNegotiation.',
      example: 'direct',
      otherwise: 'tls.nodesNegotiation',
    }).optional(),
    channelBinding: oneOf(BINDINGS, {
      description: 'In place of tls.nodesChannelBinding.',
      example: 'require',
      otherwise: 'tls.nodesChannelBinding',
    }).optional(),
    serverName: text('a host name or address', {
      description:
        'The name in the handshake, which the certificate must carry under verify-full, where it is not the one the node is reached by.',
      example: 'db1.internal',
      otherwise: 'host',
    }).optional(),
  },
  {
    description: 'TLS towards this node, where it differs from the others.',
    example: '{ mode: verify-full, caFile: node-1-ca.crt }',
  },
)
