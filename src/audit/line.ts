/**
 * One audit event as one line of JSON. Rule: a line is one line whatever a stranger sent, no text in
 * it is longer than a bound, and of a statement it shows what `audit.statements` allows.
 */
import { createHash } from 'node:crypto'
import type { AuditEvent, AuditSource, AuditTls, LoginProof } from '../core/audit.ts'
import { plainJson } from '../core/printable.ts'

/** `digest`: a hash of the statement; `text`: its text, without values. */
export type Statements = 'off' | 'digest' | 'text'

/** Where and when an event happened. */
export interface Told {
  readonly event: AuditEvent
  /** Wall-clock milliseconds. */
  readonly at: number
  /** Number of the worker; undefined: the process that writes. */
  readonly worker: number | undefined
}

/** User names, messages and the rest are cut here. */
const LONGEST_TEXT = 1_024

/** With a line feed at its end. */
export function lineOf({ event, at, worker }: Told, statements: Statements): string {
  const { kind, ...rest } = event
  const line = {
    time: new Date(at).toISOString(),
    event: kind,
    ...(worker === undefined ? {} : { worker }),
    ...flat(rest, statements),
  }
  return `${plainJson(JSON.stringify(line, cut))}\n`
}

function flat(event: object, statements: Statements): Record<string, unknown> {
  const fields: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(event)) {
    if (name === 'source') Object.assign(fields, sourceFields(value as AuditSource))
    else if (name === 'tls') Object.assign(fields, tlsFields(value as AuditTls | undefined))
    else if (name === 'proof') Object.assign(fields, proofFields(value as LoginProof | undefined))
    else if (name === 'statement') Object.assign(fields, shown(value as string, statements))
    else fields[name] = value
  }
  return fields
}

function sourceFields({ address, port }: AuditSource): object {
  return address === undefined ? { from: 'local' } : { from: address, port }
}

function tlsFields(tls: AuditTls | undefined): object {
  if (tls === undefined) return {}
  return { tls: tls.version ?? 'yes', cipher: tls.cipher, certificate: tls.certificate }
}

function proofFields(proof: LoginProof | undefined): object {
  return proof === undefined ? {} : { method: proof.method, tokenKey: proof.tokenKey }
}

function shown(statement: string | undefined, statements: Statements): object {
  if (statement === undefined || statements === 'off') return {}
  if (statements === 'text') return { statement }
  const digest = createHash('sha256').update(statement).digest('hex').slice(0, 16)
  return { statementDigest: digest }
}

function cut(_: string, value: unknown): unknown {
  if (typeof value !== 'string' || value.length <= LONGEST_TEXT) return value
  return `${value.slice(0, LONGEST_TEXT)}... (${value.length})`
}
