/**
 * The text of a token: the presigned URL of an `rds-db` connect, without `https://`, as the AWS SDKs
 * and the AWS CLI write it. Rule: one text, one meaning: everything signed is in its canonical form,
 * nothing stands twice, nothing unknown is let by. What cannot be read is told apart from what reads
 * well and asks for something else.
 */

/** No token of an AWS key is nearly as long (bytes): one with session credentials has some 1,500. */
export const LONGEST_TOKEN = 8_192

/** As all AWS tokens: who logs in later needs another (seconds). */
export const TOKEN_LIFETIME_S = 900

export const TOKEN_SERVICE = 'rds-db'

/** What a token says, not yet proved. */
export interface TokenText {
  /** As it was signed; upper and lower case may differ from our own. */
  readonly host: string
  readonly port: number
  readonly user: string
  readonly accessKeyId: string
  /** `yyyymmdd`, as in the name of the key it was signed with. */
  readonly day: string
  readonly region: string
  readonly service: string
  /** When it was signed (wall clock, ms). */
  readonly signedAt: number
  readonly lifetimeS: number
  /** Of temporary credentials. */
  readonly sessionToken: string | undefined
  /** 64 hex digits. */
  readonly signature: string
}

/** Why a text is no token, or none of ours. */
export interface UnreadableToken {
  readonly fault: 'malformed' | 'action' | 'service' | 'lifetime'
  /** For the log; quotes nothing of the text. */
  readonly detail: string
}

const NAMES = new Set([
  'Action',
  'DBUser',
  'X-Amz-Algorithm',
  'X-Amz-Credential',
  'X-Amz-Date',
  'X-Amz-Expires',
  'X-Amz-Security-Token',
  'X-Amz-Signature',
  'X-Amz-SignedHeaders',
])

const HOST =
  /^([A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9.])?|\[[0-9A-Fa-f:.]{2,45}\]):([0-9]{1,5})$/
const CREDENTIAL =
  /^([A-Za-z0-9_]{1,128})\/([0-9]{8})\/([a-z0-9-]{1,64})\/([^/]{1,64})\/aws4_request$/
const DATE = /^([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z$/
const SIGNATURE = /^[0-9a-f]{64}$/
const WHOLE = /^[1-9][0-9]{0,8}$/

/** Whether a password is meant as a token; a real one that reads like this is not to be expected. */
export function looksLikeToken(text: string): boolean {
  return text.includes('/?') && text.includes('X-Amz-Signature=')
}

/** Reads a token; proves nothing of it. */
export function readToken(text: string): TokenText | UnreadableToken {
  if (Buffer.byteLength(text) > LONGEST_TOKEN) {
    return malformed(`longer than ${LONGEST_TOKEN} bytes`)
  }
  const slash = text.indexOf('/?')
  const address = HOST.exec(slash < 0 ? '' : text.slice(0, slash))
  if (address === null) return malformed('it does not begin with HOST:PORT/?')
  const port = Number(address[2])
  if (port < 1 || port > 65_535 || String(port) !== address[2]) return malformed('no such port')
  const fields = readFields(text.slice(slash + 2))
  if (typeof fields === 'string') return malformed(fields)
  if (fields.get('Action') !== 'connect') {
    return { fault: 'action', detail: 'its Action is not connect' }
  }
  if (fields.get('X-Amz-Algorithm') !== 'AWS4-HMAC-SHA256') {
    return malformed('its X-Amz-Algorithm is not AWS4-HMAC-SHA256')
  }
  if (fields.get('X-Amz-SignedHeaders') !== 'host') {
    return malformed('its X-Amz-SignedHeaders is not host')
  }
  const user = fields.get('DBUser') ?? ''
  if (user === '') return malformed('it has no DBUser')
  const credential = CREDENTIAL.exec(fields.get('X-Amz-Credential') ?? '')
  if (credential === null) return malformed('its X-Amz-Credential cannot be read')
  const [, accessKeyId, day, region, service] = credential
  if (service !== TOKEN_SERVICE) {
    return { fault: 'service', detail: `it was signed for a service that is not ${TOKEN_SERVICE}` }
  }
  const date = fields.get('X-Amz-Date') ?? ''
  const signedAt = readDate(date)
  if (signedAt === undefined) return malformed('its X-Amz-Date cannot be read')
  if (!date.startsWith(day!)) return malformed('its X-Amz-Date and X-Amz-Credential differ in day')
  const lifetime = fields.get('X-Amz-Expires') ?? ''
  if (!WHOLE.test(lifetime)) return malformed('its X-Amz-Expires is not a number of seconds')
  const lifetimeS = Number(lifetime)
  if (lifetimeS > TOKEN_LIFETIME_S) {
    return { fault: 'lifetime', detail: `its X-Amz-Expires is above ${TOKEN_LIFETIME_S}` }
  }
  const signature = fields.get('X-Amz-Signature') ?? ''
  if (!SIGNATURE.test(signature)) return malformed('its X-Amz-Signature is not 64 hex digits')
  const sessionToken = fields.get('X-Amz-Security-Token')
  if (sessionToken === '') return malformed('its X-Amz-Security-Token is empty')
  return {
    ...{ host: address[1]!, port, user, signedAt, lifetimeS, sessionToken, signature },
    ...{ accessKeyId: accessKeyId!, day: day!, region: region!, service },
  }
}

/** The parameters by name, or what is wrong with them. */
function readFields(query: string): Map<string, string> | string {
  const fields = new Map<string, string>()
  for (const field of query.split('&')) {
    const equals = field.indexOf('=')
    const name = field.slice(0, Math.max(0, equals))
    if (!NAMES.has(name)) return 'a parameter that no token has'
    if (fields.has(name)) return `${name} stands there twice`
    const value = decoded(field.slice(equals + 1))
    if (value === undefined) return `${name} is not encoded as it is when signed`
    fields.set(name, value)
  }
  return fields
}

/** Undefined for whatever is not the one way in which signing writes this value. */
function decoded(text: string): string | undefined {
  try {
    const value = decodeURIComponent(text)
    return encodedForUrl(value) === text && !value.includes('\0') ? value : undefined
  } catch {
    return undefined
  }
}

/** A value as it stands in a signed URL: all but letters, digits and `-._~` as `%XX`. */
export function encodedForUrl(value: string): string {
  return encodeURIComponent(value).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** Milliseconds since 1970 of `20261121T093000Z`; undefined when there is no such moment. */
function readDate(text: string): number | undefined {
  const match = DATE.exec(text)
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number)
  const at = Date.UTC(year!, month! - 1, day, hour, minute, second)
  return dateText(at) === text ? at : undefined
}

/** The moment as signing writes it: `20261121T093000Z`. */
function dateText(at: number): string {
  return new Date(at).toISOString().replace(/\.\d{3}|[-:]/g, '')
}

function malformed(detail: string): UnreadableToken {
  return { fault: 'malformed', detail }
}
