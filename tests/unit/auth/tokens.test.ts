import { inspect } from 'node:util'
import { Signer } from '@aws-sdk/rds-signer'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AccessKey, makeToken, type TokenTerms } from '../../../src/auth/token-signing.ts'
import { looksLikeToken } from '../../../src/auth/token-text.ts'
import { fitsName, type TokenAudience, type TokenKey, Tokens } from '../../../src/auth/tokens.ts'

/** More by WEIR_FUZZ_RUNS. */
const RUNS = Number(process.env.WEIR_FUZZ_RUNS ?? 2_000)

const NOW = Date.UTC(2026, 10, 21, 9, 30, 0)
const KEY = { accessKeyId: 'AKIAWEIR', secretAccessKey: 'wJalr/XUt+nFEMI' }
const SESSION = { accessKeyId: 'ASIAWEIR', secretAccessKey: 'other', sessionToken: 'Fwo/GZ+==' }
const KEYS: TokenKey[] = [
  { ...KEY, users: ['alice', 'app_*'] },
  { ...SESSION, users: ['*'], until: NOW + 60_000 },
]
const AUDIENCE: TokenAudience = {
  region: 'eu-west-1',
  hosts: ['db.internal', 'localhost', 'lb.example:7000', '::1'],
  ports: [6432, 6433],
  clockSkewMs: 300_000,
}
const TERMS: TokenTerms = {
  host: 'db.internal',
  port: 6432,
  user: 'alice',
  region: 'eu-west-1',
  signedAt: NOW,
}

const judgeAt = (now: number) => new Tokens(KEYS, AUDIENCE, () => now)

async function faultOf(token: string, user = 'alice', now = NOW): Promise<string> {
  const verdict = await judgeAt(now).judge(token, user)
  return verdict.kind === 'good' ? 'good' : verdict.fault
}

const made = (terms: Partial<TokenTerms> = {}, key: AccessKey = KEY) =>
  makeToken({ ...TERMS, ...terms }, key)

describe('a token', () => {
  it('made here is good for its user, and names its key', async () => {
    const verdict = await judgeAt(NOW).judge(await made(), 'alice')
    expect(verdict).toEqual({ kind: 'good', accessKeyId: 'AKIAWEIR' })
  })

  it('is the very text that the signer of the AWS SDK makes', async () => {
    for (const key of [KEY, SESSION]) {
      const theirs = await new Signer({
        ...{ hostname: 'db.internal', port: 6432, username: 'al ice+é/*', region: 'eu-west-1' },
        credentials: key,
      }).getAuthToken()
      const date = /X-Amz-Date=([0-9TZ]+)/.exec(theirs)![1]!
      const iso = date.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5')
      const ours = await made({ user: 'al ice+é/*', signedAt: Date.parse(iso) }, key)
      expect(ours.split('&').sort()).toEqual(theirs.split('&').sort())
      expect(looksLikeToken(theirs)).toBe(true)
    }
  })

  it('of the AWS SDK is good, with temporary credentials too', async () => {
    for (const key of [KEY, SESSION]) {
      const token = await new Signer({
        ...{ hostname: 'DB.internal', port: 6433, username: 'app_one', region: 'eu-west-1' },
        credentials: key,
      }).getAuthToken()
      expect(await faultOf(token, 'app_one', Date.now())).toBe(key === KEY ? 'good' : 'key-expired')
    }
  })

  it('is good for 900 seconds and no longer', async () => {
    const token = await made()
    expect(await faultOf(token, 'alice', NOW + 899_999)).toBe('good')
    expect(await faultOf(token, 'alice', NOW + 900_000)).toBe('expired')
  })

  it('may come from a clock that is a little ahead', async () => {
    expect(await faultOf(await made({ signedAt: NOW + 300_000 }))).toBe('good')
    expect(await faultOf(await made({ signedAt: NOW + 301_000 }))).toBe('not-yet-valid')
  })

  it('lives as long as it says, when that is less', async () => {
    const token = await made({ lifetimeS: 60 })
    expect(await faultOf(token, 'alice', NOW + 59_000)).toBe('good')
    expect(await faultOf(token, 'alice', NOW + 61_000)).toBe('expired')
  })

  it.each([
    ['user', made({ user: 'bob' })],
    ['host', made({ host: 'elsewhere.internal' })],
    ['port', made({ port: 5432 })],
    ['port', made({ host: 'localhost', port: 7000 })],
    ['host', made({ host: 'lb.example', port: 6432 })],
    ['region', made({ region: 'us-east-1' })],
    ['lifetime', made({ lifetimeS: 901 })],
    ['expired', made({ signedAt: NOW - 901_000 })],
    ['unknown-key', made({}, { ...KEY, accessKeyId: 'AKIAOTHER' })],
    ['signature', made({}, { ...KEY, secretAccessKey: 'guessed' })],
    ['session-token', made({}, { ...KEY, sessionToken: 'made up' })],
    ['session-token', made({}, { ...SESSION, sessionToken: undefined })],
    ['malformed', made({}, { ...SESSION, sessionToken: 'long'.repeat(2_100) })],
    ['session-token', made({}, { ...SESSION, sessionToken: 'of another session' })],
  ])('is refused for its %s (case %#)', async (fault, token) => {
    expect(await faultOf(await token)).toBe(fault)
  })

  it('is refused for a user that its key may not log in', async () => {
    expect(await faultOf(await made({ user: 'root' }), 'root')).toBe('key-not-for-user')
  })

  it('of temporary credentials is refused once these have ended', async () => {
    const token = await made({}, SESSION)
    expect(await faultOf(token, 'alice', NOW + 60_000)).toBe('good')
    expect(await faultOf(token, 'alice', NOW + 60_001)).toBe('key-expired')
  })

  it('is refused in every other form than the signed one', async () => {
    const token = await made()
    const forms: [string, string][] = [
      ['malformed', token.replace('DBUser=alice', 'DBUser=alice&DBUser=alice')],
      ['malformed', token.replace('DBUser=alice', 'DBUser=%61lice')],
      ['malformed', `https://${token}`],
      ['malformed', `${token}&x=1`],
      ['malformed', `${token}&`],
      ['malformed', `${token}\n`],
      ['malformed', ` ${token}`],
      ['malformed', `${token}#`],
      ['malformed', token.replace('%2F', '%2f')],
      ['malformed', token.replace('%2F', '/')],
      ['malformed', token.replace('/?', '/other?')],
      ['malformed', token.replace(':6432/', ':06432/')],
      ['malformed', token.replace('SignedHeaders=host', 'SignedHeaders=')],
      ['malformed', token.replace('HMAC-SHA256', 'HMAC-SHA1')],
      ['malformed', token.replace(/&X-Amz-Signature=\w+/, '')],
      ['malformed', token.replace(/Signature=\w\w/, 'Signature=')],
      ['malformed', `${token}${'a'.repeat(9_000)}`],
      ['malformed', token.replace('X-Amz-Date=20261121T0930', 'X-Amz-Date=20261131T0930')],
      ['malformed', token.replace('X-Amz-Date=20261121T', 'X-Amz-Date=20261122T')],
      ['action', token.replace('Action=connect', 'Action=delete')],
      ['service', token.replace('rds-db', 's3')],
      ['signature', token.replace('DBUser=alice', 'DBUser=alice').replace('T093000Z', 'T093001Z')],
      ['lifetime', token.replace('Expires=900', 'Expires=86400')],
      ['malformed', token.replace('Expires=900', 'Expires=-1')],
    ]
    for (const [fault, form] of forms) expect([form, await faultOf(form)]).toEqual([form, fault])
  })

  it('may have its parameters in any order, since they are sorted to be signed', async () => {
    const [host, query] = (await made()).split('?') as [string, string]
    expect(await faultOf(`${host}?${query.split('&').reverse().join('&')}`)).toBe('good')
  })

  it('that was changed anywhere is never taken', async () => {
    const tokens = judgeAt(NOW)
    const sources = [await made(), await made({ host: 'localhost' }, SESSION)]
    const fields = (text: string) => text.replace('?', '&').split('&').sort().join('&')
    const junk = fc.oneof(
      fc.constantFrom('%', '&', '=', '?', '/', '0', 'a', 'A', '+', ' ', '\0', 'é', '%00', '&&'),
      fc.string({ maxLength: 4 }),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...sources),
        fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(3), junk), {
          minLength: 1,
          maxLength: 4,
        }),
        async (source, changes) => {
          let text = source
          for (const [where, taken, put] of changes) {
            const at = Math.floor(where * text.length)
            text = text.slice(0, at) + put + text.slice(at + taken)
          }
          const verdict = await tokens.judge(text, 'alice')
          // A host in capitals that was not signed so would be caught by its signature.
          expect(verdict.kind === 'good').toBe(fields(text) === fields(source))
        },
      ),
      { numRuns: RUNS },
    )
  })

  it('of one source is never good with a part of another', async () => {
    const tokens = judgeAt(NOW)
    const all = [
      await made(),
      await made({ signedAt: NOW - 60_000 }),
      await made({ host: 'localhost' }),
      await made({ user: 'app_one' }),
      await made({}, SESSION),
      await made({ lifetimeS: 30 }),
    ]
    const split = (text: string) => text.split(/[?&]/)
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...all),
        fc.array(fc.tuple(fc.constantFrom(...all), fc.nat(9)), { minLength: 1, maxLength: 5 }),
        async (source, loans) => {
          const parts = split(source)
          for (const [from, i] of loans) {
            const name = split(from)[i]?.split('=')[0]
            const at = parts.findIndex((part) => part.split('=')[0] === name)
            if (at > 0) parts[at] = split(from)[i]!
          }
          const text = `${parts[0]}?${parts.slice(1).join('&')}`
          const user = /DBUser=(\w+)/.exec(text)?.[1] ?? ''
          const verdict = await tokens.judge(text, user)
          const whole = all.some((one) => split(one).sort().join() === split(text).sort().join())
          expect(verdict.kind === 'good').toBe(whole)
        },
      ),
      { numRuns: RUNS / 4 },
    )
  })
})

describe('tokens', () => {
  it('are judged by other keys once these are replaced', async () => {
    const tokens = judgeAt(NOW)
    const token = await made()
    tokens.replace([{ ...KEY, secretAccessKey: 'rotated', users: ['*'] }], AUDIENCE)
    expect(await tokens.judge(token, 'alice')).toMatchObject({ fault: 'signature' })
    const next = await made({}, { ...KEY, secretAccessKey: 'rotated' })
    expect(await tokens.judge(next, 'alice')).toMatchObject({ kind: 'good' })
  })

  it('print no secret', () => {
    const tokens = judgeAt(NOW)
    for (const shown of [inspect(tokens, { depth: 9 }), JSON.stringify(tokens), `${tokens}`]) {
      expect(shown).not.toContain(KEY.secretAccessKey)
    }
  })

  it('say nothing of what was sent when they refuse', async () => {
    const verdict = await judgeAt(NOW).judge('secret-host:1/?X-Amz-Signature=secret', 'alice')
    expect(JSON.stringify(verdict)).not.toContain('secret')
  })
})

describe('a pattern of names', () => {
  it.each([
    ['alice', 'alice', true],
    ['alice', 'alicex', false],
    ['*', '', true],
    ['app_*', 'app_one', true],
    ['app_*', 'xapp_one', false],
    ['*_ro', 'app_ro', true],
    ['a*b*c', 'axbyc', true],
    ['a*b*c', 'acb', false],
    ['a*a', 'a', false],
    ['a*b*b', 'ab', false],
    ['(.+)', 'alice', false],
  ])('%s and the name %s: %s', (pattern, name, fits) => {
    expect(fitsName(pattern, name)).toBe(fits)
  })
})
