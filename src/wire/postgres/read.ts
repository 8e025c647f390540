/**
 * Readers of the few messages a proxy must understand; everything else passes by unread. A `body`
 * is a whole frame without its five header bytes. Rule: lengths are checked before a field is
 * read, no read goes past the body's end, bytes left over are an error, and `ProtocolError` is
 * the only thing thrown. Buffers returned are views into the body: copy what you keep.
 */
import { AUTH, SECRET_MAX, SECRET_MIN } from './codes.ts'
import {
  CODE_LETTER,
  type ErrorFields,
  MESSAGE_LETTER,
  OPTIONAL_FIELDS,
  type OptionalField,
  PLAIN_SEVERITY_LETTER,
  SEVERITIES,
  SEVERITY_LETTER,
  type Severity,
} from './error-fields.ts'
import { ProtocolError } from './protocol-error.ts'
import { decode } from './text.ts'

export type Authentication =
  | { kind: 'ok' }
  | { kind: 'cleartext' }
  | { kind: 'md5'; salt: Buffer }
  | { kind: 'sasl'; mechanisms: string[] }
  | { kind: 'sasl-continue'; data: Buffer }
  | { kind: 'sasl-final'; data: Buffer }
  | { kind: 'unsupported'; code: number }

const FIELD_NAMES: ReadonlyMap<number, OptionalField> = new Map(
  OPTIONAL_FIELDS.map(([name, letter]) => [letter, name]),
)
const NO_SQLSTATE = 'XX000'
const KIND_STATEMENT = 0x53 // S
const KIND_PORTAL = 0x50 // P

/** Offset of the NUL that ends the string starting at `offset`. */
export function endOfCString(buf: Buffer, offset: number, end: number): number {
  const nul = offset < end ? buf.indexOf(0, offset) : -1
  if (nul < 0 || nul >= end) throw new ProtocolError('invalid string in message')
  return nul
}

/** The NUL-terminated string at `offset`; its NUL must come before `end`. */
export function readCString(buf: Buffer, offset: number, end: number): string {
  return decode(buf, offset, endOfCString(buf, offset, end))
}

/** Of ErrorResponse and NoticeResponse; unknown fields are skipped. */
export function readErrorFields(body: Buffer): ErrorFields {
  const fields: ErrorFields = { severity: 'ERROR', code: NO_SQLSTATE, message: '' }
  let severity: string | undefined
  let at = 0
  for (;;) {
    const letter = byteAt(body, at)
    if (letter === 0) break
    const nul = endOfCString(body, at + 1, body.length)
    const value = decode(body, at + 1, nul)
    at = nul + 1
    switch (letter) {
      case PLAIN_SEVERITY_LETTER:
        severity = value
        break
      case SEVERITY_LETTER:
        severity ??= value
        break
      case CODE_LETTER:
        fields.code = value
        break
      case MESSAGE_LETTER:
        fields.message = value
        break
      default: {
        const name = FIELD_NAMES.get(letter)
        if (name !== undefined) fields[name] = value
      }
    }
  }
  exactEnd(body, at + 1)
  if (isSeverity(severity)) fields.severity = severity
  return fields
}

/** The SQLSTATE of an ErrorResponse, without reading the rest; XX000 if it has none. */
export function sqlstateOf(body: Buffer): string {
  let at = 0
  for (;;) {
    const letter = byteAt(body, at)
    if (letter === 0) return NO_SQLSTATE
    const nul = endOfCString(body, at + 1, body.length)
    if (letter === CODE_LETTER) return decode(body, at + 1, nul)
    at = nul + 1
  }
}

export function readParameterStatus(body: Buffer): { name: string; value: string } {
  const nameEnd = endOfCString(body, 0, body.length)
  const valueEnd = endOfCString(body, nameEnd + 1, body.length)
  exactEnd(body, valueEnd + 1)
  return { name: decode(body, 0, nameEnd), value: decode(body, nameEnd + 1, valueEnd) }
}

/** `pid` is a signed 32 bit number, `secret` 4 to 256 bytes. */
export function readBackendKeyData(body: Buffer): { pid: number; secret: Buffer } {
  if (body.length < 4 + SECRET_MIN || body.length > 4 + SECRET_MAX) throw badLength()
  return { pid: body.readInt32BE(0), secret: body.subarray(4) }
}

/** What the server asks for; kerberos, GSS and SSPI come back as `unsupported`. */
export function readAuthentication(body: Buffer): Authentication {
  const code = int32At(body, 0)
  switch (code) {
    case AUTH.OK:
      exactEnd(body, 4)
      return { kind: 'ok' }
    case AUTH.CLEARTEXT:
      exactEnd(body, 4)
      return { kind: 'cleartext' }
    case AUTH.MD5:
      exactEnd(body, 8)
      return { kind: 'md5', salt: body.subarray(4) }
    case AUTH.SASL:
      return { kind: 'sasl', mechanisms: readMechanisms(body) }
    case AUTH.SASL_CONTINUE:
      return { kind: 'sasl-continue', data: body.subarray(4) }
    case AUTH.SASL_FINAL:
      return { kind: 'sasl-final', data: body.subarray(4) }
    default:
      return { kind: 'unsupported', code }
  }
}

/** `unsupported` are the `_pq_.` options the server does not know. */
export function readNegotiateProtocolVersion(body: Buffer): {
  minor: number
  unsupported: string[]
} {
  const version = int32At(body, 0)
  const major = version >>> 16
  // The manual says a minor number alone, PostgreSQL sends the whole version: take both.
  if (major !== 0 && major !== 3) throw new ProtocolError('invalid protocol version in message')
  const count = int32At(body, 4)
  const unsupported: string[] = []
  let at = 8
  for (let i = 0; i < count; i++) {
    const nul = endOfCString(body, at, body.length)
    unsupported.push(decode(body, at, nul))
    at = nul + 1
  }
  exactEnd(body, at)
  return { minor: version & 0xffff, unsupported }
}

/** The tag of CommandComplete, such as `INSERT 0 1`. */
export function readCommandTag(body: Buffer): string {
  return soleCString(body)
}

/** The values of a DataRow, as text; null for NULL. */
export function readDataRow(body: Buffer): (string | null)[] {
  if (body.length < 2) throw new ProtocolError('insufficient data left in message')
  const values: (string | null)[] = []
  let at = 2
  for (let n = body.readUInt16BE(0); n > 0; n--) {
    if (at + 4 > body.length) throw new ProtocolError('insufficient data left in message')
    const length = body.readInt32BE(at)
    at += 4
    if (length < 0) {
      values.push(null)
      continue
    }
    if (at + length > body.length) throw new ProtocolError('insufficient data left in message')
    values.push(decode(body, at, at + length))
    at += length
  }
  exactEnd(body, at)
  return values
}

/** The text of Query, without its NUL. */
export function readQuery(body: Buffer): Buffer {
  const nul = endOfCString(body, 0, body.length)
  exactEnd(body, nul + 1)
  return body.subarray(0, nul)
}

/** The text of PasswordMessage. */
export function readPassword(body: Buffer): string {
  return soleCString(body)
}

/** `data` is null when the client sent no initial response at all (length -1). */
export function readSaslInitialResponse(body: Buffer): { mechanism: string; data: Buffer | null } {
  const nul = endOfCString(body, 0, body.length)
  const mechanism = decode(body, 0, nul)
  const length = int32At(body, nul + 1)
  const at = nul + 5
  exactEnd(body, at + Math.max(0, length))
  return { mechanism, data: length < 0 ? null : body.subarray(at) }
}

/** `text` is without its NUL; `types` is the rest, count included, as `parse` takes it. */
export function readParse(body: Buffer): { name: string; text: Buffer; types: Buffer } {
  const nameEnd = endOfCString(body, 0, body.length)
  const textEnd = endOfCString(body, nameEnd + 1, body.length)
  const types = body.subarray(textEnd + 1)
  if (types.length < 2 || types.length !== 2 + 4 * types.readUInt16BE(0)) throw badLength()
  return { name: decode(body, 0, nameEnd), text: body.subarray(nameEnd + 1, textEnd), types }
}

/** The names of Bind; its parameters start at `rest` and are nobody's business here. */
export function readBindNames(body: Buffer): { portal: string; statement: string; rest: number } {
  const portalEnd = endOfCString(body, 0, body.length)
  const statementEnd = endOfCString(body, portalEnd + 1, body.length)
  return {
    portal: decode(body, 0, portalEnd),
    statement: decode(body, portalEnd + 1, statementEnd),
    rest: statementEnd + 1,
  }
}

/** What Describe or Close is about: a prepared statement or a portal. */
export function readTarget(body: Buffer): { kind: 'S' | 'P'; name: string } {
  const kind = byteAt(body, 0)
  if (kind !== KIND_STATEMENT && kind !== KIND_PORTAL) {
    throw new ProtocolError(`invalid message subtype ${kind}`)
  }
  const nul = endOfCString(body, 1, body.length)
  exactEnd(body, nul + 1)
  return { kind: kind === KIND_STATEMENT ? 'S' : 'P', name: decode(body, 1, nul) }
}

/** `maxRows` of 0 or less means all. */
export function readExecute(body: Buffer): { portal: string; maxRows: number } {
  const nul = endOfCString(body, 0, body.length)
  exactEnd(body, nul + 5)
  return { portal: decode(body, 0, nul), maxRows: body.readInt32BE(nul + 1) }
}

function readMechanisms(body: Buffer): string[] {
  const mechanisms: string[] = []
  let at = 4
  while (byteAt(body, at) !== 0) {
    const nul = endOfCString(body, at, body.length)
    mechanisms.push(decode(body, at, nul))
    at = nul + 1
  }
  exactEnd(body, at + 1)
  return mechanisms
}

function soleCString(body: Buffer): string {
  const nul = endOfCString(body, 0, body.length)
  exactEnd(body, nul + 1)
  return decode(body, 0, nul)
}

function byteAt(body: Buffer, at: number): number {
  if (at >= body.length) throw shortMessage()
  return body[at]!
}

function int32At(body: Buffer, at: number): number {
  if (at + 4 > body.length) throw shortMessage()
  return body.readInt32BE(at)
}

function exactEnd(body: Buffer, end: number): void {
  if (body.length !== end) throw badLength()
}

function badLength(): ProtocolError {
  return new ProtocolError('invalid message format')
}

function shortMessage(): ProtocolError {
  return new ProtocolError('insufficient data left in message')
}

function isSeverity(text: string | undefined): text is Severity {
  return (SEVERITIES as readonly (string | undefined)[]).includes(text)
}
