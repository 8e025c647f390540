/**
 * The users Weir knows and what proves them, in memory. While a secret is rotated a user has several
 * passwords: any of them opens the door, and a node is offered the one it took last, then the others.
 * Rules: no way of printing this object shows a secret; an unknown name gets a mock verifier made the
 * same way as a real one (salt from name and pepper), so it takes the same path, time and words.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { WeirError } from '../core/errors.ts'
import type { CredentialLookup, Proof, ProofLookup, Verifier } from './credential.ts'
import {
  type Held,
  hold,
  isHeldAs,
  joined,
  type Password,
  saltingFor,
  sameProof,
} from './held-secret.ts'
import { SCRAM_ITERATIONS, SCRAM_SALT_BYTES, type ScramVerifier } from './scram-keys.ts'
import type { SecretEntry } from './secret-file.ts'

interface Known {
  /** The newest first. */
  readonly held: readonly Held[]
  /** What a node took last. */
  preferred: Held | undefined
  /** The newest has come lately, and no node has taken it yet. */
  fresh: boolean
}

export class Secrets implements CredentialLookup, ProofLookup {
  /** What is held was refused: asks for a look at where secrets come from. Undefined: that is nowhere. */
  onDoubt: (() => Promise<void>) | undefined
  /** A node has taken the new password of this user. */
  onTaken: (username: string) => void = () => {}
  /** One per process: salts stay the same over reloads and tell nothing about who exists. */
  #pepper: Buffer
  #known = new Map<string, Known>()
  #now: () => number

  /** @param now wall clock, ms */
  constructor(pepper: Buffer = randomBytes(32), now: () => number = Date.now) {
    this.#pepper = pepper
    this.#now = now
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
    const wanted = onePerUser(entries)
    const pairs = await Promise.all(
      wanted.map(async (entry) => [entry.username, await this.#learn(entry)] as const),
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
    const mock = this.mockOf(username)
    const [first, ...others] = this.#valid(username)
    if (first === undefined) return mock
    return others.length === 0 ? first.verifier : joined(first, others)
  }

  /** What is shown for a name nobody knows: no password satisfies it. */
  mockOf(username: string): Verifier {
    const key = this.#digest('key', username)
    const scram = {
      iterations: SCRAM_ITERATIONS,
      salt: this.#salt(username),
      storedKey: key,
      serverKey: key,
    }
    return { holds: 'neither', scram, md5: `md5${key.toString('hex', 0, 16)}` }
  }

  /** What logs us in to a node as `username`; undefined when we hold nothing that could. */
  proofOf(username: string): Proof | undefined {
    return this.#proofs(username)[0]
  }

  async another(username: string, refused: readonly Proof[]): Promise<Proof | undefined> {
    const left = (): Proof | undefined =>
      this.#proofs(username).find((proof) => !refused.some((other) => sameProof(proof, other)))
    const now = left()
    if (now !== undefined) return now
    await this.onDoubt?.()
    return left()
  }

  worked(username: string, proof: Proof): void {
    const known = this.#known.get(username)
    if (known === undefined || (!known.fresh && known.held.length === 1)) return
    const held = known.held.find((one) => one.proof !== undefined && sameProof(one.proof, proof))
    if (held === undefined) return
    known.preferred = held
    if (!known.fresh || held !== known.held[0]) return
    known.fresh = false
    this.onTaken(username)
  }

  doubted(username: string): Promise<Verifier> | undefined {
    return this.onDoubt?.().then(() => this.verifierOf(username))
  }

  /**
   * A secret that is only a SCRAM verifier cannot log in to a node until the user has logged in
   * here once: the client's proof contains the ClientKey, which we keep.
   */
  learned(username: string, verifier: ScramVerifier, clientKey: Buffer): void {
    const held = this.#known.get(username)?.held.find((one) => one.verifier.scram === verifier)
    if (held === undefined || held.proof !== undefined) return
    const { storedKey, serverKey, salt, iterations } = verifier
    const keys = { clientKey, storedKey, serverKey }
    held.proof = { kind: 'scram-keys', keys, salt, iterations }
  }

  async #learn({ username, password, also = [] }: SecretEntry): Promise<Known> {
    const passwords: Password[] = [{ password, until: Infinity, doors: true }, ...also]
    const salting = saltingFor(passwords, this.#salt(username))
    const before = this.#known.get(username)
    const mock = this.mockOf(username)
    const held = await Promise.all(
      passwords.map(async (one): Promise<Held> => {
        const same = before?.held.find((old) => isHeldAs(old, one, salting))
        if (same === undefined) return hold(username, one, salting, mock)
        if (same.until === one.until && same.doors === one.doors) return same
        const { verifier, proof } = same
        return { ...one, verifier, proof }
      }),
    )
    const changed = before !== undefined && before.held[0]?.password !== password
    const { preferred } = before ?? {}
    return {
      held,
      preferred: changed ? undefined : held.find((one) => one.password === preferred?.password),
      fresh: changed || before?.fresh === true,
    }
  }

  #proofs(username: string): Proof[] {
    const valid = this.#valid(username)
    const preferred = this.#known.get(username)?.preferred
    const best = valid.filter((one) => one === preferred)
    const rest = valid.filter((one) => one !== preferred)
    return [...best, ...rest].flatMap(({ proof }) => (proof === undefined ? [] : [proof]))
  }

  /** Those that are right now. */
  #valid(username: string): readonly Held[] {
    const held = this.#known.get(username)?.held ?? []
    if (held.length < 2) return held
    const now = this.#now()
    return held.filter(({ until }) => until > now)
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

/** @throws WeirError WEIR_SECRETS when a user appears twice */
export function onePerUser(entries: Iterable<SecretEntry>): SecretEntry[] {
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
  return [...wanted.values()]
}
