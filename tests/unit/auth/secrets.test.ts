import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { md5Hash } from '../../../src/auth/md5.ts'
import { deriveKeys, formatVerifier } from '../../../src/auth/scram-keys.ts'
import { parseSecrets, readSecretFile } from '../../../src/auth/secret-file.ts'
import { Secrets } from '../../../src/auth/secrets.ts'
import { messageOf, WeirError } from '../../../src/core/errors.ts'

const folder = mkdtempSync(join(tmpdir(), 'weir-secrets-'))
afterAll(() => rmSync(folder, { recursive: true }))

const entry = (username: string, password: string, source = 'inline') => ({
  username,
  password,
  source,
})

async function failure(work: () => unknown): Promise<WeirError> {
  try {
    await work()
  } catch (error) {
    expect(error).toBeInstanceOf(WeirError)
    return error as WeirError
  }
  throw new Error('nothing was thrown')
}

describe('a secrets file', () => {
  it('may hold one secret in the shape RDS uses', async () => {
    const path = join(folder, 'one.json')
    writeFileSync(path, '{"engine":"postgres","username":"app","password":"s3cret","port":5432}')
    expect(await readSecretFile(path)).toEqual([entry('app', 's3cret', path)])
  })

  it('may hold several', () => {
    const text = '[{"username":"a","password":"1"},{"username":"b","password":"2"}]'
    expect(parseSecrets(text, 'f')).toEqual([
      entry('a', '1', 'f, entry 1'),
      entry('b', '2', 'f, entry 2'),
    ])
  })

  it.each([
    ['is not JSON', '{"username":"app","password":"s3cret"', 'secrets file f is not valid JSON'],
    ['holds a string', '"s3cret"', 'f is not an object with "username" and "password"'],
    ['holds nobody', '[]', 'secrets file f holds an empty list'],
    ['lacks a username', '[{"password":"s3cret"}]', 'f, entry 1 has no "username"'],
    ['lacks a password', '{"username":"s3cret"}', 'f has no "password"'],
    ['has an empty password', '{"username":"a","password":""}', 'f: "password" is empty'],
    ['has a number', '{"username":"s3cret","password":5}', 'f: "password" is not a string'],
    [
      'has a zero byte',
      '{"username":"a","password":"s3cret\\u0000"}',
      'f: "password" contains a zero byte',
    ],
  ])('that %s is refused without quoting it', async (_, text, message) => {
    const error = await failure(() => parseSecrets(text, 'f'))
    expect(error.message).toBe(message)
    expect(inspect(error)).not.toContain('s3cret')
  })

  it('that is missing is named', async () => {
    const error = await failure(() => readSecretFile('/nowhere/secrets.json'))
    expect(messageOf(error)).toBe('cannot read secrets file /nowhere/secrets.json: ENOENT')
  })
})

describe('secrets', () => {
  it('answer for a plain password with a verifier and the password', async () => {
    const secrets = await Secrets.of([entry('app', 's3cret')])
    const verifier = secrets.verifierOf('app')
    const { storedKey, serverKey } = await deriveKeys('s3cret', verifier.scram.salt, 4096)
    expect(verifier).toMatchObject({
      holds: 'both',
      scram: { iterations: 4096, storedKey, serverKey },
      md5: md5Hash('s3cret', 'app'),
    })
    expect(secrets.proofOf('app')).toEqual({ kind: 'password', password: 's3cret' })
  })

  it('answer for an unknown name with a mock that never changes', async () => {
    const secrets = await Secrets.of([entry('app', 's3cret')])
    const mock = secrets.verifierOf('nobody')
    expect(mock).toEqual(secrets.verifierOf('nobody'))
    expect(mock.holds).toBe('neither')
    expect(mock.scram.salt).toHaveLength(16)
    expect(mock.scram.salt).not.toEqual(secrets.verifierOf('nobody2').scram.salt)
    expect(secrets.proofOf('nobody')).toBeUndefined()
  })

  it('keep the salt of a name whether it is known or not, over a reload', async () => {
    const secrets = await Secrets.of([])
    const before = secrets.verifierOf('app').scram.salt
    await secrets.replace([entry('app', 's3cret')])
    expect(secrets.verifierOf('app').scram.salt).toEqual(before)
    const verifier = secrets.verifierOf('app')
    await secrets.replace([entry('app', 's3cret'), entry('b', 'x')])
    expect(secrets.verifierOf('app')).toBe(verifier)
    await secrets.replace([entry('app', 'other')])
    expect(secrets.verifierOf('app')).not.toEqual(verifier)
    expect(secrets.usernames()).toEqual(['app'])
  })

  it('take a stored SCRAM verifier, and learn the key to a node from a login', async () => {
    const salt = Buffer.from('0123456789abcdef')
    const keys = await deriveKeys('s3cret', salt, 5000)
    const secrets = await Secrets.of([
      entry('app', formatVerifier({ salt, iterations: 5000, ...keys })),
    ])
    const { scram, holds } = secrets.verifierOf('app')
    expect(scram).toMatchObject({ salt, iterations: 5000, storedKey: keys.storedKey })
    expect(holds).toBe('scram')
    expect(secrets.proofOf('app')).toBeUndefined()
    secrets.learned('app', { ...scram }, Buffer.alloc(32))
    expect(secrets.proofOf('app')).toBeUndefined()
    secrets.learned('app', scram, keys.clientKey)
    expect(secrets.proofOf('app')).toEqual({ kind: 'scram-keys', keys, salt, iterations: 5000 })
  })

  it('take a stored md5 hash', async () => {
    const hash = md5Hash('s3cret', 'app')
    const secrets = await Secrets.of([entry('app', hash)])
    expect(secrets.verifierOf('app')).toMatchObject({ holds: 'md5', md5: hash })
    expect(secrets.proofOf('app')).toEqual({ kind: 'md5-hash', hash })
  })

  it('refuse two secrets for one user and keep what they had', async () => {
    const secrets = await Secrets.of([entry('app', 's3cret')])
    const error = await failure(() =>
      secrets.replace([entry('b', 's3cret', 'f1'), entry('b', 'x', 'f2')]),
    )
    expect(error.message).toBe('user "b" has two secrets: f1 and f2')
    expect(secrets.usernames()).toEqual(['app'])
  })

  it('never show one', async () => {
    const secrets = await Secrets.of([entry('app', 's3cret')])
    for (const shown of [
      inspect(secrets, { depth: 9, showHidden: true }),
      JSON.stringify({ secrets }),
      `${secrets}`,
    ]) {
      expect(shown).not.toContain('s3cret')
    }
    expect(inspect(secrets)).toBe('Secrets(1 users)')
  })
})
