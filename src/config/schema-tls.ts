/** Settings of encryption, on both sides. Rule: files are named, never written out here. */
import { oneOf, section, text } from './setting.ts'

export const tls = section(
  {
    mode: oneOf(['off', 'allowed', 'required'], {
      description: 'TLS between clients and Weir.',
      aws: 'RequireTLS (required when true)',
      example: 'required',
    }).prefault('off'),
    certFile: text('the name of a PEM file', {
      description: 'Certificate chain shown to clients, relative to this file.',
      aws: 'a certificate of ACM, not to be chosen',
      example: 'weir.crt',
    }).optional(),
    keyFile: text('the name of a PEM file', {
      description: 'Private key of certFile.',
      example: 'weir.key',
    }).optional(),
    nodes: oneOf(['disable', 'prefer', 'require', 'verify-ca', 'verify-full'], {
      description: 'TLS between Weir and the nodes, with the meanings of sslmode in libpq.',
      example: 'verify-full',
    }).prefault('prefer'),
    nodesCaFile: text('the name of a PEM file', {
      description: 'Certificates that may vouch for a node under verify-ca and verify-full.',
      example: 'rds-ca.pem',
      otherwise: 'the certificates Node.js trusts',
    }).optional(),
  },
  { description: 'Encryption on both sides.', example: 'mode: allowed' },
)
