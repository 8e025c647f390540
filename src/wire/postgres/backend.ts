/**
 * Messages servers send, one builder each; every builder returns a whole message. Rule: nothing
 * here is ever sent to a server. Messages without content are shared buffers: never write into
 * what a builder returned.
 */
import { AUTH, BACKEND, HEADER, PROTOCOL_3_0, SECRET_MAX, SECRET_MIN } from './codes.ts'
import { cstringLength, emptyFrame, frame, putCString, stringsFrame } from './compose.ts'
import {
  CODE_LETTER,
  type ErrorFields,
  MESSAGE_LETTER,
  OPTIONAL_FIELDS,
  PLAIN_SEVERITY_LETTER,
  SEVERITY_LETTER,
} from './error-fields.ts'
import { byteLength, encodeInto } from './text.ts'

export type TransactionStatus = 'I' | 'T' | 'E'

/** A column of a result made by ourselves; always in text format. */
export interface Column {
  name: string
  /** Default 25, text. */
  typeOid?: number
}

const TEXT_OID = 25
/** pg_type.typlen of the fixed-length types a console may show; -1 means variable length. */
const TYPE_LENGTHS: ReadonlyMap<number, number> = new Map([
  [16, 1], // bool
  [20, 8], // int8
  [21, 2], // int2
  [23, 4], // int4
  [26, 4], // oid
  [700, 4], // float4
  [701, 8], // float8
  [1184, 8], // timestamptz
])

const AUTHENTICATION_OK = authentication(AUTH.OK)
const AUTHENTICATION_CLEARTEXT = authentication(AUTH.CLEARTEXT)
const READY = { I: ready('I'), T: ready('T'), E: ready('E') }
const PARSE_COMPLETE = emptyFrame(BACKEND.PARSE_COMPLETE)
const BIND_COMPLETE = emptyFrame(BACKEND.BIND_COMPLETE)
const CLOSE_COMPLETE = emptyFrame(BACKEND.CLOSE_COMPLETE)
const EMPTY_QUERY = emptyFrame(BACKEND.EMPTY_QUERY_RESPONSE)
const NO_DATA = emptyFrame(BACKEND.NO_DATA)

export function authenticationOk(): Buffer {
  return AUTHENTICATION_OK
}

export function authenticationCleartext(): Buffer {
  return AUTHENTICATION_CLEARTEXT
}

/** @param salt 4 bytes */
export function authenticationMd5(salt: Buffer): Buffer {
  if (salt.length !== 4) throw new Error(`BUG: an md5 salt of ${salt.length} bytes`)
  return authentication(AUTH.MD5, salt)
}

/** @param mechanisms most wanted first */
export function authenticationSasl(mechanisms: readonly string[]): Buffer {
  let length = 4 + 1
  for (const name of mechanisms) length += cstringLength(name)
  const message = frame(BACKEND.AUTHENTICATION, length)
  let at = message.writeInt32BE(AUTH.SASL, HEADER)
  for (const name of mechanisms) at = putCString(message, at, name)
  message[at] = 0
  return message
}

export function authenticationSaslContinue(data: Buffer): Buffer {
  return authentication(AUTH.SASL_CONTINUE, data)
}

export function authenticationSaslFinal(data: Buffer): Buffer {
  return authentication(AUTH.SASL_FINAL, data)
}

export function parameterStatus(name: string, value: string): Buffer {
  return stringsFrame(BACKEND.PARAMETER_STATUS, name, value)
}

/**
 * @param pid a signed 32 bit number
 * @param secret 4 bytes for protocol 3.0, up to 256 for 3.2
 */
export function backendKeyData(pid: number, secret: Buffer): Buffer {
  if (secret.length < SECRET_MIN || secret.length > SECRET_MAX) {
    throw new Error(`BUG: a cancel secret of ${secret.length} bytes`)
  }
  const message = frame(BACKEND.BACKEND_KEY_DATA, 4 + secret.length)
  const at = message.writeInt32BE(pid, HEADER)
  message.set(secret, at)
  return message
}

/** @param status idle, in a transaction, in a failed transaction */
export function readyForQuery(status: TransactionStatus): Buffer {
  return READY[status]
}

export function errorResponse(fields: ErrorFields): Buffer {
  return report(BACKEND.ERROR_RESPONSE, fields)
}

export function noticeResponse(fields: ErrorFields): Buffer {
  return report(BACKEND.NOTICE_RESPONSE, fields)
}

/**
 * The server's newest 3.x and the `_pq_.` options it does not know. The manual speaks of a minor
 * number, but what PostgreSQL sends, and libpq expects, is the whole version number.
 */
export function negotiateProtocolVersion(minor: number, unsupported: readonly string[]): Buffer {
  let length = 8
  for (const name of unsupported) length += cstringLength(name)
  const message = frame(BACKEND.NEGOTIATE_PROTOCOL_VERSION, length)
  let at = message.writeInt32BE(PROTOCOL_3_0 | minor, HEADER)
  at = message.writeInt32BE(unsupported.length, at)
  for (const name of unsupported) at = putCString(message, at, name)
  return message
}

export function parseComplete(): Buffer {
  return PARSE_COMPLETE
}

export function bindComplete(): Buffer {
  return BIND_COMPLETE
}

export function closeComplete(): Buffer {
  return CLOSE_COMPLETE
}

/** @param tag such as `SELECT 1` */
export function commandComplete(tag: string): Buffer {
  return stringsFrame(BACKEND.COMMAND_COMPLETE, tag)
}

export function emptyQueryResponse(): Buffer {
  return EMPTY_QUERY
}

export function rowDescription(columns: readonly Column[]): Buffer {
  let length = 2
  for (const column of columns) length += cstringLength(column.name) + 18
  const message = frame(BACKEND.ROW_DESCRIPTION, length)
  let at = message.writeUInt16BE(columns.length, HEADER)
  for (const column of columns) {
    const oid = column.typeOid ?? TEXT_OID
    at = putCString(message, at, column.name)
    at = message.writeUInt32BE(0, at) // of no table
    at = message.writeInt16BE(0, at) // no attribute number
    at = message.writeUInt32BE(oid, at)
    at = message.writeInt16BE(TYPE_LENGTHS.get(oid) ?? -1, at)
    at = message.writeInt32BE(-1, at) // no type modifier
    at = message.writeInt16BE(0, at) // text format
  }
  return message
}

/** @param values in text format; null is SQL NULL */
export function dataRow(values: readonly (string | null)[]): Buffer {
  const lengths = values.map((value) => (value === null ? -1 : byteLength(value)))
  let length = 2
  for (const n of lengths) length += 4 + Math.max(0, n)
  const message = frame(BACKEND.DATA_ROW, length)
  let at = message.writeUInt16BE(values.length, HEADER)
  for (let i = 0; i < values.length; i++) {
    at = message.writeInt32BE(lengths[i]!, at)
    const value = values[i]
    if (typeof value === 'string') at = encodeInto(message, at, value)
  }
  return message
}

export function notificationResponse(pid: number, channel: string, payload: string): Buffer {
  const length = 4 + cstringLength(channel) + cstringLength(payload)
  const message = frame(BACKEND.NOTIFICATION_RESPONSE, length)
  let at = message.writeInt32BE(pid, HEADER)
  at = putCString(message, at, channel)
  putCString(message, at, payload)
  return message
}

export function noData(): Buffer {
  return NO_DATA
}

function authentication(code: number, data?: Buffer): Buffer {
  const message = frame(BACKEND.AUTHENTICATION, 4 + (data?.length ?? 0))
  const at = message.writeInt32BE(code, HEADER)
  if (data !== undefined) message.set(data, at)
  return message
}

function ready(status: TransactionStatus): Buffer {
  const message = frame(BACKEND.READY_FOR_QUERY, 1)
  message[HEADER] = status.charCodeAt(0)
  return message
}

function report(code: number, fields: ErrorFields): Buffer {
  const parts: (readonly [number, string])[] = [
    [SEVERITY_LETTER, fields.severity],
    [PLAIN_SEVERITY_LETTER, fields.severity],
    [CODE_LETTER, fields.code],
    [MESSAGE_LETTER, printable(fields.message)],
  ]
  for (const [name, letter] of OPTIONAL_FIELDS) {
    const value = fields[name]
    if (value !== undefined) parts.push([letter, printable(value)])
  }
  let length = 1
  for (const [, text] of parts) length += 1 + cstringLength(text)
  const message = frame(code, length)
  let at = HEADER
  for (const [letter, text] of parts) {
    message[at] = letter
    at = putCString(message, at + 1, text)
  }
  message[at] = 0
  return message
}

/** An error text may quote what a stranger sent; a NUL in it must not cost the error its delivery. */
function printable(text: string): string {
  return text.includes('\0') ? text.replaceAll('\0', ' ') : text
}
