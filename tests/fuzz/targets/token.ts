/**
 * IAM tokens: right ones for other terms or keys, right ones damaged in a character or in a field, and
 * texts put together of their parts. Rule: the case says what the token was signed for and with what,
 * so the judge may say "good" only where all of that is ours, now, and the text was not touched.
 */
import { makeToken } from '../../../src/auth/token-signing.ts'
import { fitsName, type TokenAudience, type TokenKey, Tokens } from '../../../src/auth/tokens.ts'
import type { Target } from '../../support/fuzz.ts'
import { Draw, tamper } from '../../support/fuzz-draw.ts'

const NOW = Date.UTC(2026, 10, 21, 9, 30, 0)
const KEYS: TokenKey[] = [
  { accessKeyId: 'AKIAWEIR', secretAccessKey: 'wJalr/XUt+nFEMI', users: ['alice', 'app_*'] },
  {
    ...{ accessKeyId: 'ASIAWEIR', secretAccessKey: 'other', sessionToken: 'Fwo/GZ+==' },
    ...{ users: ['*'], until: NOW + 60_000 },
  },
]
const AUDIENCE: TokenAudience = {
  region: 'eu-west-1',
  hosts: ['db.internal', 'localhost', 'lb.example:7000', '::1'],
  ports: [6432, 6433],
  clockSkewMs: 300_000,
}
const tokens = new Tokens(KEYS, AUDIENCE, () => NOW)

interface Case {
  host: string
  port: number
  user: string
  region: string
  /** Seconds from now. */
  at: number
  lifetimeS: number
  key: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }
  /** Who says that he is. */
  as: string
  change: Change
}

type Change =
  | { do: 'nothing' }
  | { do: 'tamper'; tape: number[] }
  | { do: 'field'; name: string; value: string }
  | { do: 'twice' | 'drop' | 'swap' | 'encode' | 'case'; at: number }
  | { do: 'append'; text: string }

const NAMES = [
  'Action',
  'DBUser',
  'X-Amz-Algorithm',
  'X-Amz-Credential',
  'X-Amz-Date',
  'X-Amz-Expires',
  'X-Amz-Security-Token',
  'X-Amz-Signature',
  'X-Amz-SignedHeaders',
  '__proto__',
]

function make(draw: Draw): Case {
  const user = draw.pick(['alice', 'bob', 'app_1', 'al ice+é/*', 'ALICE', ''])
  return {
    host: draw.pick([
      'db.internal',
      'localhost',
      'DB.internal',
      'lb.example',
      '[::1]',
      'evil',
      'db.internal.',
      '',
    ]),
    port: draw.pick([6432, 6433, 7000, 5432, 0, 65_536]),
    user,
    region: draw.pick(['eu-west-1', 'us-east-1', 'eu-west-1a', '']),
    at: draw.pick([0, -899, -900, 299, 300, 301, -86_400, 86_400 * 365]),
    lifetimeS: draw.pick([900, 1, 901, 604_800, 0, -1]),
    key: draw.pick<Case['key']>([
      { accessKeyId: 'AKIAWEIR', secretAccessKey: 'wJalr/XUt+nFEMI' },
      { accessKeyId: 'ASIAWEIR', secretAccessKey: 'other', sessionToken: 'Fwo/GZ+==' },
      { accessKeyId: 'ASIAWEIR', secretAccessKey: 'other' },
      { accessKeyId: 'ASIAWEIR', secretAccessKey: 'other', sessionToken: 'stolen' },
      { accessKeyId: 'AKIAWEIR', secretAccessKey: 'guess' },
      { accessKeyId: 'NOBODY', secretAccessKey: 'wJalr/XUt+nFEMI' },
      { accessKeyId: 'NOBODY', secretAccessKey: 'x' },
      { accessKeyId: 'AKIAWEIR', secretAccessKey: 'wJalr/XUt+nFEMI', sessionToken: 'Fwo/GZ+==' },
    ]),
    as: draw.maybe(15) ? draw.pick(['alice', 'app_2', 'root', '*', 'app_', '']) : user,
    change: draw.way<Change>(
      [4, () => ({ do: 'nothing' })],
      [
        3,
        () => ({
          do: 'tamper',
          tape: [draw.number(), draw.number(), draw.number(), draw.number(), draw.number()],
        }),
      ],
      [
        2,
        () => ({
          do: 'field',
          name: draw.pick(NAMES),
          value: draw.way(
            [
              2,
              () =>
                draw.pick([
                  'connect',
                  'alice',
                  '900',
                  '899',
                  '9000000000',
                  '20261121T093000Z',
                  'host',
                  'AWS4-HMAC-SHA256',
                  '',
                  '%00',
                  '1e3',
                  '0900',
                ]),
            ],
            [1, () => encodeURIComponent(draw.text(8))],
          ),
        }),
      ],
      [
        2,
        () => ({
          do: draw.pick(['twice', 'drop', 'swap', 'encode', 'case'] as const),
          at: draw.upTo(8),
        }),
      ],
      [
        1,
        () => ({
          do: 'append',
          text: draw.pick([
            '&',
            '#x',
            '&Action=connect',
            '&x=1',
            ' ',
            '\0',
            '\n',
            '/',
            '='.repeat(9_000),
          ]),
        }),
      ],
    ),
  }
}

function changed(token: string, change: Change): string {
  const slash = token.indexOf('?')
  const head = token.slice(0, slash + 1)
  const fields = token.slice(slash + 1).split('&')
  const at = 'at' in change ? change.at % fields.length : 0
  const field = fields[at]!
  switch (change.do) {
    case 'nothing':
      return token
    case 'tamper':
      return tamperText(token, change.tape)
    case 'field': {
      const kept = fields.filter((f) => !f.startsWith(`${change.name}=`))
      return `${head}${[...kept, `${change.name}=${change.value}`].join('&')}`
    }
    case 'twice':
      return `${head}${[...fields, field].join('&')}`
    case 'drop':
      return `${head}${fields.filter((_, i) => i !== at).join('&')}`
    case 'swap':
      return `${head}${[...fields.filter((_, i) => i !== at), field].join('&')}`
    case 'encode':
      return token.replace('a', '%61')
    case 'case':
      return `${head}${fields.with(at, field.toUpperCase()).join('&')}`
    case 'append':
      return token + change.text
  }
}

function tamperText(token: string, tape: readonly number[]): string {
  return tamper(new Draw(tape), Buffer.from(token)).toString('utf8')
}

async function check(one: Case): Promise<string> {
  const { host, port, user, region, at, lifetimeS, key, as, change } = one
  const terms = { host, port, user, region, signedAt: NOW + at * 1_000, lifetimeS }
  const token = await makeToken(terms, key)
  const text = changed(token, change)
  const verdict = await tokens.judge(text, as)
  const said = JSON.stringify(verdict)
  if (said.includes(key.secretAccessKey) && key.secretAccessKey.length > 8) {
    throw new Error('a secret was told')
  }
  // The order of the fields is not signed: a canonical query is sorted.
  const same = sorted(text) === sorted(token)
  const right = allowed(one)
  if (verdict.kind === 'good') {
    if (!same) throw new Error(`a token that was changed is good: ${text}`)
    if (right !== undefined) throw new Error(`good, but ${right}`)
    return 'good'
  }
  if (right === undefined && same) throw new Error(`a right token is refused: ${said}`)
  if (verdict.detail.includes('\n') || verdict.detail.length > 200) throw new Error('a long detail')
  return verdict.fault
}

function sorted(token: string): string {
  const slash = token.indexOf('?')
  return (
    token.slice(0, slash) +
    token
      .slice(slash + 1)
      .split('&')
      .sort()
      .join('&')
  )
}

/** Why this token must not be good; written from the description of tokens, not from the code. */
function allowed({ host, port, user, region, at, lifetimeS, key, as }: Case): string | undefined {
  if (user === '' || user !== as) return 'it is for another user'
  if (region !== AUDIENCE.region) return 'it is for another region'
  const name = host.toLowerCase()
  const named = ['db.internal', 'localhost', '[::1]'].includes(name) && [6432, 6433].includes(port)
  if (!named && !(name === 'lb.example' && port === 7000)) return 'it is for another host'
  if (lifetimeS > 900 || lifetimeS < 1) return 'it lives too long'
  if (at > 300) return 'it is not valid yet'
  if (at + lifetimeS <= 0) return 'it has expired'
  const known = KEYS.find((k) => k.accessKeyId === key.accessKeyId)
  if (known?.secretAccessKey !== key.secretAccessKey) return 'its key is not known'
  if (known.sessionToken !== key.sessionToken) return 'it is of another session'
  if (!known.users.some((pattern) => fitsName(pattern, user))) return 'its key is not for this user'
  return undefined
}

export const token: Target<Case> = {
  name: 'token',
  promise: 'only an untouched token, signed by a known key for us, this user and now, is good',
  runs: 2_000,
  make,
  check,
}
