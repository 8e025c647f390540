/** Audit lines: what is in them, and that nothing a stranger sends makes two of one. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { lineOf } from '../../../src/audit/line.ts'
import type { AuditEvent } from '../../../src/core/audit.ts'

const AT = Date.parse('2026-01-02T03:04:05.678Z')
const LOGIN: AuditEvent = {
  kind: 'login',
  outcome: 'accepted',
  session: 7,
  endpoint: 'writer',
  user: 'alice',
  database: 'app',
  source: { address: '10.0.0.5', port: 50_123 },
  tls: { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', certificate: 'CN=alice' },
  proof: { method: 'iam', tokenKey: 'AKIAEXAMPLE' },
}

describe('an audit line', () => {
  test('tells of a login who came from where, how it was proved and encrypted, and in which worker', () => {
    expect(lineOf({ event: LOGIN, at: AT, worker: 2 }, 'off')).toBe(
      '{"time":"2026-01-02T03:04:05.678Z","event":"login","worker":2,"outcome":"accepted","session":7,' +
        '"endpoint":"writer","user":"alice","database":"app","from":"10.0.0.5","port":50123,' +
        '"tls":"TLSv1.3","cipher":"TLS_AES_256_GCM_SHA384","certificate":"CN=alice",' +
        '"method":"iam","tokenKey":"AKIAEXAMPLE"}\n',
    )
  })

  test('calls a Unix socket local', () => {
    const line = lineOf({ event: { ...LOGIN, source: {} }, at: AT, worker: undefined }, 'off')
    expect(JSON.parse(line)).toMatchObject({ from: 'local' })
    expect(line).not.toContain('worker')
  })

  test('shows of a statement nothing, a hash or its text, as it is set', () => {
    const event: AuditEvent = {
      ...{ kind: 'pin', session: 1, endpoint: 'w', user: 'u', database: 'd', reason: 'temporary' },
      statement: 'create temp table t (a int)',
    }
    const shown = (statements: 'off' | 'digest' | 'text'): object =>
      JSON.parse(lineOf({ event, at: AT, worker: undefined }, statements))
    expect(JSON.stringify(shown('off'))).not.toContain('statement')
    expect(shown('digest')).toMatchObject({
      statementDigest: expect.stringMatching(/^[0-9a-f]{16}$/),
    })
    expect(JSON.stringify(shown('digest'))).not.toContain('create')
    expect(shown('text')).toMatchObject({ statement: event.statement })
  })

  test('is one line of a bounded length with nothing to obey in it, whatever the user is called', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 50 }), (name) => {
        const user = `${name}\n{"event":"login","outcome":"accepted"}\x1b[2J\u2028\x9b`
        const line = lineOf({ event: { ...LOGIN, user }, at: AT, worker: undefined }, 'off')
        const text = line.slice(0, -1)
        return (
          line.endsWith('\n') && !/[\p{Cc}\p{Zl}\p{Zp}\u202e]/u.test(text) && !!JSON.parse(text)
        )
      }),
    )
    const user = 'x'.repeat(9_000)
    const line = lineOf({ event: { ...LOGIN, user }, at: AT, worker: undefined }, 'off')
    expect(line.length).toBeLessThan(2_000)
    expect(JSON.parse(line).user).toMatch(/^x{1024}\.\.\. \(9000\)$/)
  })
})
