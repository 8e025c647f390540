/**
 * SCRAM-SHA-256 as a client does it, for thousands at once. Rule: it is the instrument's own, so that
 * no proxy is measured with its own code; the slow derivation happens outside the event loop, at each
 * login (`fresh`) or once for each salt (`cached`), as a fleet that keeps its keys does it.
 */
import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import type { KeyMode } from './plan.ts'

const derive = promisify(pbkdf2)

interface Keys {
  readonly client: Buffer
  readonly stored: Buffer
  readonly server: Buffer
}

/** Derived keys of one password. */
export class KeyRing {
  readonly #password: string
  readonly #mode: KeyMode
  readonly #kept = new Map<string, Promise<Keys>>()
  /** How often the slow derivation was done. */
  derivations = 0

  constructor(password: string, mode: KeyMode) {
    this.#password = password.normalize('NFKC')
    this.#mode = mode
  }

  keys(salt: string, iterations: number): Promise<Keys> {
    if (this.#mode === 'fresh') return this.#derive(salt, iterations)
    const name = `${iterations}:${salt}`
    const known = this.#kept.get(name)
    if (known !== undefined) return known
    // A server with a salt for each login makes keeping useless; it must not fill the memory.
    if (this.#kept.size > 1_000) this.#kept.clear()
    const keys = this.#derive(salt, iterations)
    this.#kept.set(name, keys)
    return keys
  }

  async #derive(salt: string, iterations: number): Promise<Keys> {
    this.derivations++
    const bytes = Buffer.from(salt, 'base64')
    const salted = await derive(this.#password, bytes, iterations, 32, 'sha256')
    const client = hmac(salted, 'Client Key')
    const stored = createHash('sha256').update(client).digest()
    return { client, stored, server: hmac(salted, 'Server Key') }
  }
}

/** One login. Errors are plain: the target does not speak SCRAM as it should. */
export class ScramLogin {
  readonly #keys: KeyRing
  readonly #nonce = randomBytes(18).toString('base64')
  #signature = ''

  constructor(keys: KeyRing) {
    this.#keys = keys
  }

  first(): string {
    return `n,,n=,r=${this.#nonce}`
  }

  async final(serverFirst: string): Promise<string> {
    const [, nonce, salt, count] = /^r=([^,]+),s=([^,]+),i=(\d+)/.exec(serverFirst) ?? []
    if (nonce === undefined || salt === undefined || !nonce.startsWith(this.#nonce)) {
      throw new Error('the SCRAM challenge cannot be read')
    }
    const keys = await this.#keys.keys(salt, Number(count))
    const bare = `c=biws,r=${nonce}`
    const all = `n=,r=${this.#nonce},${serverFirst},${bare}`
    const proof = Buffer.from(keys.client)
    for (const [i, byte] of hmac(keys.stored, all).entries()) proof[i] = (proof[i] ?? 0) ^ byte
    this.#signature = `v=${hmac(keys.server, all).toString('base64')}`
    return `${bare},p=${proof.toString('base64')}`
  }

  /** Throws when the server does not know the password either. */
  verify(serverFinal: string): void {
    if (serverFinal !== this.#signature) throw new Error('the server does not know the password')
  }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

/** What a server that asks for MD5 wants to hear. */
export function md5Proof(user: string, password: string, salt: Buffer): string {
  const md5 = (...parts: (string | Buffer)[]): string => {
    const hash = createHash('md5')
    for (const part of parts) hash.update(part)
    return hash.digest('hex')
  }
  return `md5${md5(md5(password, user), salt)}`
}
