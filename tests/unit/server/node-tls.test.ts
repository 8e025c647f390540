/** Which ways to a node are tried, and what is said when none leads in. */
import { describe, expect, it } from 'vitest'
import { WeirError } from '../../../src/core/errors.ts'
import { bothWays, checkProtocol, tlsTrouble, waysOf } from '../../../src/server/node-tls.ts'
import { nodeTls } from '../../support/node-tls.ts'

it.each([
  ['disable', ['disable']],
  ['allow', ['disable', 'require']],
  ['prefer', ['prefer', 'disable']],
  ['require', ['require']],
  ['verify-ca', ['require']],
  ['verify-full', ['require']],
] as const)('mode %s tries %j, as libpq does', (mode, ways) => {
  expect(waysOf({ mode })).toEqual(ways)
})

describe('the error of a handshake', () => {
  it.each([
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls.serverName'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls.nodesCaFile'],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'tls.nodesCaFile'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls.nodesCaFile'],
    ['CERT_HAS_EXPIRED', 'valid now'],
    ['CRL_HAS_EXPIRED', 'tls.nodesCrlFile'],
    ['UNABLE_TO_GET_CRL', 'tls.nodesCrlFile'],
    ['CERT_REVOKED', 'another certificate'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'tls.nodesCertFile'],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'tls.nodesCertFile'],
  ])('%s names node and mode, and what to do', (code, hint) => {
    const cause = Object.assign(new Error('what OpenSSL said'), { code })
    const error = tlsTrouble('db-1', nodeTls('verify-full'), cause)
    expect(error.message).toBe('TLS to db-1 (verify-full) failed: what OpenSSL said')
    expect(error.hint).toContain(hint)
    expect(error.cause).toBe(cause)
  })

  it('says of direct TLS what else may be wrong with it', () => {
    const direct = { ...nodeTls('require'), direct: true }
    const error = tlsTrouble('db-1', direct, new Error('peer left during the TLS handshake'))
    expect(error.hint).toContain('tls.nodesNegotiation to postgres')
  })
})

it('a direct handshake with who does not speak of postgresql is refused', () => {
  const direct = { ...nodeTls('require'), direct: true }
  expect(() => checkProtocol('db-1', direct, undefined)).toThrow(
    'did not agree to speak postgresql',
  )
  expect(() => checkProtocol('db-1', direct, 'h2')).toThrow('did not agree')
  checkProtocol('db-1', direct, 'postgresql')
  // Servers before PostgreSQL 17 say nothing where TLS was asked for.
  checkProtocol('db-1', nodeTls('require'), undefined)
})

it('when both ways failed both are told, and what to do about the first', () => {
  const first = new WeirError('WEIR_NODE_TLS', 'TLS to db-1 failed', { hint: 'Do this.' })
  const second = new WeirError('WEIR_OPEN_REFUSED', 'no entry', { sqlstate: '28000' })
  expect(bothWays(first, second)).toMatchObject({
    code: 'WEIR_OPEN_REFUSED',
    sqlstate: '28000',
    message: 'no entry (before that: TLS to db-1 failed)',
    hint: 'Do this.',
  })
  expect(bothWays(undefined, second)).toBe(second)
})
