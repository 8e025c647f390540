/**
 * The four texts of a SCRAM exchange, read and nothing more (RFC 5802 section 7).
 *
 *   client-first   n,,n=user,r=nonce              server-first   r=nonce,s=salt,i=iterations
 *   client-final   c=biws,r=nonce,p=proof         server-final   v=signature   or   e=error
 *
 * Rule: anything that does not fit is a WeirError with SQLSTATE 08P01 (0A000 for a feature nobody
 * has), and no error quotes the message, which holds proofs.
 */
import { WeirError } from '../core/errors.ts'
import { decodeBase64, SCRAM_KEY_BYTES, SCRAM_MAX_ITERATIONS } from './scram-keys.ts'

export function malformed(detail: string): WeirError {
  return new WeirError('WEIR_SCRAM_MALFORMED', 'malformed SCRAM message', {
    sqlstate: '08P01',
    detail,
  })
}

function unsupported(message: string): WeirError {
  return new WeirError('WEIR_SCRAM_UNSUPPORTED', message, { sqlstate: '0A000' })
}

/** `n`: the client cannot bind channels; `y`: it can but thinks we cannot; `p`: it wants to. */
export type BindingFlag = 'n' | 'y' | 'p'

export interface ClientFirst {
  readonly flag: BindingFlag
  /** Only with flag `p`: the binding it chose, such as `tls-server-end-point`. */
  readonly binding: string | undefined
  /** What comes before the bare message, as sent: it returns in client-final. */
  readonly header: string
  readonly bare: string
  readonly nonce: string
}

export interface ClientFinal {
  /** Decoded: the header of client-first, then channel binding data if any. */
  readonly channel: Buffer
  readonly nonce: string
  readonly proof: Buffer
  /** Everything before `,p=`: what the proof is computed over. */
  readonly withoutProof: string
}

export interface ServerFirst {
  readonly nonce: string
  readonly salt: Buffer
  readonly iterations: number
}

/** SCRAM messages are text; a zero byte would end it early for others, so it is not let in. */
function textOf(data: Uint8Array): string {
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8')
  if (text.length === 0) throw malformed('The message is empty.')
  if (text.includes('\0')) throw malformed('The message contains a zero byte.')
  return text
}

/** The value of attribute `name`, which must open `part`. */
function attribute(part: string | undefined, name: string): string {
  if (part === undefined || !part.startsWith(`${name}=`)) {
    throw malformed(`Attribute "${name}" is missing or out of place.`)
  }
  return part.slice(2)
}

/** Printable ASCII without the comma. */
function checkNonce(nonce: string): string {
  if (!/^[\x21-\x2b\x2d-\x7e]+$/.test(nonce)) {
    throw malformed('The nonce is empty or holds characters that are not printable.')
  }
  return nonce
}

function readBase64(value: string, what: string): Buffer {
  const bytes = decodeBase64(value)
  if (bytes === undefined) throw malformed(`The ${what} is not valid base64.`)
  return bytes
}

export function readClientFirst(data: Uint8Array): ClientFirst {
  const text = textOf(data)
  const match = /^(n|y|p=([A-Za-z0-9.-]+)),([^,]*),/.exec(text)
  if (match === null) throw malformed('The channel binding flag or header is not valid.')
  if (match[3] !== '') {
    throw unsupported('client uses authorization identity, but it is not supported')
  }
  const header = match[0]
  const bare = text.slice(header.length)
  if (bare.startsWith('m=')) throw unsupported('client requires an unsupported SCRAM extension')
  const [user, nonce] = bare.split(',')
  // Postgres and libpq leave the name here empty: the one that counts is in the startup packet.
  attribute(user, 'n')
  return {
    flag: match[1]![0] as BindingFlag,
    binding: match[2],
    header,
    bare,
    nonce: checkNonce(attribute(nonce, 'r')),
  }
}

export function readClientFinal(data: Uint8Array): ClientFinal {
  const text = textOf(data)
  const end = text.lastIndexOf(',p=')
  if (end < 0) throw malformed('Attribute "p" is missing or out of place.')
  const withoutProof = text.slice(0, end)
  const [channel, nonce] = withoutProof.split(',')
  const channelBytes = readBase64(attribute(channel, 'c'), 'channel binding')
  const proof = readBase64(text.slice(end + 3), 'proof')
  if (proof.length !== SCRAM_KEY_BYTES) throw malformed('The proof has the wrong length.')
  return { channel: channelBytes, nonce: checkNonce(attribute(nonce, 'r')), proof, withoutProof }
}

export function readServerFirst(data: Uint8Array): ServerFirst {
  const text = textOf(data)
  if (text.startsWith('m=')) throw unsupported('server requires an unsupported SCRAM extension')
  const [nonce, salt, count] = text.split(',')
  const saltBytes = readBase64(attribute(salt, 's'), 'salt')
  if (saltBytes.length === 0) throw malformed('The salt is empty.')
  const digits = attribute(count, 'i')
  const iterations = /^[1-9]\d{0,9}$/.test(digits) ? Number(digits) : 0
  if (iterations < 1) throw malformed('The iteration count is not valid.')
  if (iterations > SCRAM_MAX_ITERATIONS) {
    throw malformed(`The iteration count is above ${SCRAM_MAX_ITERATIONS}.`)
  }
  return { nonce: checkNonce(attribute(nonce, 'r')), salt: saltBytes, iterations }
}

/** The server's signature. An `e=` message is an error of its own. */
export function readServerFinal(data: Uint8Array): Buffer {
  const text = textOf(data)
  if (text.startsWith('e=')) {
    throw new WeirError('WEIR_SCRAM_REFUSED', 'the server refused the SCRAM exchange', {
      sqlstate: '28P01',
    })
  }
  const signature = readBase64(attribute(text.split(',')[0], 'v'), 'server signature')
  if (signature.length !== SCRAM_KEY_BYTES) {
    throw malformed('The server signature has the wrong length.')
  }
  return signature
}
