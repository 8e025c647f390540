/**
 * Who may use the admin port, and the one question that is asked of an `Authorization` header. Rule:
 * names that exist and names that do not take the same way, the same time and get the same words;
 * what a right password was is remembered for a while, keyed with something nobody else knows, since
 * a dashboard asks every two seconds.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { sameBytes } from '../auth/equal.ts'
import { WeirError } from '../core/errors.ts'
import { Attempts } from './attempts.ts'
import { LONGEST_PASSWORD, type PasswordVerifier, parsePassword } from './password.ts'

/** `view` reads, `operate` also gives orders. */
export type AdminRole = 'view' | 'operate'

/** One user as it is configured; files have been read. */
export interface AdminUser {
  readonly name: string
  readonly role: AdminRole
  /** A password verifier: `scrypt$...` or `SCRAM-SHA-256$...`. */
  readonly password?: string | undefined
  /** A bearer token, or `sha256:` and the hash of one in hex. */
  readonly token?: string | undefined
}

export interface Who {
  readonly name: string
  readonly role: AdminRole
}

export type Verdict =
  | { readonly kind: 'known'; readonly who: Who }
  /** No credentials were shown. */
  | { readonly kind: 'nobody' }
  /** Wrong ones; `name` only where there is such a user. */
  | { readonly kind: 'wrong'; readonly name: string | undefined }
  /** Too many wrong ones from there, or too many at once. */
  | { readonly kind: 'later'; readonly waitMs: number }

interface Known extends Who {
  readonly verifier: PasswordVerifier | undefined
  readonly token: Buffer | undefined
}

interface Remembered {
  readonly mac: Buffer
  readonly until: number
}

/** Shorter ones can be guessed. */
const SHORTEST_TOKEN = 24
const REMEMBERED_MS = 300_000
/** Checks that wait or run; each costs tens of milliseconds on a thread of the pool. */
const MOST_CHECKS = 16
const BUSY_WAIT_MS = 1_000

export class AdminUsers {
  #users: ReadonlyMap<string, Known>
  /** One for each cost that occurs: every try pays all of them. */
  #mocks: readonly PasswordVerifier[]
  #remembered = new Map<string, Remembered>()
  #key = randomBytes(32)
  #attempts: Attempts
  #now: () => number
  #checks = 0
  /** One check after the other: threads are needed for other things too. */
  #last: Promise<unknown> = Promise.resolve()

  /**
   * @param now monotonic milliseconds
   * @throws WeirError `WEIR_ADMIN_USERS`
   */
  constructor(users: readonly AdminUser[], now: () => number) {
    this.#attempts = new Attempts(now)
    this.#now = now
    const { known, mocks } = understood(users)
    this.#users = known
    this.#mocks = mocks
  }

  /**
   * Takes other users in place of these.
   * @throws WeirError `WEIR_ADMIN_USERS`; then nothing has changed
   */
  replace(users: readonly AdminUser[]): void {
    const { known, mocks } = understood(users)
    this.#users = known
    this.#mocks = mocks
    this.#remembered.clear()
  }

  get size(): number {
    return this.#users.size
  }

  /**
   * Who shows `header`.
   * @param source what an address counts as, see `Attempts`
   */
  async ask(header: string | undefined, source: string): Promise<Verdict> {
    if (header === undefined) return { kind: 'nobody' }
    const [, scheme = '', value = ''] = /^(\S+) +(\S+) *$/.exec(header) ?? []
    switch (scheme.toLowerCase()) {
      case 'bearer':
        return this.#token(value, source)
      case 'basic':
        return this.#basic(value, source)
      default:
        return this.#wrong(source, '')
    }
  }

  #token(token: string, source: string): Verdict {
    const waitMs = this.#attempts.wait(source, '')
    if (waitMs > 0) return { kind: 'later', waitMs }
    const hash = sha256(token)
    let found: Known | undefined
    // All are compared, whichever fits.
    for (const user of this.#users.values()) {
      if (user.token !== undefined && sameBytes(user.token, hash)) found = user
    }
    return found === undefined ? this.#wrong(source, '') : known(found)
  }

  async #basic(value: string, source: string): Promise<Verdict> {
    const text = Buffer.from(value, 'base64').toString('utf8')
    const colon = text.indexOf(':')
    const name = colon < 0 ? text : text.slice(0, colon)
    const password = colon < 0 ? '' : text.slice(colon + 1)
    const before = this.#attempts.wait(source, name)
    if (before > 0) return { kind: 'later', waitMs: before }
    const mac = createHmac('sha256', this.#key).update(`${name}\0${password}`).digest()
    const user = this.#users.get(name)
    if (user !== undefined && this.#remembers(name, mac)) return known(user)
    if (password.length > LONGEST_PASSWORD) return this.#wrong(source, name)
    if (this.#checks >= MOST_CHECKS) return { kind: 'later', waitMs: BUSY_WAIT_MS }
    this.#checks++
    const verdict = this.#last.then(() => this.#check(name, password, mac, source))
    this.#last = verdict.catch(() => {})
    return verdict.finally(() => {
      this.#checks--
    })
  }

  /** Its turn has come; what was wrong meanwhile counts, so many at once are no way around. */
  async #check(name: string, password: string, mac: Buffer, source: string): Promise<Verdict> {
    const waitMs = this.#attempts.wait(source, name)
    if (waitMs > 0) return { kind: 'later', waitMs }
    const user = this.#users.get(name)
    const right = await matches(user?.verifier, this.#mocks, password)
    // The users may be others by now.
    if (!right || user === undefined || this.#users.get(name) !== user) {
      return this.#wrong(source, name)
    }
    this.#remembered.set(name, { mac, until: this.#now() + REMEMBERED_MS })
    this.#attempts.right(source, name)
    return known(user)
  }

  #remembers(name: string, mac: Buffer): boolean {
    const remembered = this.#remembered.get(name)
    return (
      remembered !== undefined && remembered.until > this.#now() && sameBytes(remembered.mac, mac)
    )
  }

  #wrong(source: string, name: string): Verdict {
    this.#attempts.wrong(source, name)
    return { kind: 'wrong', name: this.#users.has(name) ? name : undefined }
  }
}

function known({ name, role }: Known): Verdict {
  return { kind: 'known', who: { name, role } }
}

async function matches(
  verifier: PasswordVerifier | undefined,
  mocks: readonly PasswordVerifier[],
  password: string,
): Promise<boolean> {
  let right = false
  for (const mock of mocks) {
    if (verifier !== undefined && verifier.cost === mock.cost) {
      right = await verifier.matches(password)
    } else await mock.matches(password)
  }
  return right
}

function understood(users: readonly AdminUser[]): {
  readonly known: ReadonlyMap<string, Known>
  readonly mocks: readonly PasswordVerifier[]
} {
  const found = new Map<string, Known>()
  const mocks = new Map<string, PasswordVerifier>()
  for (const { name, role, password, token } of users) {
    if (found.has(name)) throw wrong(`admin user "${name}" is there twice`)
    const verifier = password === undefined ? undefined : parsePassword(password)
    if (password !== undefined && verifier === undefined) {
      throw wrong(`what admin user "${name}" has for a password is no verifier of a password`)
    }
    const hash = token === undefined ? undefined : tokenHash(name, token)
    found.set(name, { name, role, verifier, token: hash })
    if (verifier !== undefined && !mocks.has(verifier.cost)) {
      mocks.set(verifier.cost, verifier.mock())
    }
  }
  return { known: found, mocks: [...mocks.values()] }
}

function tokenHash(name: string, token: string): Buffer {
  const hex = /^sha256:([0-9a-f]{64})$/i.exec(token)?.[1]
  if (hex !== undefined) return Buffer.from(hex, 'hex')
  if (token.length >= SHORTEST_TOKEN && /^[\x21-\x7e]+$/.test(token)) return sha256(token)
  throw wrong(
    `the token of admin user "${name}" is no token: at least ${SHORTEST_TOKEN} characters without spaces, or sha256: and the hash of one`,
  )
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest()
}

function wrong(message: string): WeirError {
  return new WeirError('WEIR_ADMIN_USERS', message, {
    sqlstate: 'F0000',
    hint: 'weir admin-user makes an entry for admin.users.',
  })
}
