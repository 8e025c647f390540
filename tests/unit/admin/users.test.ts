/** Admin users: who is let in by what, how often a password may be tried, and what a stranger learns. */
import { createHash } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { Attempts } from '../../../src/admin/attempts.ts'
import { parsePassword, passwordLine } from '../../../src/admin/password.ts'
import { AdminUsers, type Verdict } from '../../../src/admin/users.ts'
import { deriveKeys, formatVerifier } from '../../../src/auth/scram-keys.ts'
import { FakeClock } from '../../../src/core/clock.ts'

const TOKEN = 'a-token-that-is-long-enough-to-be-one'
const HASH = `sha256:${createHash('sha256').update(TOKEN).digest('hex')}`

let line: string
let scram: string
/** Of alice's password, and quick. */
let quick: string

async function verifierOf(password: string): Promise<string> {
  const salt = Buffer.alloc(16, 7)
  const { storedKey, serverKey } = await deriveKeys(password, salt, 4096)
  return formatVerifier({ iterations: 4096, salt, storedKey, serverKey })
}

beforeAll(async () => {
  line = await passwordLine('correct horse')
  scram = await verifierOf('battery staple')
  quick = await verifierOf('correct horse')
})

const basic = (name: string, password: string): string =>
  `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`

function users(alice = line): { users: AdminUsers; clock: FakeClock } {
  const clock = new FakeClock()
  const all = [
    { name: 'alice', role: 'operate', password: alice },
    { name: 'bob', role: 'view', password: scram },
    { name: 'prometheus', role: 'view', token: HASH },
    { name: 'robot', role: 'operate', token: 'another-token-in-clear-of-a-file' },
  ] as const
  return { users: new AdminUsers(all, () => clock.monotonic()), clock }
}

describe('an admin user', () => {
  test('is known by a password or a token, with the role it was given', async () => {
    const { users: all } = users()
    const known = (name: string, role: string): object => ({ kind: 'known', who: { name, role } })
    expect(await all.ask(basic('alice', 'correct horse'), 'a')).toEqual(known('alice', 'operate'))
    expect(await all.ask(basic('bob', 'battery staple'), 'a')).toEqual(known('bob', 'view'))
    expect(await all.ask(`Bearer ${TOKEN}`, 'a')).toEqual(known('prometheus', 'view'))
    expect(await all.ask('bearer another-token-in-clear-of-a-file', 'a')).toEqual(
      known('robot', 'operate'),
    )
  })

  test('is nobody without a header, and wrong with a wrong one', async () => {
    const { users: all } = users()
    expect(await all.ask(undefined, 'a')).toEqual({ kind: 'nobody' })
    const wrong = [
      basic('alice', 'correct hors'),
      basic('alice', ''),
      basic('alice', 'x'.repeat(5_000)),
      basic('bob', 'correct horse'),
      basic('prometheus', TOKEN),
      basic('', ''),
      'Basic',
      'Basic !!!',
      `Basic ${Buffer.from('no colon').toString('base64')}`,
      'Bearer',
      `Bearer ${HASH}`,
      `Bearer ${TOKEN}x`,
      'Digest username="alice"',
      '',
    ]
    for (const [i, header] of wrong.entries()) {
      expect((await all.ask(header, `from ${i}`)).kind, header.slice(0, 40)).toBe('wrong')
    }
  })

  test('is told of by name only where it exists', async () => {
    const { users: all } = users()
    expect(await all.ask(basic('alice', 'x'), 'a')).toEqual({ kind: 'wrong', name: 'alice' })
    expect(await all.ask(basic('hunter2', 'x'), 'a')).toEqual({ kind: 'wrong', name: undefined })
  })

  test('is checked again when its password is another', async () => {
    const { users: all } = users()
    const header = basic('alice', 'correct horse')
    expect((await all.ask(header, 'a')).kind).toBe('known')
    all.replace([{ name: 'alice', role: 'operate', password: await passwordLine('new') }])
    expect((await all.ask(header, 'a')).kind).toBe('wrong')
    expect((await all.ask(basic('alice', 'new'), 'a')).kind).toBe('known')
    expect((await all.ask(`Bearer ${TOKEN}`, 'b')).kind).toBe('wrong')
  })

  test('cannot have a password in clear, a weak verifier, a short token or a second entry', () => {
    const { users: all } = users()
    const bad = [
      { password: 'correct horse' },
      { password: 'scrypt$10$8$1$AAAAAAAAAAAAAAAAAAAAAA==$AAAA' },
      { password: line.replace('scrypt$15', 'scrypt$30') },
      { password: scram.replace('$4096:', '$10000000:') },
      { password: scram.replace('$4096:', '$1:') },
      { token: 'short' },
      { token: 'with spaces in it, and so no token' },
    ]
    for (const one of bad) {
      const entry = { name: 'x', role: 'view', ...one } as const
      expect(() => all.replace([entry]), JSON.stringify(one)).toThrow('admin user "x"')
    }
    const twice = { name: 'x', role: 'view', token: HASH } as const
    expect(() => all.replace([twice, twice])).toThrow('there twice')
    expect(all.size).toBe(4)
  })
})

describe('trying passwords', () => {
  const ask = (all: AdminUsers, source: string, name = 'alice'): Promise<Verdict> =>
    all.ask(basic(name, 'wrong'), source)

  test('is answered with a growing wait, for that user from there alone', async () => {
    const { users: all, clock } = users(quick)
    for (let i = 0; i < 5; i++) expect((await ask(all, 'a')).kind).toBe('wrong')
    expect(await ask(all, 'a')).toEqual({ kind: 'later', waitMs: 1_000 })
    // Not even the right one: whether it was would be known otherwise.
    expect((await all.ask(basic('alice', 'correct horse'), 'a')).kind).toBe('later')
    expect((await all.ask(basic('alice', 'correct horse'), 'b')).kind).toBe('known')
    expect((await all.ask(basic('bob', 'battery staple'), 'a')).kind).toBe('known')
    clock.advance(1_000)
    expect((await ask(all, 'a')).kind).toBe('wrong')
    expect(await ask(all, 'a')).toEqual({ kind: 'later', waitMs: 2_000 })
    clock.advance(2_000)
    expect((await all.ask(basic('alice', 'correct horse'), 'a')).kind).toBe('known')
    expect((await ask(all, 'a')).kind).toBe('wrong')
  })

  test('is no different for names that do not exist', async () => {
    const { users: all } = users(quick)
    const kinds = async (name: string): Promise<string[]> => {
      const said: string[] = []
      for (let i = 0; i < 7; i++) said.push((await ask(all, `from ${name}`, name)).kind)
      return said
    }
    expect(await kinds('nobody')).toEqual(await kinds('alice'))
  })

  test('many at once is no way around', async () => {
    const { users: all } = users(quick)
    const verdicts = await Promise.all(Array.from({ length: 16 }, () => ask(all, 'a')))
    expect(verdicts.filter(({ kind }) => kind === 'wrong')).toHaveLength(5)
  })

  test('with a list of names is bounded by where it comes from', async () => {
    const clock = new FakeClock()
    const attempts = new Attempts(() => clock.monotonic())
    for (let i = 0; i < 30; i++) {
      expect(attempts.wait('a', `name ${i}`)).toBe(0)
      attempts.wrong('a', `name ${i}`)
    }
    expect(attempts.wait('a', 'name 31')).toBe(1_000)
    expect(attempts.wait('b', 'name 31')).toBe(0)
    clock.advance(1_000)
    expect(attempts.wait('a', 'name 31')).toBe(0)
  })

  test('remembers no more than a bound, whoever comes', () => {
    const attempts = new Attempts(() => 0)
    for (let i = 0; i < 20_000; i++) attempts.wrong(`source ${i}`, 'alice')
    expect(attempts.remembered).toBeLessThanOrEqual(4_096)
  })

  test('costs the same for every name: each check derives by every cost that occurs', async () => {
    const scrypt = parsePassword(line)!
    const other = parsePassword(scram)!
    expect([scrypt.mock().cost, other.mock().cost]).toEqual(['scrypt 15 8 1', 'scram 4096'])
    expect(await scrypt.mock().matches('correct horse')).toBe(false)
    expect(await other.mock().matches('battery staple')).toBe(false)
    expect(await scrypt.matches('correct horse')).toBe(true)
  })
})
