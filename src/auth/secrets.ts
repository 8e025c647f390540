/**
 * The users Weir knows and what proves them, in memory. PBKDF2 runs when secrets are loaded, on the
 * thread pool, never during a login. Rules: no way of printing this object shows a secret; an
 * unknown name gets a mock verifier made the same way as a real one (salt from name and pepper), so
 * it takes the same path, time and words.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { WeirError } from '../core/errors.ts'
import type { CredentialLookup, Proof, Verifier } from './credential.ts'
import { isMd5Hash, md5Hash } from './md5.ts'
import {
  deriveKeys,
  parseVerifier,
  SCRAM_ITERATIONS,
  SCRAM_SALT_BYTES,
  type ScramVerifier,
} from './scram-keys.ts'
import type { SecretEntry } from './secret-file.ts'

interface Known {
  readonly password: string
  readonly verifier: Verifier
  proof: Proof | undefined
}

export class Secrets implements CredentialLookup {
  /** One per process: salts stay the same over reloads and tell nothing about who exists. */
  #pepper: Buffer
  #known = new Map<string, Known>()

  constructor(pepper: Buffer = randomBytes(32)) {
    this.#pepper = pepper
  }

  static async of(entries: Iterable<SecretEntry>, pepper?: Buffer): Promise<Secrets> {
    const secrets = new Secrets(pepper)
    await secrets.replace(entries)
    return secrets
  }

  /**
   * Takes `entries` in place of all before, in one step once every key is derived; unchanged users
   * cost nothing.
   * @throws WeirError WEIR_SECRETS when a user appears twice; then nothing has changed
   */
  async replace(entries: Iterable<SecretEntry>): Promise<void> {
    const wanted = new Map<string, SecretEntry>()
    for (const entry of entries) {
      const other = wanted.get(entry.username)
      if (other !== undefined) {
        const where = `${other.source} and ${entry.source}`
        throw new WeirError('WEIR_SECRETS', `user "${entry.username}" has two secrets: ${where}`, {
          sqlstate: 'F0000',
          hint: 'Keep one of them.',
        })
      }
      wanted.set(entry.username, entry)
    }
    const pairs = await Promise.all(
      [...wanted.values()].map(async (entry): Promise<[string, Known]> => {
        const before = this.#known.get(entry.username)
        return [
          entry.username,
          before?.password === entry.password ? before : await this.#learn(entry),
        ]
      }),
    )
    this.#known = new Map(pairs)
  }

  get size(): number {
    return this.#known.size
  }

  has(username: string): boolean {
    return this.#known.has(username)
  }

  usernames(): string[] {
    return [...this.#known.keys()]
  }

  verifierOf(username: string): Verifier {
    // The mock is made for known names too, so that the time taken tells nothing.
    const mock = this.#mock(username)
    return this.#known.get(username)?.verifier ?? mock
  }

  /** What logs us in to a node as `username`; undefined when we hold nothing that could. */
  proofOf(username: string): Proof | undefined {
    return this.#known.get(username)?.proof
  }

  /**
   * A secret that is only a SCRAM verifier cannot log in to a node until the user has logged in
   * here once: the client's proof contains the ClientKey, which we keep.
   */
  learned(username: string, verifier: ScramVerifier, clientKey: Buffer): void {
    const known = this.#known.get(username)
    if (known === undefined || known.proof !== undefined || known.verifier.scram !== verifier)
      return
    const { storedKey, serverKey, salt, iterations } = verifier
    known.proof = {
      kind: 'scram-keys',
      keys: { clientKey, storedKey, serverKey },
      salt,
      iterations,
    }
  }

  async #learn({ username, password }: SecretEntry): Promise<Known> {
    const mock = this.#mock(username)
    const stored = parseVerifier(password)
    if (stored !== undefined) {
      return { password, verifier: { ...mock, holds: 'scram', scram: stored }, proof: undefined }
    }
    if (isMd5Hash(password)) {
      const proof = { kind: 'md5-hash', hash: password } as const
      return { password, verifier: { ...mock, holds: 'md5', md5: password }, proof }
    }
    const salt = this.#salt(username)
    const { storedKey, serverKey } = await deriveKeys(password, salt, SCRAM_ITERATIONS)
    const scram = { iterations: SCRAM_ITERATIONS, salt, storedKey, serverKey }
    const verifier = { holds: 'both', scram, md5: md5Hash(password, username) } as const
    return { password, verifier, proof: { kind: 'password', password } }
  }

  #mock(username: string): Verifier {
    const key = this.#digest('key', username)
    const scram = {
      iterations: SCRAM_ITERATIONS,
      salt: this.#salt(username),
      storedKey: key,
      serverKey: key,
    }
    return { holds: 'neither', scram, md5: `md5${key.toString('hex', 0, 16)}` }
  }

  #salt(username: string): Buffer {
    return this.#digest('salt', username).subarray(0, SCRAM_SALT_BYTES)
  }

  #digest(purpose: string, username: string): Buffer {
    return createHmac('sha256', this.#pepper).update(`${purpose}:${username}`, 'utf8').digest()
  }

  toJSON(): string {
    return `Secrets(${this.#known.size} users)`
  }

  [inspect.custom](): string {
    return this.toJSON()
  }
}
