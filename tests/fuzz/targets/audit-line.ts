/**
 * Audit lines of what strangers sent as names. Rule: each event is one line of printable JSON that says
 * what was told, cut at a bound; nothing in it can look like another line or move a terminal.
 */
import { lineOf } from '../../../src/audit/line.ts'
import type { AuditEvent } from '../../../src/core/audit.ts'
import type { Target } from '../../support/fuzz.ts'
import type { Draw } from '../../support/fuzz-draw.ts'

interface Case {
  event: AuditEvent
  statements: 'off' | 'digest' | 'text'
}

const SHARDS = [
  '\n',
  '\r\n',
  '\u001b[2J',
  '\u0000',
  '\u0085',
  '\u2028',
  '\u2029',
  '"',
  '\\',
  '","event":"login',
  '\ud800',
  '\u202e',
  '\u007f',
  '\u009b',
]

function make(draw: Draw): Case {
  const text = () =>
    draw.maybe(4) ? 'x'.repeat(draw.pick([2_000, 100_000])) : draw.text(6, SHARDS)
  const source = { address: draw.pick(['10.0.0.1', '::1', undefined]), port: 1 }
  const common = { endpoint: text(), source }
  return {
    statements: draw.pick(['off', 'digest', 'text']),
    event: draw.way<AuditEvent>(
      [
        3,
        () => ({
          ...{ kind: 'login', outcome: draw.pick(['accepted', 'refused']), ...common },
          ...{ user: text(), database: text(), message: text(), reason: 'auth-failed' },
          tls: { version: 'TLSv1.3', cipher: 'x', certificate: text() },
          proof: { method: 'iam', tokenKey: text() },
        }),
      ],
      [
        1,
        () => ({
          kind: 'logout',
          session: 1,
          ...common,
          user: text(),
          database: text(),
          reason: 'x',
        }),
      ],
      [
        1,
        () => ({
          kind: 'pin',
          session: 1,
          ...common,
          user: text(),
          database: text(),
          reason: 'x',
          statement: `SECRET ${text()}`,
        }),
      ],
      [1, () => ({ kind: 'cancel', outcome: 'ignored', ...common, pid: 7 })],
      [
        1,
        () => ({
          kind: 'command',
          outcome: 'refused',
          command: text(),
          source,
          user: text(),
          order: { node: text() },
          answer: text(),
        }),
      ],
      [1, () => ({ kind: 'change', what: 'secrets', outcome: 'done', detail: text() })],
    ),
  }
}

function check({ event, statements }: Case): string {
  const line = lineOf({ event, at: 0, worker: 1 }, statements)
  if (!line.endsWith('}\n')) throw new Error('no line')
  const inside = line.slice(0, -1)
  const odd = /[^\x20-\x7e]/.exec(
    inside.replace(/[\u00a0-\ud7ff\ue000-\uffff]|[\ud800-\udbff][\udc00-\udfff]/g, ''),
  )
  if (odd !== null) throw new Error(`character ${odd[0].charCodeAt(0)} stands in a line`)
  if (/[\u2028\u2029\u202a-\u202e\u2066-\u2069\u0080-\u009f]/.test(inside))
    throw new Error('an odd character')
  if (inside.length > 30_000) throw new Error(`a line of ${inside.length}`)
  const read = JSON.parse(inside) as Record<string, unknown>
  if (read.event !== event.kind) throw new Error('another event')
  if (statements !== 'text' && inside.includes('SECRET')) throw new Error('a statement is told')
  if (
    event.kind === 'login' &&
    event.user !== undefined &&
    event.user.length < 1_000 &&
    read.user !== event.user
  ) {
    throw new Error(`another user: ${JSON.stringify(read.user)}`)
  }
  return event.kind
}

export const auditLine: Target<Case> = {
  name: 'audit-line',
  promise: 'an event is one line, whatever a stranger calls himself',
  runs: 5_000,
  make,
  check,
}
