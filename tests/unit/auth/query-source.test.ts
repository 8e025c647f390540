import { beforeEach, describe, expect, it } from 'vitest'
import { md5Hash } from '../../../src/auth/md5.ts'
import { QueriedUsers, type StoredUser } from '../../../src/auth/query-source.ts'
import { deriveKeys, formatVerifier } from '../../../src/auth/scram-keys.ts'
import { Secrets } from '../../../src/auth/secrets.ts'
import { UserLookup } from '../../../src/auth/user-lookup.ts'
import { FakeClock } from '../../../src/core/clock.ts'
import { silentLog } from '../../../src/core/log.ts'

interface Question {
  readonly username: string
  readonly signal: AbortSignal
  answer(user: StoredUser | undefined): void
  fail(error: Error): void
}

let clock: FakeClock
let asked: Question[]
let counted: Record<string, number>
let users: QueriedUsers
const secrets = new Secrets(Buffer.alloc(32, 3))

beforeEach(() => {
  clock = new FakeClock()
  asked = []
  counted = {}
  users = new QueriedUsers({
    ask: (username, signal) =>
      new Promise((answer, fail) => asked.push({ username, signal, answer, fail })),
    mockOf: (username) => secrets.mockOf(username),
    clock,
    log: silentLog,
    count: (what) => {
      counted[what] = (counted[what] ?? 0) + 1
    },
    cacheMs: 30_000,
    negativeCacheMs: 5_000,
    keepMs: 3_600_000,
    timeoutMs: 5_000,
    connections: 2,
  })
})

const stored = async (password: string, salt = 'salt'): Promise<string> => {
  const bytes = Buffer.from(salt.padEnd(16, '.'))
  const { storedKey, serverKey } = await deriveKeys(password, bytes, 4096)
  return formatVerifier({ salt: bytes, iterations: 4096, storedKey, serverKey })
}

const user = (text: string | null, validUntil = Infinity): StoredUser => ({
  stored: text,
  validUntil,
})

/** Lets every promise that is ready run. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

/** Looks one up and has the node answer. */
async function look(username: string, answer: StoredUser | undefined) {
  const found = users.verifierOf(username)
  await settle()
  asked.at(-1)!.answer(answer)
  return await found
}

describe('a user who is looked up', () => {
  it('is asked for once, however many come at once, and then remembered for a while', async () => {
    const text = await stored('pw')
    const both = [users.verifierOf('app'), users.verifierOf('app')]
    expect(asked).toHaveLength(1)
    asked[0]!.answer(user(text))
    const [one, other] = await Promise.all(both)
    expect(one).toBe(other)
    expect(one?.holds).toBe('scram')
    clock.advance(29_999)
    expect(users.verifierOf('app')).toBe(one)
    clock.advance(1)
    expect(users.verifierOf('app')).toBeInstanceOf(Promise)
    expect(asked).toHaveLength(2)
  })

  it('who does not exist, or has no password, is a mock as any invented name is', async () => {
    const mock = secrets.mockOf('ghost')
    expect(await look('ghost', undefined)).toEqual(mock)
    expect(users.verifierOf('ghost')).toEqual(mock)
    clock.advance(5_000)
    expect(await look('ghost', user(null))).toEqual(mock)
    expect(counted).toMatchObject({ unknown: 1, found: 1, 'no-password': 1 })
  })

  it('whose password has ended is a mock from that moment, remembered or not', async () => {
    const until = clock.wall() + 10_000
    expect((await look('app', user(await stored('pw'), until))).holds).toBe('scram')
    clock.advance(9_999)
    expect(users.verifierOf('app')).toMatchObject({ holds: 'scram' })
    clock.advance(1)
    expect(users.verifierOf('app')).toEqual(secrets.mockOf('app'))
    expect(await look('past', user(await stored('pw'), -Infinity))).toEqual(secrets.mockOf('past'))
  })

  it('with an md5 password can be logged in at once, with another form never', async () => {
    const hash = md5Hash('pw', 'app')
    expect(await look('app', user(hash))).toMatchObject({ holds: 'md5', md5: hash })
    expect(users.proofOf('app')).toEqual({ kind: 'md5-hash', hash })
    expect((await look('odd', user('pw'))).holds).toBe('neither')
    expect(counted.strange).toBe(1)
  })

  it('gives the key that logs in to nodes with its first proof, until the password is another', async () => {
    const text = await stored('pw')
    const { scram } = await look('app', user(text))
    expect(users.proofOf('app')).toBeUndefined()
    const keys = await deriveKeys('pw', scram.salt, scram.iterations)
    users.learned('app', scram, keys.clientKey)
    expect(users.proofOf('app')).toMatchObject({ kind: 'scram-keys', keys })
    clock.advance(30_000)
    await look('app', user(text))
    expect(users.proofOf('app')?.kind).toBe('scram-keys')
    clock.advance(30_000)
    const next = await look('app', user(await stored('pw2', 'other')))
    expect(users.proofOf('app')).toBeUndefined()
    // A proof against the former verifier, of a login that had begun before, teaches nothing.
    users.learned('app', scram, keys.clientKey)
    expect(users.proofOf('app')).toBeUndefined()
    expect(next.scram.salt).not.toEqual(scram.salt)
  })

  it('is asked for anew after a wrong proof, but not each time', async () => {
    await look('app', user(await stored('pw')))
    await look('ghost', undefined)
    users.doubted('app')
    users.doubted('ghost')
    clock.advance(999)
    expect(users.verifierOf('app')).not.toBeInstanceOf(Promise)
    expect(users.verifierOf('ghost')).not.toBeInstanceOf(Promise)
    clock.advance(1)
    // Whoever guesses learns nothing from how long it takes.
    expect(users.verifierOf('app')).toBeInstanceOf(Promise)
    expect(users.verifierOf('ghost')).toBeInstanceOf(Promise)
  })

  it('is asked for when a node refuses what is held of it', async () => {
    const hash = md5Hash('pw', 'app')
    await look('app', user(hash))
    const held = users.proofOf('app')!
    const another = users.another('app', [held])
    asked.at(-1)!.answer(user(md5Hash('pw2', 'app')))
    expect(await another).toEqual({ kind: 'md5-hash', hash: md5Hash('pw2', 'app') })
    const same = users.another('app', [users.proofOf('app')!])
    asked.at(-1)!.answer(user(md5Hash('pw2', 'app')))
    expect(await same).toBeUndefined()
  })
})

describe('while no node can be asked', () => {
  it('what was last heard holds on, but not for ever', async () => {
    const known = await look('app', user(await stored('pw')))
    clock.advance(30_000)
    const kept = users.verifierOf('app')
    asked.at(-1)!.fail(new Error('no node is up'))
    expect(await kept).toBe(known)
    expect(counted.kept).toBe(1)
    clock.advance(3_600_000)
    const late = users.verifierOf('app')
    asked.at(-1)!.fail(new Error('no node is up'))
    await expect(late).rejects.toThrow('no node is up')
  })

  it('a name from before is not let in on what was never heard', async () => {
    const found = users.verifierOf('app')
    asked[0]!.fail(new Error('no node is up'))
    await expect(found).rejects.toThrow('no node is up')
    // The next login asks again.
    void users.verifierOf('app')
    expect(asked).toHaveLength(2)
  })

  it('a question without an answer is given up in time', async () => {
    const found = users.verifierOf('app')
    const failed = expect(found).rejects.toThrow('no answer within 5000 ms')
    clock.advance(5_000)
    await failed
    expect(asked[0]!.signal.aborted).toBe(true)
  })
})

describe('a flood of invented names', () => {
  it('is asked for a few at a time, and users known from before go first', async () => {
    await look('app', user(await stored('pw')))
    clock.advance(30_000)
    const flood = Array.from({ length: 50 }, (_, i) => users.verifierOf(`x${i}`))
    for (const one of flood) void Promise.resolve(one).catch(() => {})
    const app = users.verifierOf('app')
    expect(asked.slice(1).map((q) => q.username)).toEqual(['x0', 'x1'])
    asked[1]!.answer(undefined)
    await settle()
    expect(asked[3]?.username).toBe('app')
    asked[3]!.answer(user(await stored('pw')))
    expect((await app).holds).toBe('scram')
  })

  it('waits in a line that has an end', async () => {
    const flood = Array.from({ length: 1_003 }, (_, i) =>
      Promise.resolve(users.verifierOf(`x${i}`)).then(
        () => 'answered',
        (error: Error) => error.message,
      ),
    )
    expect(await flood.at(-1)).toBe('too many users are being looked up')
    expect(counted.crowded).toBe(1)
    clock.advance(5_000)
    expect((await Promise.all(flood)).slice(0, 1_002)).toEqual(
      Array.from({ length: 1_002 }, () => 'no answer within 5000 ms'),
    )
  })

  it('pushes no user out of what is remembered', async () => {
    const known = await look('app', user(await stored('pw')))
    for (let i = 0; i < 10_100; i++) {
      const found = users.verifierOf(`x${i}`)
      asked.at(-1)!.answer(undefined)
      await found
    }
    expect(users.verifierOf('app')).toBe(known)
    // The oldest of the invented ones is forgotten, the newest is not.
    expect(users.verifierOf('x10099')).not.toBeInstanceOf(Promise)
    expect(users.verifierOf('x0')).toBeInstanceOf(Promise)
  })
})

it('users of the secrets are never looked up', async () => {
  const own = await Secrets.of([{ username: 'app', password: 'pw', source: 'test' }])
  const lookup = new UserLookup(own, users)
  expect(lookup.verifierOf('app')).toMatchObject({ holds: 'both' })
  expect(lookup.proofOf('app')).toEqual({ kind: 'password', password: 'pw' })
  expect(asked).toEqual([])
  void lookup.verifierOf('other')
  expect(asked.map((q) => q.username)).toEqual(['other'])
})

it('A name longer than any that Postgres has is asked for nowhere, and not remembered', () => {
  const name = 'x'.repeat(257)
  expect(users.verifierOf(name)).toEqual(secrets.mockOf(name))
  expect(asked).toEqual([])
})

it('A wrong proof takes the same way for users of the secrets and for all others', async () => {
  const own = await Secrets.of([{ username: 'app', password: 'pw', source: 'test' }])
  let looked = 0
  own.onDoubt = async () => {
    looked++
  }
  const lookup = new UserLookup(own, users)
  expect(await lookup.doubted('app')).toMatchObject({ holds: 'both' })
  expect(await lookup.doubted('other')).toMatchObject({ holds: 'neither' })
  expect(looked).toBe(2)
})
