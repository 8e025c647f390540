/** Settings of encryption, on both sides. Rule: files are named, never written out here. */
import { z } from 'zod'
import { nodesTls } from './schema-node-tls.ts'
import { about, oneOf, section, text, texts } from './setting.ts'

const certificate = section(
  {
    serverNames: texts('a host name', {
      description:
        'Server names (SNI) for which this certificate is shown; a leading *. stands for one label.',
      example: '[db.example.com, "*.eu.example.com"]',
    }),
    certFile: text('the name of a PEM file', {
      description: 'Certificate chain, relative to this file.',
      example: 'eu.crt',
    }),
    keyFile: text('the name of a PEM file', {
      description: 'Private key of certFile.',
      example: 'eu.key',
    }),
  },
  {
    description: 'A certificate for some server names.',
    example: '{ serverNames: [eu.example.com], certFile: eu.crt, keyFile: eu.key }',
  },
)

const certificateUser = section(
  {
    name: text('a name in a certificate, with at most one *', {
      description:
        'A common name, or an alternative name of kind DNS, email or URI, compared whole. One * stands for one or more characters.',
      example: '"*@example.com"',
    }),
    user: text('a user name', {
      description:
        'User that such a certificate may log in as; * is what the * in name stands for. Left out: any user.',
      example: '"*"',
    }).optional(),
  },
  {
    description: 'Whose certificate may log in as whom.',
    example: '{ name: "*@example.com", user: "*" }',
  },
)

export const tls = section(
  {
    mode: oneOf(['off', 'allowed', 'required'], {
      description: 'TLS between clients and Weir.',
      aws: 'RequireTLS (required when true)',
      example: 'required',
    }).prefault('off'),
    minVersion: oneOf(['TLSv1.2', 'TLSv1.3'], {
      description: 'Oldest version of TLS that clients may use.',
      aws: 'TLS 1.2',
      example: 'TLSv1.3',
    }).prefault('TLSv1.2'),
    certFile: text('the name of a PEM file', {
      description:
        'Certificate chain shown to clients, relative to this file. It and its key are read again when they change.',
      aws: 'a certificate of ACM, not to be chosen',
      example: 'weir.crt',
    }).optional(),
    keyFile: text('the name of a PEM file', {
      description: 'Private key of certFile.',
      example: 'weir.key',
    }).optional(),
    certificates: z.array(certificate).prefault([]).register(about, {
      description:
        'More certificates, each for the server names (SNI) that clients ask for; certFile is shown for all others.',
      example: '[{ serverNames: [eu.example.com], certFile: eu.crt, keyFile: eu.key }]',
      type: 'list of { serverNames, certFile, keyFile }',
      want: 'a list such as [{ serverNames: [eu.example.com], certFile: eu.crt, keyFile: eu.key }]',
    }),
    clientCertificates: oneOf(['off', 'optional', 'required'], {
      description:
        'Whether clients are asked for a certificate. One that cannot be verified is refused in either case; with required there must be one, and its name must fit the user, beside the proof that auth.methods demands.',
      aws: 'none',
      example: 'required',
    }).prefault('off'),
    clientCaFile: text('the name of a PEM file', {
      description: 'Authorities that may vouch for client certificates.',
      example: 'client-ca.crt',
    }).optional(),
    clientCrlFile: text('the name of a PEM file', {
      description:
        'Revoked client certificates; with it every authority of the chain needs a list that is not out of date.',
      example: 'client-ca.crl',
    }).optional(),
    certificateUsers: z.array(certificateUser).prefault([]).register(about, {
      description:
        'Which users a client certificate may log in as. Without this list the common name must be the user.',
      example: '[{ name: "*@example.com", user: "*" }]',
      type: 'list of { name, user }',
      want: 'a list such as [{ name: "*@example.com", user: "*" }]',
    }),
    ...nodesTls,
  },
  { description: 'Encryption on both sides.', example: 'mode: allowed' },
)
