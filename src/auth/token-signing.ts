/**
 * Signs tokens: AWS Signature Version 4 of a presigned `rds-db` connect. Making a token and judging
 * one are the same work, so both come here. Rule: the signing itself is the library's; it is loaded at
 * the first token, since most who run Weir never see one.
 */
import { createHash, createHmac } from 'node:crypto'
import { encodedForUrl, TOKEN_LIFETIME_S, TOKEN_SERVICE } from './token-text.ts'

/** What AWS calls an access key; with `sessionToken` of temporary credentials. */
export interface AccessKey {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

/** What a token is signed for. */
export interface TokenTerms {
  /** The name that clients connect to, and the port. */
  readonly host: string
  readonly port: number
  readonly user: string
  readonly region: string
  /** Wall clock, ms; what is below a second is dropped. */
  readonly signedAt: number
  /** Default 900. */
  readonly lifetimeS?: number
}

/** A token that opens an endpoint to `user` for 15 minutes; a password for the time being. */
export async function makeToken(terms: TokenTerms, key: AccessKey): Promise<string> {
  const query = await sign(terms, key)
  const fields = Object.entries(query).map(([name, value]) => `${name}=${encodedForUrl(value)}`)
  return `${terms.host}:${terms.port}/?${fields.join('&')}`
}

/** The signature that a token of these terms has when it was made with `key`: 64 hex digits. */
export async function signatureOf(terms: TokenTerms, key: AccessKey): Promise<string> {
  const { 'X-Amz-Signature': signature } = await sign(terms, key)
  if (signature === undefined) throw new Error('BUG: a URL was presigned without a signature')
  return signature
}

async function sign(terms: TokenTerms, key: AccessKey): Promise<Record<string, string>> {
  const { SignatureV4 } = await import('@smithy/signature-v4')
  const { host, port, user, region, signedAt, lifetimeS = TOKEN_LIFETIME_S } = terms
  const { accessKeyId, secretAccessKey, sessionToken } = key
  const signer = new SignatureV4({
    service: TOKEN_SERVICE,
    region,
    credentials: {
      ...{ accessKeyId, secretAccessKey },
      ...(sessionToken === undefined ? {} : { sessionToken }),
    },
    sha256: NodeSha256,
  })
  const request = {
    method: 'GET',
    protocol: 'https:',
    hostname: host,
    port,
    path: '/',
    query: { Action: 'connect', DBUser: user },
    headers: { host: `${host}:${port}` },
  }
  const options = { signingDate: new Date(signedAt), expiresIn: lifetimeS }
  const { query = {} } = await signer.presign(request, options)
  return Object.fromEntries(Object.entries(query).map(([name, value]) => [name, String(value)]))
}

/** The hash of node:crypto as the library wants it: keyed when it is given a secret. */
class NodeSha256 {
  #secret: string | Uint8Array | undefined
  #hash: ReturnType<typeof createHash | typeof createHmac>

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#secret = typeof secret === 'string' || secret === undefined ? secret : bytesOf(secret)
    this.#hash = this.#fresh()
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk)
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest()
  }

  reset(): void {
    this.#hash = this.#fresh()
  }

  #fresh(): ReturnType<typeof createHash | typeof createHmac> {
    return this.#secret === undefined ? createHash('sha256') : createHmac('sha256', this.#secret)
  }
}

function bytesOf(data: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data)
}
