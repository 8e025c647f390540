import { describe, expect, it } from 'vitest'
import type { Verifier } from '../../../src/auth/credential.ts'
import { md5Response } from '../../../src/auth/md5.ts'
import { Rotation } from '../../../src/auth/rotation.ts'
import { ScramClient } from '../../../src/auth/scram-client.ts'
import { deriveKeys, formatVerifier } from '../../../src/auth/scram-keys.ts'
import { ScramServer } from '../../../src/auth/scram-server.ts'
import type { SecretEntry } from '../../../src/auth/secret-file.ts'
import { Secrets } from '../../../src/auth/secrets.ts'

const entry = (password: string, username = 'app'): SecretEntry => ({
  username,
  password,
  source: 'test',
})

/** Whether a client with that password gets in. */
async function opens(verifier: Verifier, password: string): Promise<boolean> {
  const server = new ScramServer({
    verifier: verifier.scram,
    others: (verifier.others ?? []).map(({ scram }) => scram),
    known: verifier.holds === 'both' || verifier.holds === 'scram',
    nonce: 'b'.repeat(24),
  })
  const client = new ScramClient('a'.repeat(24))
  const { salt, iterations } = client.challenge(server.begin(client.begin()))
  const verdict = server.finish(client.respond(await deriveKeys(password, salt, iterations)))
  if (verdict.kind === 'wrong') return false
  // Throws when the server proved another password than ours.
  client.verify(verdict.data)
  return true
}

async function verifierText(password: string, salt: string, iterations = 4096): Promise<string> {
  const bytes = Buffer.from(salt.padEnd(16, '.'))
  const { storedKey, serverKey } = await deriveKeys(password, bytes, iterations)
  return formatVerifier({ salt: bytes, iterations, storedKey, serverKey })
}

describe('the turns of a password', () => {
  it('leave the former one right until the window closes', () => {
    const rotation = new Rotation(1_000)
    expect(rotation.take([entry('one')], 0)).toEqual([entry('one')])
    const also = [{ password: 'one', until: 1_500, doors: true }]
    expect(rotation.take([entry('two')], 500)).toEqual([{ ...entry('two'), also }])
    expect(rotation.take([entry('two')], 1_499)).toEqual([{ ...entry('two'), also }])
    expect(rotation.take([entry('two')], 1_500)).toEqual([entry('two')])
  })

  it('do not bring back a user who was taken out of the list', () => {
    const rotation = new Rotation(1_000)
    rotation.take([entry('one'), entry('x', 'other')], 0)
    expect(rotation.take([entry('x', 'other')], 1)).toEqual([entry('x', 'other')])
    expect(rotation.take([entry('two')], 2)).toEqual([entry('two')])
  })

  it('may come back to a former one, which is then right without an end', () => {
    const rotation = new Rotation(1_000)
    rotation.take([entry('one')], 0)
    rotation.take([entry('two')], 1)
    const also = [{ password: 'two', until: 1_002, doors: true }]
    expect(rotation.take([entry('one')], 2)).toEqual([{ ...entry('one'), also }])
  })

  it('are as many as happen within a window, the last three at most', () => {
    const rotation = new Rotation(1_000)
    for (const [now, password] of ['a', 'b', 'c', 'd', 'e'].entries()) {
      rotation.take([entry(password)], now)
    }
    const [last] = rotation.take([entry('e')], 4)
    expect(last?.also?.map(({ password }) => password)).toEqual(['d', 'c', 'b'])
  })

  it('end at once without a window', () => {
    const rotation = new Rotation(0)
    rotation.take([entry('one')], 0)
    expect(rotation.take([entry('two')], 0)).toEqual([entry('two')])
  })

  it('end sooner for those that were replaced already, when the window is made shorter', () => {
    const rotation = new Rotation(1_000)
    rotation.take([entry('one')], 0)
    rotation.take([entry('two')], 100)
    rotation.windowMs = 300
    const also = [{ password: 'one', until: 400, doors: true }]
    expect(rotation.take([entry('two')], 200)).toEqual([{ ...entry('two'), also }])
    rotation.windowMs = 0
    expect(rotation.take([entry('two')], 201)).toEqual([entry('two')])
  })

  it('do not go on for longer when the window is made longer', () => {
    const rotation = new Rotation(1_000)
    rotation.take([entry('one')], 0)
    rotation.take([entry('two')], 100)
    rotation.windowMs = 5_000
    expect(rotation.take([entry('two')], 1_100)).toEqual([entry('two')])
  })

  it('keep what a source itself says is right, and do not remember it as a former one', () => {
    const rotation = new Rotation(1_000)
    const pending = { password: 'next', until: Infinity, doors: false }
    rotation.take([{ ...entry('one'), also: [pending] }], 0)
    const [now] = rotation.take([entry('next')], 5)
    expect(now?.also).toEqual([{ password: 'one', until: 1_005, doors: true }])
  })
})

describe('secrets that are rotated', () => {
  const old = (until: number, doors = true) => [{ password: 'old', until, doors }]

  async function secretsAt(now: () => number, entries: readonly SecretEntry[]): Promise<Secrets> {
    const secrets = new Secrets(Buffer.alloc(32, 7), now)
    await secrets.replace(entries)
    return secrets
  }

  it('open the door with either password, and with the former one only in time', async () => {
    let now = 0
    const secrets = await secretsAt(() => now, [{ ...entry('new'), also: old(100) }])
    const during = secrets.verifierOf('app')
    expect(await opens(during, 'new')).toBe(true)
    expect(await opens(during, 'old')).toBe(true)
    expect(await opens(during, 'other')).toBe(false)
    now = 100
    expect(await opens(secrets.verifierOf('app'), 'new')).toBe(true)
    expect(await opens(secrets.verifierOf('app'), 'old')).toBe(false)
  })

  it('open no door with a password that only a node may know yet', async () => {
    const secrets = await secretsAt(() => 0, [{ ...entry('new'), also: old(Infinity, false) }])
    expect(await opens(secrets.verifierOf('app'), 'old')).toBe(false)
    const proof = secrets.proofOf('app')!
    expect(await secrets.another('app', [proof])).toEqual({ kind: 'password', password: 'old' })
  })

  it.each([
    ['a password that takes the place of a stored one', false, true],
    ['a stored one that takes the place of a password', true, false],
  ])('show one salt for both: %s', async (_, newStored, oldStored) => {
    const form = (password: string, stored: boolean) =>
      stored ? verifierText(password, 'salt', 5_000) : password
    const [next, former] = [await form('new', newStored), await form('old', oldStored)]
    const also = [{ password: former, until: 100, doors: true }]
    const secrets = await secretsAt(() => 0, [{ ...entry(next), also }])
    const verifier = secrets.verifierOf('app')
    expect(verifier.scram.iterations).toBe(5_000)
    expect(await opens(verifier, 'new')).toBe(true)
    expect(await opens(verifier, 'old')).toBe(true)
    expect(await opens(verifier, 'other')).toBe(false)
  })

  it('can show only one of two stored ones with salts of their own: the new one', async () => {
    const also = [{ password: await verifierText('old', 'one'), until: 100, doors: true }]
    const next = await verifierText('new', 'two')
    const secrets = await secretsAt(() => 0, [{ ...entry(next), also }])
    expect(await opens(secrets.verifierOf('app'), 'new')).toBe(true)
    expect(await opens(secrets.verifierOf('app'), 'old')).toBe(false)
  })

  it('hold what md5 needs of both', async () => {
    const secrets = await secretsAt(() => 0, [{ ...entry('new'), also: old(100) }])
    const { md5, others = [] } = secrets.verifierOf('app')
    const salt = Buffer.from('salt')
    const shown = [md5, ...others.map((one) => one.md5)].map((hash) => md5Response(hash, salt))
    expect(new Set(shown).size).toBe(2)
  })

  it('go on with the password a node took, until a node takes the new one', async () => {
    const secrets = await secretsAt(() => 0, [entry('old')])
    const taken: string[] = []
    secrets.onTaken = (user) => taken.push(user)
    await secrets.replace([{ ...entry('new'), also: old(100) }])
    const [next, former] = ['new', 'old'].map(
      (password) => ({ kind: 'password', password }) as const,
    )
    expect(secrets.proofOf('app')).toEqual(next)
    expect(await secrets.another('app', [next!])).toEqual(former)
    secrets.worked('app', former!)
    expect(secrets.proofOf('app')).toEqual(former)
    expect(taken).toEqual([])
    expect(await secrets.another('app', [former!])).toEqual(next)
    secrets.worked('app', next!)
    secrets.worked('app', next!)
    expect(secrets.proofOf('app')).toEqual(next)
    expect(taken).toEqual(['app'])
  })

  it('are looked for anew when a node takes none, and the find is tried', async () => {
    const secrets = await secretsAt(() => 0, [entry('old')])
    const proof = secrets.proofOf('app')!
    expect(await secrets.another('app', [proof])).toBeUndefined()
    secrets.onDoubt = () => secrets.replace([entry('new')])
    expect(await secrets.another('app', [proof])).toEqual({ kind: 'password', password: 'new' })
  })

  it('keep a ClientKey that was learned, as long as the stored password is the same', async () => {
    const stored = await verifierText('s3cret', 'salt')
    const secrets = await secretsAt(() => 0, [entry(stored)])
    const { scram } = secrets.verifierOf('app')
    const { clientKey } = await deriveKeys('s3cret', scram.salt, scram.iterations)
    secrets.learned('app', scram, clientKey)
    await secrets.replace([entry(stored), entry('x', 'other')])
    expect(secrets.proofOf('app')?.kind).toBe('scram-keys')
    await secrets.replace([entry(await verifierText('s3cret', 'other'))])
    expect(secrets.proofOf('app')).toBeUndefined()
  })
})
