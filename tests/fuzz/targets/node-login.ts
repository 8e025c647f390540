/**
 * Our own login, towards a node that means harm: demands for proof in any order, SCRAM with and
 * without the right keys, negotiations, errors, floods, bytes before TLS. The node's knowledge is
 * written in the case: where a login began by SCRAM it may only stand if the node knew the keys.
 */
import { pbkdf2Sync, X509Certificate } from 'node:crypto'
import type { Proof } from '../../../src/auth/credential.ts'
import { md5Hash } from '../../../src/auth/md5.ts'
import { hmac, SCRAM_MAX_ITERATIONS, type ScramKeys, sha256 } from '../../../src/auth/scram-keys.ts'
import { Connecting } from '../../../src/protocol/postgres/connect.ts'
import type { ConnectStep } from '../../../src/protocol/postgres/connect-step.ts'
import {
  authenticationCleartext,
  authenticationMd5,
  authenticationOk,
  authenticationSasl,
  authenticationSaslContinue,
  authenticationSaslFinal,
  backendKeyData,
  errorResponse,
  negotiateProtocolVersion,
  noticeResponse,
  parameterStatus,
  readyForQuery,
} from '../../../src/wire/postgres/backend.ts'
import { BACKEND, FRONTEND, HEADER } from '../../../src/wire/postgres/codes.ts'
import { readFirstPacket } from '../../../src/wire/postgres/startup.ts'
import { TEST_CERTIFICATE } from '../../integration/test-certificate.ts'
import { randomOf } from '../../support/client-scripts.ts'
import type { Target } from '../../support/fuzz.ts'
import { cuts, Draw, tamper } from '../../support/fuzz-draw.ts'
import { wholeFrames } from '../../support/fuzz-stream.ts'
import { connectingOptions } from '../../unit/login/duet.ts'

/** Occurs nowhere else. */
const PASSWORD = 'Tr0ub4dor-of-the-node'
const USER = 'app'
const SALT = Buffer.from('salt of the node')
const MOST_BODY = 65_536

/** The node's own, DER; logins are bound to it. */
const CERTIFICATE = new X509Certificate(TEST_CERTIFICATE).raw

const known = new Map<string, ScramKeys>()

function keysOf(password: string, salt: Buffer, iterations: number): ScramKeys {
  const name = `${password}/${salt.toString('hex')}/${iterations}`
  let keys = known.get(name)
  if (keys === undefined) {
    // The cost of a count is bounded elsewhere; here it would only be slow.
    const salted = pbkdf2Sync(password, salt, Math.min(Math.max(iterations, 1), 16), 32, 'sha256')
    const clientKey = hmac(salted, 'Client Key')
    keys = { clientKey, storedKey: sha256(clientKey), serverKey: hmac(salted, 'Server Key') }
    known.set(name, keys)
    if (known.size > 5_000) known.clear()
  }
  return keys
}

type Move =
  | { do: 'tls'; answer: number }
  | { do: 'ok' | 'cleartext' | 'md5' | 'key' | 'ready' | 'notice' | 'flood' }
  | { do: 'sasl'; mechanisms: string[] }
  | {
      do: 'continue'
      nonce: 'carried' | 'same' | 'other' | 'comma'
      salt: string
      count: string
      extra: string
    }
  | { do: 'final'; knows: boolean; as: 'signature' | 'error' | 'short' | 'client-proof' }
  | { do: 'negotiate'; minor: number; options: string[] }
  | { do: 'parameter'; name: string; value: string }
  | { do: 'error'; severity: 'ERROR' | 'FATAL' | 'PANIC'; code: string; message: string }
  | { do: 'raw'; bytes: Buffer }
  | { do: 'unsupported'; code: number }
  | { do: 'frame'; type: number; length: number; body: Buffer }

interface Step {
  move: Move
  damage: number[] | undefined
  /** Sent before our answer to what came before is awaited. */
  joined: boolean
}

interface Case {
  proof: 'password' | 'md5-hash' | 'scram-keys' | 'none'
  tls: 'disable' | 'prefer' | 'require'
  local: boolean
  direct: boolean
  channelBinding: 'disable' | 'prefer' | 'require'
  minor: 0 | 2
  /** Keys are known at once, or come later. */
  later: boolean
  steps: Step[]
  pieces: number[]
}

const COUNTS = [
  '4096',
  '1',
  '0',
  '-1',
  '4096.5',
  '1e9',
  '0x10',
  '99999999',
  '100001',
  '2147483648',
  '',
]

const OFFERS = [['SCRAM-SHA-256'], ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'], ['SCRAM-SHA-256-PLUS']]

function oddContinue(draw: Draw): Move & { do: 'continue' } {
  return {
    do: 'continue',
    nonce: draw.pick(['carried', 'same', 'other', 'comma']),
    salt: draw.pick([SALT.toString('base64'), '', 'AAAA', 'not base64!', 'QQ=', 'A'.repeat(4_000)]),
    count: draw.pick(COUNTS),
    extra: draw.pick(['', ',x=1', ',m=1', ',i=1']),
  }
}

function oddFinal(draw: Draw): Move & { do: 'final' } {
  return {
    do: 'final',
    knows: draw.maybe(30),
    as: draw.pick(['signature', 'error', 'short', 'client-proof']),
  }
}

function makeMove(draw: Draw): Move {
  return draw.way<Move>(
    [4, () => ({ do: draw.pick(['ok', 'ready', 'key', 'notice', 'md5', 'cleartext'] as const) })],
    [3, () => oddContinue(draw)],
    [3, () => oddFinal(draw)],
    [
      2,
      () => ({
        do: 'sasl',
        mechanisms: draw.list(4, () =>
          draw.pick(['SCRAM-SHA-256', 'SCRAM-SHA-256-PLUS', 'OAUTHBEARER', 'SCRAM-SHA-1', 'é']),
        ),
      }),
    ],
    [2, () => ({ do: 'tls', answer: draw.pick([0x53, 0x4e, 0x45, 0, 0x47]) })],
    [
      2,
      () => ({
        do: 'negotiate',
        minor: draw.pick([0, 2, 1, 3, 0xffff]),
        options: draw.list(5, () => draw.text(6, ['_pq_.', 'x'])),
      }),
    ],
    [
      3,
      () => ({
        do: 'parameter',
        name: draw.way(
          [
            3,
            () =>
              draw.pick(['server_version', 'client_encoding', 'in_hot_standby', '__proto__', '']),
          ],
          [1, () => draw.text(10)],
        ),
        value: draw.text(10, ['UTF8', 'on', '18.4', '\\']),
      }),
    ],
    [
      2,
      () => ({
        do: 'error',
        severity: draw.pick(['ERROR', 'FATAL', 'PANIC']),
        code: draw.pick(['28P01', '28000', '53300', '57P03', '', 'é', 'XXXXXXXX', '3D000']),
        message: draw.text(12),
      }),
    ],
    [1, () => ({ do: 'flood' })],
    [1, () => ({ do: 'unsupported', code: draw.pick([2, 6, 7, 8, 9, 13, 0x7fff_ffff, -1]) })],
    [1, () => ({ do: 'raw', bytes: draw.bytes(40) })],
    [
      2,
      () => ({
        do: 'frame',
        type: draw.pick([...Object.values(BACKEND), ...Object.values(FRONTEND), 0, 0xff]),
        length: draw.pick([0, 3, -1, 0x7fff_ffff, -0x8000_0000, MOST_BODY + 5]),
        body: draw.bytes(30),
      }),
    ],
  )
}

function likely(draw: Draw, asks: boolean): Move[] {
  const first: Move[] = asks ? [{ do: 'tls', answer: draw.pick([0x53, 0x4e]) }] : []
  const login = draw.way<Move[]>(
    [
      6,
      () => [
        { do: 'sasl', mechanisms: draw.pick(OFFERS) },
        draw.maybe(15)
          ? oddContinue(draw)
          : {
              do: 'continue',
              nonce: 'carried',
              salt: SALT.toString('base64'),
              count: '4096',
              extra: '',
            },
        draw.maybe(15) ? oddFinal(draw) : { do: 'final', knows: draw.maybe(50), as: 'signature' },
      ],
    ],
    [1, () => [{ do: 'md5' }]],
    [1, () => [{ do: 'cleartext' }]],
    [1, () => []],
  )
  const end: Move[] = [
    { do: 'ok' },
    { do: 'parameter', name: 'server_version', value: '18.4' },
    { do: 'key' },
    { do: 'ready' },
  ]
  return [...first, ...login, ...end]
}

function make(draw: Draw): Case {
  const tls = draw.pick(['disable', 'prefer', 'require'] as const)
  const local = draw.maybe(20)
  const direct = draw.maybe(20)
  const moves = draw.maybe(75)
    ? likely(draw, tls !== 'disable' && !local && !direct).flatMap((move) => {
        if (draw.maybe(6)) return []
        return draw.maybe(6) ? [move, makeMove(draw)] : [draw.maybe(4) ? makeMove(draw) : move]
      })
    : draw.list(9, () => makeMove(draw))
  return {
    proof: draw.pick(['password', 'md5-hash', 'scram-keys', 'none']),
    tls,
    local,
    direct,
    channelBinding: draw.pick(['prefer', 'disable', 'require']),
    minor: draw.pick([0, 2]),
    later: draw.maybe(30),
    steps: moves.map((move) => ({
      move,
      damage: draw.maybe(5)
        ? [draw.number(), draw.number(), draw.number(), draw.number()]
        : undefined,
      joined: draw.maybe(15),
    })),
    pieces: [draw.number(), draw.number()],
  }
}

function frame(type: number, body: Buffer, length = body.length + 4): Buffer {
  const head = Buffer.alloc(HEADER)
  head[0] = type
  head.writeInt32BE(length, 1)
  return Buffer.concat([head, body])
}

/** The node: remembers what we said, so that it can answer as a real one. */
class BadNode {
  /** It has proved, in this case, that it holds our keys. */
  proved = false
  #clientFirst = ''
  #clientFinal = ''
  #serverFirst = ''

  hear(type: number, body: Buffer): void {
    if (type !== FRONTEND.PASSWORD) return
    const text = body.toString('latin1')
    const at = text.indexOf('n=')
    if (text.startsWith('SCRAM-') && at > 0) this.#clientFirst = text.slice(at)
    else this.#clientFinal = text
  }

  say(move: Move): Buffer {
    switch (move.do) {
      case 'tls':
        return Buffer.from([move.answer])
      case 'ok':
        return authenticationOk()
      case 'cleartext':
        return authenticationCleartext()
      case 'md5':
        return authenticationMd5(Buffer.from('salt'))
      case 'key':
        return backendKeyData(7, Buffer.from('key!'))
      case 'ready':
        return readyForQuery('I')
      case 'notice':
        return noticeResponse({ severity: 'NOTICE', code: '00000', message: 'hear hear' })
      case 'flood':
        return Buffer.concat(Array.from({ length: 400 }, () => parameterStatus('a', 'b')))
      case 'sasl':
        return authenticationSasl(move.mechanisms)
      case 'continue': {
        const nonce = /r=([^,]*)/.exec(this.#clientFirst)?.[1] ?? 'none'
        const whole = { carried: `${nonce}more`, same: nonce, other: 'other', comma: `${nonce},` }[
          move.nonce
        ]
        this.#serverFirst = `r=${whole},s=${move.salt},i=${move.count}${move.extra}`
        return authenticationSaslContinue(Buffer.from(this.#serverFirst))
      }
      case 'final':
        return authenticationSaslFinal(this.#final(move))
      case 'negotiate':
        return negotiateProtocolVersion(move.minor, move.options)
      case 'parameter':
        return parameterStatus(move.name, move.value)
      case 'error':
        return errorResponse(move)
      case 'raw':
        return move.bytes
      case 'unsupported': {
        const body = Buffer.alloc(4)
        body.writeInt32BE(move.code, 0)
        return frame(BACKEND.AUTHENTICATION, body)
      }
      case 'frame':
        return frame(move.type, move.body, move.length === 0 ? undefined : move.length)
    }
  }

  #final({ knows, as }: Move & { do: 'final' }): Buffer {
    if (as === 'error') return Buffer.from('e=invalid-proof')
    if (as === 'short') return Buffer.from('v=AAAA')
    const [without = '', proof = ''] = this.#clientFinal.split(',p=')
    if (as === 'client-proof') return Buffer.from(`v=${proof}`)
    const count = Number(/,i=(\d+)/.exec(this.#serverFirst)?.[1] ?? 4096)
    const salt = Buffer.from(/,s=([^,]*)/.exec(this.#serverFirst)?.[1] ?? '', 'base64')
    const keys = keysOf(knows ? PASSWORD : 'guess', salt, count)
    const exchange = `${this.#clientFirst},${this.#serverFirst},${without}`
    if (knows) this.proved = true
    return Buffer.from(`v=${hmac(keys.serverKey, exchange).toString('base64')}`)
  }
}

class Judge {
  #case: Case
  #node = new BadNode()
  #login: Connecting
  #secure: boolean
  #began: 'nothing' | 'tls-asked' | 'startup'
  #scram = false
  #bound = false
  #unused = 0
  #messages = 0

  constructor(one: Case) {
    this.#case = one
    this.#secure = one.local
    this.#began = 'nothing'
    const random = randomOf(2)
    this.#login = new Connecting(
      connectingOptions({
        user: USER,
        proof: proofOf(one.proof),
        tls: one.tls,
        secureOrLocal: one.local,
        direct: one.direct,
        channelBinding: one.channelBinding,
        minor: one.minor,
        random: (n) => Buffer.from(Array.from({ length: n }, () => random() * 256)),
        scramKeys: {
          keysFor: (password, salt, iterations) => {
            if (iterations < 1 || iterations > SCRAM_MAX_ITERATIONS) {
              throw new Error(`asked to derive keys by ${iterations} iterations`)
            }
            const keys = keysOf(password, salt, iterations)
            return one.later ? Promise.resolve(keys) : keys
          },
        },
      }),
    )
  }

  async run(): Promise<string> {
    const { steps, pieces } = this.#case
    const draw = new Draw(pieces, randomOf(pieces[0]!))
    let over = await this.#pull()
    let together: Buffer[] = []
    for (const { move, damage, joined } of steps) {
      if (over !== undefined) return over
      const said = this.#node.say(move)
      together.push(
        damage === undefined ? said : tamper(new Draw(damage, randomOf(damage[0]!)), said),
      )
      if (joined) continue
      for (const piece of cuts(draw, Buffer.concat(together))) {
        const lent = Buffer.from(piece)
        this.#login.push(lent)
        lent.fill(0xaa)
        this.#unused += piece.length
        over = await this.#pull()
        if (over !== undefined) return over
      }
      together = []
    }
    return over ?? `left after ${Math.min(this.#messages, 5)} messages`
  }

  async #pull(): Promise<string | undefined> {
    for (let turns = 0; turns < 2_000; turns++) {
      const step = this.#login.next()
      switch (step.kind) {
        case 'starved':
          // At least whole messages are used, so no more than one may be waited for.
          if (this.#unused > 2 * MOST_BODY) throw new Error(`${this.#unused} bytes are kept`)
          return undefined
        case 'waiting':
          await new Promise<void>((resolve) => {
            this.#login.onReady = resolve
          })
          continue
        case 'send':
          this.#unused = 0
          this.#sent(step.bytes)
          continue
        case 'upgrade-tls':
          if (this.#case.tls === 'disable' || this.#case.local) throw new Error('TLS unasked')
          this.#secure = true
          this.#login.secured(CERTIFICATE)
          continue
        case 'ready':
          return this.#ready(step)
        case 'failed': {
          if (step.message === '') throw new Error('failed without a reason')
          if (!/^[0-9A-Z]{5}$/.test(step.code)) throw new Error(`failed with code ${step.code}`)
          if (step.message.includes(PASSWORD)) throw new Error('the password was told')
          return `failed ${step.why} ${step.code}`
        }
        default:
          step satisfies never
      }
    }
    throw new Error('it never starves')
  }

  #sent(bytes: Buffer): void {
    this.#messages++
    if (this.#began !== 'startup') {
      const packet = readFirstPacket(bytes, 10_000)
      if (packet.kind === 'ssl' && this.#began === 'nothing') {
        this.#began = 'tls-asked'
        return
      }
      if (packet.kind !== 'startup') throw new Error(`began with ${packet.kind}`)
      if (this.#case.tls === 'require' && !this.#secure) throw new Error('login without TLS')
      this.#began = 'startup'
      return
    }
    for (const { type, body } of wholeFrames(bytes, 'client')) {
      if (type !== FRONTEND.PASSWORD) throw new Error(`a login sent a message of type ${type}`)
      if (body.includes(PASSWORD) && !this.#secure) throw new Error('a password sent in clear')
      const text = body.toString('latin1')
      if (text.startsWith('SCRAM-')) this.#scram = true
      if (text.startsWith('SCRAM-SHA-256-PLUS\0')) this.#bound = true
      this.#node.hear(type, body)
    }
    if (this.#messages > 4) throw new Error('more than four messages to log in')
  }

  #ready({ parameters, secret }: ConnectStep & { kind: 'ready' }): string {
    if (this.#scram && !this.#node.proved)
      throw new Error('a node that proved nothing was believed')
    const { tls, channelBinding } = this.#case
    if (tls === 'require' && !this.#secure) throw new Error('logged in without TLS')
    if (channelBinding === 'require' && !this.#bound) throw new Error('logged in without binding')
    if (channelBinding === 'disable' && this.#bound) throw new Error('bound unasked')
    if (parameters.size > 1_000) throw new Error('too many parameters kept')
    if (secret.length > 256) throw new Error('a long cancel secret')
    return `ready ${this.#scram ? 'by SCRAM' : 'otherwise'}${this.#bound ? ', bound' : ''}`
  }
}

function proofOf(kind: Case['proof']): Proof | undefined {
  switch (kind) {
    case 'password':
      return { kind, password: PASSWORD }
    case 'md5-hash':
      return { kind, hash: md5Hash(PASSWORD, USER) }
    case 'scram-keys':
      return { kind, keys: keysOf(PASSWORD, SALT, 4096), salt: SALT, iterations: 4096 }
    case 'none':
      return undefined
  }
}

export const nodeLogin: Target<Case> = {
  name: 'node-login',
  promise: 'no node gets a password in clear, or is believed by SCRAM without proving itself',
  runs: 6_000,
  make,
  check: (one) => new Judge(one).run(),
}
