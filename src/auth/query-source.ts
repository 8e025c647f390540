/**
 * Users who are looked up on a node when they come, remembered for a while. Rules: a name is asked for
 * once at a time, few names at once, and those known from before go first, so that a flood of invented
 * names keeps nobody out; everything remembered is bounded; a name nobody has costs what a real one
 * does. While no node can be asked, what was last heard holds on for `keepMs`.
 */
import type { Clock } from '../core/clock.ts'
import { messageOf, WeirError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { CredentialLookup, Proof, ProofLookup, Verifier } from './credential.ts'
import { sameProof } from './held-secret.ts'
import { isMd5Hash } from './md5.ts'
import { parseVerifier, type ScramVerifier } from './scram-keys.ts'

/** What a node says of a user. */
export interface StoredUser {
  /** `SCRAM-SHA-256$...` or `md5...`; null when the user has no password. */
  readonly stored: string | null
  /** Wall clock, ms; Infinity when the password does not end. */
  readonly validUntil: number
}

export interface QueryOptions {
  /** Undefined: there is no such user. Rejects when it could not be found out. */
  readonly ask: (username: string, signal: AbortSignal) => Promise<StoredUser | undefined>
  /** What is shown for a name nobody has. */
  readonly mockOf: (username: string) => Verifier
  readonly clock: Clock
  readonly log: Log
  /** `found`, `unknown`, `expired`, `no-password`, `strange`, `failed`, `kept`, `crowded`. */
  readonly count: (what: string) => void
  readonly cacheMs: number
  readonly negativeCacheMs: number
  readonly keepMs: number
  readonly timeoutMs: number
  /** Questions at once. */
  readonly connections: number
}

interface Answer {
  readonly user: StoredUser | undefined
  readonly verifier: Verifier
  proof: Proof | undefined
  /** Monotonic, ms. */
  askedAt: number
  /** A proof against it was wrong: the next login asks again. */
  doubted: boolean
}

interface Question {
  readonly username: string
  readonly answered: (answer: Answer) => void
  readonly failed: (error: unknown) => void
  readonly abort: AbortController
}

/** Names remembered, of users and of nobody; each at most so many. */
const MOST_REMEMBERED = 10_000
/** No node has a longer name (Postgres: 63 bytes, unless it was built for more). */
const LONGEST_NAME = 256
/** Questions that wait for their turn. */
const MOST_WAITING = 1_000
/** After a wrong proof an answer holds only so long (ms). */
const DOUBT_MS = 1_000

export class QueriedUsers implements CredentialLookup, ProofLookup {
  #options: QueryOptions
  #users = new Map<string, Answer>()
  #nobody = new Map<string, Answer>()
  #asking = new Map<string, Promise<Answer>>()
  #waiting: { readonly known: Question[]; readonly strange: Question[] } = {
    known: [],
    strange: [],
  }
  #busy = 0

  constructor(options: QueryOptions) {
    this.#options = options
  }

  verifierOf(username: string): Verifier | Promise<Verifier> {
    if (username.length > LONGEST_NAME) return this.#options.mockOf(username)
    const known = this.#remembered(username)
    if (known !== undefined && this.#holds(known)) return this.#judged(username, known)
    return this.#ask(username).then((answer) => this.#judged(username, answer))
  }

  proofOf(username: string): Proof | undefined {
    return this.#users.get(username)?.proof
  }

  async another(username: string, refused: readonly Proof[]): Promise<Proof | undefined> {
    await this.#ask(username).catch(() => {})
    const proof = this.proofOf(username)
    const known = proof === undefined || refused.some((other) => sameProof(proof, other))
    return known ? undefined : proof
  }

  /** The next login asks; this one was told the salt of the former password. */
  doubted(username: string): undefined {
    const known = this.#remembered(username)
    if (known !== undefined) known.doubted = true
  }

  /** The ClientKey is in the client's proof; with it we log in as that client does. */
  learned(username: string, verifier: ScramVerifier, clientKey: Buffer): void {
    const known = this.#users.get(username)
    if (known === undefined || known.verifier.scram !== verifier) return
    const { storedKey, serverKey, salt, iterations } = verifier
    const keys = { clientKey, storedKey, serverKey }
    known.proof ??= { kind: 'scram-keys', keys, salt, iterations }
  }

  #remembered(username: string): Answer | undefined {
    return this.#users.get(username) ?? this.#nobody.get(username)
  }

  #holds({ user, askedAt, doubted }: Answer): boolean {
    const { cacheMs, negativeCacheMs, clock } = this.#options
    const lives = user === undefined ? negativeCacheMs : cacheMs
    // Names that somebody guesses at are asked for alike, known or not.
    return clock.monotonic() - askedAt < (doubted ? Math.min(lives, DOUBT_MS) : lives)
  }

  /** What the client is to prove, by the present moment. */
  #judged(username: string, { user, verifier }: Answer): Verifier {
    if (user === undefined || user.validUntil > this.#options.clock.wall()) return verifier
    this.#options.count('expired')
    return this.#options.mockOf(username)
  }

  #ask(username: string): Promise<Answer> {
    const running = this.#asking.get(username)
    if (running !== undefined) return running
    const asked = this.#question(username)
      .catch((error: unknown) => this.#kept(username, error))
      .finally(() => this.#asking.delete(username))
    this.#asking.set(username, asked)
    return asked
  }

  #question(username: string): Promise<Answer> {
    const { clock, timeoutMs } = this.#options
    const { known, strange } = this.#waiting
    const line = this.#users.has(username) ? known : strange
    if (line.length >= MOST_WAITING) {
      return Promise.reject(lookupFailed('too many users are being looked up', 'crowded'))
    }
    const abort = new AbortController()
    return new Promise<Answer>((resolve, reject) => {
      const late = clock.after(timeoutMs, () => {
        abort.abort()
        failed(lookupFailed(`no answer within ${timeoutMs} ms`))
      })
      const question: Question = {
        username,
        abort,
        answered: (answer) => {
          late.cancel()
          resolve(answer)
        },
        failed: (error) => {
          late.cancel()
          const at = line.indexOf(question)
          if (at >= 0) line.splice(at, 1)
          reject(error)
        },
      }
      const { failed } = question
      line.push(question)
      this.#next()
    })
  }

  #next(): void {
    while (this.#busy < this.#options.connections) {
      const question = this.#waiting.known.shift() ?? this.#waiting.strange.shift()
      if (question === undefined) return
      this.#busy++
      void this.#put(question).finally(() => {
        this.#busy--
        this.#next()
      })
    }
  }

  async #put({ username, abort, answered, failed }: Question): Promise<void> {
    try {
      const user = await this.#options.ask(username, abort.signal)
      answered(this.#remember(username, user))
    } catch (error) {
      failed(error)
    }
  }

  #remember(username: string, user: StoredUser | undefined): Answer {
    const { clock, count } = this.#options
    const askedAt = clock.monotonic()
    const before = this.#users.get(username)
    this.#users.delete(username)
    this.#nobody.delete(username)
    count(user === undefined ? 'unknown' : 'found')
    // The same verifier as before: what was learned of it is still right.
    const same = before !== undefined && before.user?.stored === user?.stored
    const answer: Answer = same
      ? { ...before, user, askedAt, doubted: false }
      : { user, askedAt, doubted: false, ...this.#read(username, user) }
    const book = user === undefined ? this.#nobody : this.#users
    book.set(username, answer)
    if (book.size > MOST_REMEMBERED) {
      for (const oldest of book.keys()) {
        book.delete(oldest)
        break
      }
    }
    return answer
  }

  #read(username: string, user: StoredUser | undefined): Pick<Answer, 'verifier' | 'proof'> {
    const { mockOf, log, count } = this.#options
    const mock = mockOf(username)
    const stored = user?.stored
    const nothing = { verifier: mock, proof: undefined }
    if (stored === undefined) return nothing
    if (stored === null) {
      count('no-password')
      return nothing
    }
    const scram = parseVerifier(stored)
    if (scram !== undefined) {
      return { verifier: { ...mock, holds: 'scram', scram }, proof: undefined }
    }
    if (isMd5Hash(stored)) {
      const proof = { kind: 'md5-hash', hash: stored } as const
      return { verifier: { ...mock, holds: 'md5', md5: stored }, proof }
    }
    count('strange')
    const want = 'a password as Postgres stores it (SCRAM-SHA-256$... or md5...)'
    log.warn({ user: username }, `auth.query gave a second column that is not ${want}`)
    return nothing
  }

  /** What was last heard, while nobody can be asked. */
  #kept(username: string, error: unknown): Answer {
    const { clock, keepMs, count, log } = this.#options
    const known = this.#users.get(username)
    const kept = known !== undefined && clock.monotonic() - known.askedAt < keepMs
    const crowded = error instanceof WeirError && error.detail === 'crowded'
    count(kept ? 'kept' : crowded ? 'crowded' : 'failed')
    const instead = kept ? '; what it last said holds on' : ''
    log.warn({ user: username }, `could not look up a user: ${messageOf(error)}${instead}`)
    if (kept) return known
    throw error
  }
}

/** A user could not be looked up. */
export function lookupFailed(message: string, detail?: string): WeirError {
  return new WeirError('WEIR_USER_LOOKUP', message, {
    sqlstate: '58000',
    retryable: true,
    ...(detail === undefined ? {} : { detail }),
  })
}
