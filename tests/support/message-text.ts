/**
 * Protocol messages as one line of text each, both ways: what transcripts are written in and what a
 * failed comparison prints. Rule: text to bytes to text is the identity for every message it knows,
 * and bytes it does not know are printed as `Bytes <hex>` instead of being guessed at.
 *
 *   Parse "s1" "select $1" [23]      DataRow ["1", null]      ErrorResponse ERROR 26000 "no such"
 */
import * as backend from '../../src/wire/postgres/backend.ts'
import { BACKEND, FRONTEND, HEADER } from '../../src/wire/postgres/codes.ts'
import type { Severity } from '../../src/wire/postgres/error-fields.ts'
import * as frontend from '../../src/wire/postgres/frontend.ts'
import * as read from '../../src/wire/postgres/read.ts'
import { decode, encodeInto } from '../../src/wire/postgres/text.ts'

type Word = string | number | (string | number | null)[]

const TOKEN = /"(?:[^"\\]|\\.)*"|\[(?:"(?:[^"\\]|\\.)*"|[^\]"])*\]|\S+/g
const EMPTY_FRONTEND = new Map<number, string>([
  [FRONTEND.SYNC, 'Sync'],
  [FRONTEND.FLUSH, 'Flush'],
  [FRONTEND.TERMINATE, 'Terminate'],
  [FRONTEND.COPY_DONE, 'CopyDone'],
])
const EMPTY_BACKEND = new Map<number, string>([
  [BACKEND.PARSE_COMPLETE, 'ParseComplete'],
  [BACKEND.BIND_COMPLETE, 'BindComplete'],
  [BACKEND.CLOSE_COMPLETE, 'CloseComplete'],
  [BACKEND.NO_DATA, 'NoData'],
  [BACKEND.PORTAL_SUSPENDED, 'PortalSuspended'],
  [BACKEND.EMPTY_QUERY_RESPONSE, 'EmptyQueryResponse'],
  [BACKEND.COPY_DONE, 'CopyDone'],
])

/** Bytes of a message a client sends. */
export function frontendBytes(line: string): Buffer {
  const [name, ...a] = words(line)
  const text = (i: number): string => asText(a[i], line)
  const plain = codeOf(EMPTY_FRONTEND, name)
  if (plain !== undefined) return frame(plain, Buffer.alloc(0))
  switch (name) {
    case 'Query':
      return frontend.query(text(0))
    case 'Parse':
      return frontend.parse(text(0), text(1), (a[2] as number[]) ?? [])
    case 'Bind':
      return bind(text(0), text(1), (a[2] as (string | null)[]) ?? [])
    case 'Describe':
      return frontend.describe(text(0) as 'S' | 'P', text(1))
    case 'Close':
      return frontend.close(text(0) as 'S' | 'P', text(1))
    case 'Execute':
      return frontend.execute(text(0), Number(a[1] ?? 0))
    case 'CopyData':
      return frontend.copyData(bytesOf(text(0)))
    case 'CopyFail':
      return frontend.copyFail(text(0))
    case 'FunctionCall':
      return functionCall(Number(a[0]), (a[1] as string[]) ?? [])
    case 'Bytes':
      return Buffer.from(a.join(''), 'hex')
    default:
      throw new Error(`no message of a client is called so: ${line}`)
  }
}

/** Bytes of a message a server sends. */
export function backendBytes(line: string): Buffer {
  const [name, ...a] = words(line)
  const text = (i: number): string => asText(a[i], line)
  const plain = codeOf(EMPTY_BACKEND, name)
  if (plain !== undefined) return frame(plain, Buffer.alloc(0))
  switch (name) {
    case 'RowDescription':
      return backend.rowDescription((a[0] as string[]).map((column) => ({ name: column })))
    case 'DataRow':
      return backend.dataRow(a[0] as (string | null)[])
    case 'CommandComplete':
      return backend.commandComplete(text(0))
    case 'ReadyForQuery':
      return backend.readyForQuery(text(0) as 'I' | 'T' | 'E')
    case 'ErrorResponse':
    case 'NoticeResponse': {
      const build = name === 'ErrorResponse' ? backend.errorResponse : backend.noticeResponse
      return build({ severity: text(0) as Severity, code: String(a[1]), message: text(2) })
    }
    case 'NotificationResponse':
      return backend.notificationResponse(Number(a[0]), text(1), text(2))
    case 'ParameterStatus':
      return backend.parameterStatus(text(0), text(1))
    case 'ParameterDescription':
      return frame(BACKEND.PARAMETER_DESCRIPTION, oids(a[0] as number[]))
    case 'CopyInResponse':
      return frame(BACKEND.COPY_IN_RESPONSE, Buffer.from([0, 0, 0]))
    case 'CopyOutResponse':
      return frame(BACKEND.COPY_OUT_RESPONSE, Buffer.from([0, 0, 0]))
    case 'CopyBothResponse':
      return frame(BACKEND.COPY_BOTH_RESPONSE, Buffer.from([0, 0, 0]))
    case 'CopyData':
      return frame(BACKEND.COPY_DATA, bytesOf(text(0)))
    case 'FunctionCallResponse':
      return frame(BACKEND.FUNCTION_CALL_RESPONSE, value(text(0)))
    case 'Bytes':
      return Buffer.from(a.join(''), 'hex')
    default:
      throw new Error(`no message of a server is called so: ${line}`)
  }
}

/** The whole messages at the start of `bytes` as lines, and what is left behind them. */
export function asLines(
  bytes: Buffer,
  from: 'client' | 'server',
): { lines: string[]; rest: Buffer } {
  const lines: string[] = []
  let at = 0
  while (bytes.length - at >= HEADER) {
    const total = bytes.readUInt32BE(at + 1) + 1
    if (total < HEADER || bytes.length - at < total) break
    const message = bytes.subarray(at, at + total)
    lines.push(line(message, from))
    at += total
  }
  return { lines, rest: bytes.subarray(at) }
}

function line(message: Buffer, from: 'client' | 'server'): string {
  const [describeIt, build] =
    from === 'client' ? [frontendLine, frontendBytes] : [backendLine, backendBytes]
  try {
    const text = describeIt(message[0]!, message.subarray(HEADER))
    if (text !== undefined && (from === 'server' || build(text).equals(message))) return text
  } catch {
    // Not what it seemed to be: hexadecimal then.
  }
  return `Bytes ${message.toString('hex')}`
}

function frontendLine(type: number, body: Buffer): string | undefined {
  const plain = EMPTY_FRONTEND.get(type)
  if (plain !== undefined) return plain
  switch (type) {
    case FRONTEND.QUERY:
      return `Query ${quote(textOf(read.readQuery(body)))}`
    case FRONTEND.PARSE: {
      const { name, text, types } = read.readParse(body)
      const list: number[] = []
      for (let i = 2; i < types.length; i += 4) list.push(types.readUInt32BE(i))
      return `Parse ${quote(name)} ${quote(textOf(text))} ${quote(list)}`
    }
    case FRONTEND.BIND: {
      const { portal, statement, rest } = read.readBindNames(body)
      return `Bind ${quote(portal)} ${quote(statement)} ${quote(values(body, rest + 2))}`
    }
    case FRONTEND.DESCRIBE:
    case FRONTEND.CLOSE: {
      const { kind, name } = read.readTarget(body)
      return `${type === FRONTEND.CLOSE ? 'Close' : 'Describe'} ${kind} ${quote(name)}`
    }
    case FRONTEND.EXECUTE: {
      const { portal, maxRows } = read.readExecute(body)
      return `Execute ${quote(portal)} ${maxRows}`
    }
    case FRONTEND.COPY_DATA:
      return `CopyData ${quote(textOf(body))}`
    case FRONTEND.COPY_FAIL:
      return `CopyFail ${quote(read.readCommandTag(body))}`
    case FRONTEND.FUNCTION_CALL:
      return `FunctionCall ${body.readUInt32BE(0)} ${quote(values(body, 6))}`
    default:
      return undefined
  }
}

function backendLine(type: number, body: Buffer): string | undefined {
  const plain = EMPTY_BACKEND.get(type)
  if (plain !== undefined) return plain
  switch (type) {
    case BACKEND.ROW_DESCRIPTION:
      return `RowDescription ${quote(columns(body))}`
    case BACKEND.DATA_ROW:
      return `DataRow ${quote(values(body, 0))}`
    case BACKEND.COMMAND_COMPLETE:
      return `CommandComplete ${quote(read.readCommandTag(body))}`
    case BACKEND.READY_FOR_QUERY:
      return `ReadyForQuery ${String.fromCharCode(body[0]!)}`
    case BACKEND.ERROR_RESPONSE:
    case BACKEND.NOTICE_RESPONSE: {
      const name = type === BACKEND.ERROR_RESPONSE ? 'ErrorResponse' : 'NoticeResponse'
      const { severity, code, message } = read.readErrorFields(body)
      return `${name} ${severity} ${code} ${quote(message)}`
    }
    case BACKEND.NOTIFICATION_RESPONSE: {
      const channel = read.readCString(body, 4, body.length)
      const payload = read.readCString(body, 5 + channel.length, body.length)
      return `NotificationResponse ${body.readInt32BE(0)} ${quote(channel)} ${quote(payload)}`
    }
    case BACKEND.PARAMETER_STATUS: {
      const { name, value: set } = read.readParameterStatus(body)
      return `ParameterStatus ${quote(name)} ${quote(set)}`
    }
    case BACKEND.PARAMETER_DESCRIPTION: {
      const list: number[] = []
      for (let i = 2; i < body.length; i += 4) list.push(body.readUInt32BE(i))
      return `ParameterDescription ${quote(list)}`
    }
    case BACKEND.COPY_IN_RESPONSE:
      return 'CopyInResponse'
    case BACKEND.COPY_OUT_RESPONSE:
      return 'CopyOutResponse'
    case BACKEND.COPY_BOTH_RESPONSE:
      return 'CopyBothResponse'
    case BACKEND.COPY_DATA:
      return `CopyData ${quote(textOf(body))}`
    case BACKEND.FUNCTION_CALL_RESPONSE:
      return `FunctionCallResponse ${quote(textOf(body.subarray(4)))}`
    default:
      return undefined
  }
}

/** The name of a message and what stands behind it. */
function words(line: string): [string, ...Word[]] {
  const [name = '', ...rest] = line.match(TOKEN) ?? []
  return [name, ...rest.map(word)]
}

function word(token: string): Word {
  return token.startsWith('"') || token.startsWith('[') ? (JSON.parse(token) as Word) : token
}

function asText(word: Word | undefined, line: string): string {
  if (word === undefined) throw new Error(`something is missing: ${line}`)
  return String(word)
}

function quote(value: unknown): string {
  return JSON.stringify(value)
}

function codeOf(names: Map<number, string>, wanted: string): number | undefined {
  for (const [code, name] of names) if (name === wanted) return code
  return undefined
}

function frame(code: number, body: Buffer): Buffer {
  const head = Buffer.alloc(HEADER)
  head[0] = code
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

function textOf(bytes: Buffer): string {
  return decode(bytes, 0, bytes.length)
}

function bytesOf(text: string): Buffer {
  const bytes = Buffer.alloc(text.length * 4)
  return bytes.subarray(0, encodeInto(bytes, 0, text))
}

function uint16(n: number): Buffer {
  return Buffer.from([n >> 8, n & 0xff])
}

function value(text: string | null): Buffer {
  const bytes = text === null ? Buffer.alloc(0) : bytesOf(text)
  const head = Buffer.alloc(4)
  head.writeInt32BE(text === null ? -1 : bytes.length, 0)
  return Buffer.concat([head, bytes])
}

function oids(list: readonly number[]): Buffer {
  const body = Buffer.alloc(2 + 4 * list.length)
  body.writeUInt16BE(list.length, 0)
  for (let i = 0; i < list.length; i++) body.writeUInt32BE(list[i]!, 2 + 4 * i)
  return body
}

/** A Bind whose parameters and results are text. */
export function bind(portal: string, statement: string, list: readonly (string | null)[]): Buffer {
  const names = frontend.bind(portal, statement)
  const body = [names.subarray(HEADER, names.length - 6), uint16(0), uint16(list.length)]
  return frame(FRONTEND.BIND, Buffer.concat([...body, ...list.map(value), uint16(0)]))
}

function functionCall(oid: number, list: readonly string[]): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(oid, 0)
  const body = [head, uint16(0), uint16(list.length), ...list.map(value), uint16(0)]
  return frame(FRONTEND.FUNCTION_CALL, Buffer.concat(body))
}

/** Counted values at `at`: Int16 how many, then Int32 length and bytes each. */
function values(body: Buffer, at: number): (string | null)[] {
  const list: (string | null)[] = []
  let next = at + 2
  for (let i = body.readUInt16BE(at); i > 0; i--) {
    const length = body.readInt32BE(next)
    next += 4
    list.push(length < 0 ? null : textOf(body.subarray(next, next + length)))
    next += Math.max(0, length)
  }
  return list
}

function columns(body: Buffer): string[] {
  const list: string[] = []
  let at = 2
  for (let i = body.readUInt16BE(0); i > 0; i--) {
    const end = body.indexOf(0, at)
    list.push(textOf(body.subarray(at, end)))
    at = end + 19
  }
  return list
}
