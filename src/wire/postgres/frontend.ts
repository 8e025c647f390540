/**
 * Messages clients send, one builder each; every builder returns a whole message. Rule: nothing
 * here is ever sent to a client. Messages without content are shared buffers: never write into
 * what a builder returned.
 */
import {
  CANCEL_REQUEST_CODE,
  FRONTEND,
  GSS_REQUEST_CODE,
  HEADER,
  SECRET_MAX,
  SECRET_MIN,
  SSL_REQUEST_CODE,
} from './codes.ts'
import {
  bytesFrame,
  cstringLength,
  emptyFrame,
  frame,
  putCString,
  stringsFrame,
} from './compose.ts'

const SYNC = emptyFrame(FRONTEND.SYNC)
const FLUSH = emptyFrame(FRONTEND.FLUSH)
const TERMINATE = emptyFrame(FRONTEND.TERMINATE)
const COPY_DONE = emptyFrame(FRONTEND.COPY_DONE)
const SSL_REQUEST = bareRequest(SSL_REQUEST_CODE)
const GSS_REQUEST = bareRequest(GSS_REQUEST_CODE)

/** @param version `PROTOCOL_3_0` or `PROTOCOL_3_2` */
export function startupMessage(
  version: number,
  params: Iterable<readonly [string, string]>,
): Buffer {
  const strings = [...params].flat()
  let length = 8 + 1
  for (const text of strings) length += cstringLength(text)
  const message = Buffer.allocUnsafe(length)
  message.writeInt32BE(length, 0)
  message.writeUInt32BE(version, 4)
  let at = 8
  for (const text of strings) at = putCString(message, at, text)
  message[at] = 0
  return message
}

export function sslRequest(): Buffer {
  return SSL_REQUEST
}

export function gssEncRequest(): Buffer {
  return GSS_REQUEST
}

/** @param secret 4 bytes for protocol 3.0, up to 256 for 3.2 */
export function cancelRequest(pid: number, secret: Buffer): Buffer {
  if (secret.length < SECRET_MIN || secret.length > SECRET_MAX) {
    throw new Error(`BUG: a cancel secret of ${secret.length} bytes`)
  }
  const message = Buffer.allocUnsafe(12 + secret.length)
  message.writeInt32BE(message.length, 0)
  message.writeInt32BE(CANCEL_REQUEST_CODE, 4)
  message.writeInt32BE(pid, 8)
  message.set(secret, 12)
  return message
}

/** The answer to a cleartext or md5 request; the md5 text comes with its prefix already. */
export function passwordMessage(text: string | Buffer): Buffer {
  if (typeof text === 'string') return stringsFrame(FRONTEND.PASSWORD, text)
  const message = frame(FRONTEND.PASSWORD, text.length + 1)
  message.set(text, HEADER)
  message[message.length - 1] = 0
  return message
}

export function saslInitialResponse(mechanism: string, data: Buffer): Buffer {
  const message = frame(FRONTEND.PASSWORD, cstringLength(mechanism) + 4 + data.length)
  let at = putCString(message, HEADER, mechanism)
  at = message.writeInt32BE(data.length, at)
  message.set(data, at)
  return message
}

export function saslResponse(data: Buffer): Buffer {
  return bytesFrame(FRONTEND.PASSWORD, data)
}

export function query(text: string): Buffer {
  return stringsFrame(FRONTEND.QUERY, text)
}

/**
 * @param text the statement, without NUL
 * @param types type OIDs, or the bytes `readParse` returned for them (count included)
 */
export function parse(
  name: string,
  text: string | Buffer,
  types: Buffer | readonly number[],
): Buffer {
  const textLength = typeof text === 'string' ? cstringLength(text) : text.length + 1
  const typesLength = Buffer.isBuffer(types) ? types.length : 2 + 4 * types.length
  const message = frame(FRONTEND.PARSE, cstringLength(name) + textLength + typesLength)
  let at = putCString(message, HEADER, name)
  if (typeof text === 'string') {
    at = putCString(message, at, text)
  } else {
    message.set(text, at)
    at += text.length
    message[at++] = 0
  }
  if (Buffer.isBuffer(types)) {
    message.set(types, at)
    return message
  }
  at = message.writeUInt16BE(types.length, at)
  for (const oid of types) at = message.writeUInt32BE(oid, at)
  return message
}

/** A Bind without parameters whose results come as text. */
export function bind(portal: string, statement: string): Buffer {
  const message = frame(FRONTEND.BIND, cstringLength(portal) + cstringLength(statement) + 6)
  let at = putCString(message, HEADER, portal)
  at = putCString(message, at, statement)
  message.fill(0, at) // no parameter formats, no parameters, no result formats
  return message
}

export function describe(kind: 'S' | 'P', name: string): Buffer {
  return target(FRONTEND.DESCRIBE, kind, name)
}

/** @param maxRows 0 for all */
export function execute(portal: string, maxRows: number): Buffer {
  const message = frame(FRONTEND.EXECUTE, cstringLength(portal) + 4)
  const at = putCString(message, HEADER, portal)
  message.writeInt32BE(maxRows, at)
  return message
}

export function close(kind: 'S' | 'P', name: string): Buffer {
  return target(FRONTEND.CLOSE, kind, name)
}

export function sync(): Buffer {
  return SYNC
}

export function flush(): Buffer {
  return FLUSH
}

export function terminate(): Buffer {
  return TERMINATE
}

export function copyData(data: Buffer): Buffer {
  return bytesFrame(FRONTEND.COPY_DATA, data)
}

export function copyDone(): Buffer {
  return COPY_DONE
}

export function copyFail(message: string): Buffer {
  return stringsFrame(FRONTEND.COPY_FAIL, message)
}

function target(code: number, kind: 'S' | 'P', name: string): Buffer {
  const message = frame(code, 1 + cstringLength(name))
  message[HEADER] = kind.charCodeAt(0)
  putCString(message, HEADER + 1, name)
  return message
}

function bareRequest(code: number): Buffer {
  const message = Buffer.alloc(8)
  message.writeInt32BE(8, 0)
  message.writeInt32BE(code, 4)
  return message
}
