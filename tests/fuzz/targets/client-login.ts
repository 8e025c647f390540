/**
 * Whole logins of strangers, at the greeting: startup packets, requests for TLS, SCRAM, md5 and
 * cleartext answers, in any order, tampered with, in pieces. What a case can know of passwords is
 * written in the case, so a login that stands without that knowledge is found at once.
 */

import { md5Hash, md5Response } from '../../../src/auth/md5.ts'
import {
  deriveKeys,
  formatVerifier,
  hmac,
  type ScramKeys,
  sha256,
  xor,
} from '../../../src/auth/scram-keys.ts'
import { readServerFirst } from '../../../src/auth/scram-message.ts'
import { Secrets } from '../../../src/auth/secrets.ts'
import { makeToken } from '../../../src/auth/token-signing.ts'
import { Tokens } from '../../../src/auth/tokens.ts'
import { BARE_CHANNEL, type SecureChannel } from '../../../src/core/secure-channel.ts'
import { Greeting } from '../../../src/protocol/postgres/greet.ts'
import type { AuthMethod, GreetStep } from '../../../src/protocol/postgres/greet-step.ts'
import { AUTH, BACKEND, CANCEL_REQUEST_CODE, HEADER } from '../../../src/wire/postgres/codes.ts'
import {
  gssEncRequest,
  passwordMessage,
  sslRequest,
  startupMessage,
} from '../../../src/wire/postgres/frontend.ts'
import { randomOf } from '../../support/client-scripts.ts'
import type { Target } from '../../support/fuzz.ts'
import { cuts, Draw, tamper } from '../../support/fuzz-draw.ts'
import { checkError, understood, wholeFrames } from '../../support/fuzz-stream.ts'
import { greetingOptions } from '../../unit/login/duet.ts'

const LIMIT = 2_000
const RIGHT = 's3cret'
const PEPPER = Buffer.alloc(32, 1)
const STORED_SALT = Buffer.from('sixteen bytes ok')

const stored = await deriveKeys(RIGHT, STORED_SALT, 4096)
const entries = [
  { username: 'app', password: RIGHT, source: 'test' },
  {
    username: 'stored',
    password: formatVerifier({ ...stored, salt: STORED_SALT, iterations: 4096 }),
    source: 'test',
  },
  { username: 'old', password: md5Hash(RIGHT, 'old'), source: 'test' },
]
const secrets = await Secrets.of(entries, PEPPER)

const NOW = Date.UTC(2026, 10, 21, 9, 30, 0)
const ACCESS_KEY = { accessKeyId: 'AKIAWEIR', secretAccessKey: 'of-the-access-key' }
const tokens = new Tokens(
  [{ ...ACCESS_KEY, users: ['app', 'nobody'] }],
  { region: 'eu-west-1', hosts: ['localhost'], ports: [6432], clockSkewMs: 0 },
  () => NOW,
)
const terms = { host: 'localhost', port: 6432, region: 'eu-west-1', signedAt: NOW }
/** Of user `app`: a good one, one of another key, one of another user, one that has expired. */
const TOKENS = {
  good: await makeToken({ ...terms, user: 'app' }, ACCESS_KEY),
  forged: await makeToken({ ...terms, user: 'app' }, { ...ACCESS_KEY, secretAccessKey: 'guess' }),
  other: await makeToken({ ...terms, user: 'nobody' }, ACCESS_KEY),
  old: await makeToken({ ...terms, user: 'app', signedAt: NOW - 900_000 }, ACCESS_KEY),
}

/** What channel binding binds to. */
const END_POINT = Buffer.alloc(32, 7)
const BOUND = 'p=tls-server-end-point,,'

/** Keys of a password under the salt a greeting names; worked out once, before any fuzzing. */
const PASSWORDS = ['wrong', RIGHT, '', 'nobody'] as const
const USERS = ['app', 'stored', 'old', 'nobody', 'APP', 'app '] as const
const keys = new Map<string, ScramKeys>()
for (const user of USERS) {
  const { salt, iterations } = secrets.verifierOf(user).scram
  for (const password of PASSWORDS) {
    keys.set(`${user}/${password}`, await deriveKeys(password, salt, iterations))
  }
}

const bound = Buffer.concat([Buffer.from(BOUND), END_POINT]).toString('base64')
const boundWrong = Buffer.concat([Buffer.from(BOUND), Buffer.alloc(32, 8)]).toString('base64')
const CHANNELS = [
  ...['biws', 'eSws', bound, boundWrong, Buffer.from(BOUND).toString('base64'), 'bi==', '', 'AAAA'],
]

type Move =
  | { do: 'startup'; user: string; minor: number; pairs: [string, string][] }
  | { do: 'ssl' | 'gss' | 'sasl-empty' | 'repeat' }
  | { do: 'cancel'; secret: Buffer }
  | { do: 'raw'; bytes: Buffer }
  | { do: 'sasl-first'; mechanism: string; header: string; extra: string; length: number }
  | {
      do: 'sasl-final'
      user: string
      password: string
      channel: string
      proof: 'own' | 'zeros' | 'stored-key' | 'server-signature' | 'short' | 'none'
      extra: string
    }
  | { do: 'md5'; user: string; password: string; salt: 'theirs' | 'zeros'; plain: boolean }
  | { do: 'password'; text: string }
  | { do: 'token'; which: keyof typeof TOKENS }

interface Step {
  move: Move
  /** Where the message is damaged, if it is. */
  damage: number[] | undefined
  /** Sent in one go with the next. */
  joined: boolean
}

interface Case {
  methods: AuthMethod[]
  iamAuth: 'disabled' | 'enabled' | 'required'
  /** A channel that can be bound, and whom its certificate names, once TLS is up. */
  binds: boolean
  peer: string | undefined
  certified: boolean
  loopback: boolean
  tls: 'off' | 'allowed' | 'required'
  steps: Step[]
  pieces: number[]
}

function oddFirst(draw: Draw): Move & { do: 'sasl-first' } {
  return {
    do: 'sasl-first',
    mechanism: draw.pick(['SCRAM-SHA-256', 'SCRAM-SHA-256-PLUS', 'SCRAM-SHA-1', '']),
    header: draw.pick([
      ...['n,,', 'y,,', 'p=tls-server-end-point,,', 'p=tls-unique,,', 'n,a=app,', ',,', ''],
    ]),
    extra: draw.pick(['', ',x=1', ',m=1', ',,', ',r=second']),
    length: draw.pick([0, -1, 1, 0x7fff_ffff, -0x8000_0000]),
  }
}

function oddFinal(draw: Draw): Move & { do: 'sasl-final' } {
  return {
    do: 'sasl-final',
    user: draw.pick(USERS),
    password: draw.pick(PASSWORDS),
    channel: draw.pick(CHANNELS),
    proof: draw.pick(['own', 'zeros', 'stored-key', 'server-signature', 'short', 'none']),
    extra: draw.pick(['', ',x=1', ',p=AAAA', ',r=x']),
  }
}

function makeMove(draw: Draw): Move {
  return draw.way<Move>(
    [
      6,
      () => ({
        do: 'startup',
        user: draw.pick(USERS),
        minor: draw.pick([0, 2, 3, 1, 9_999]),
        pairs: draw.list(6, () => [
          draw.pick([
            ...['database', 'options', 'replication', '_pq_.x', 'weir.endpoint', 'user'],
            ...['application_name', 'client_encoding', 'TimeZone', '', 'search_path', '__proto__'],
          ]),
          draw.way(
            [2, () => draw.pick(['', 'app', 'true', 'database', 'postgres', 'on', 'UTF8'])],
            [2, () => draw.text(8, ['-c ', '--', 'a=b', '=', ' ', '\\', '-c', 'weir.endpoint=x'])],
          ),
        ]),
      }),
    ],
    [6, () => oddFirst(draw)],
    [8, () => oddFinal(draw)],
    [
      3,
      () => ({
        do: 'md5',
        user: draw.pick(USERS),
        password: draw.pick(PASSWORDS),
        salt: draw.pick(['theirs', 'zeros']),
        plain: draw.maybe(20),
      }),
    ],
    [2, () => ({ do: 'token', which: draw.pick(['forged', 'good', 'other', 'old'] as const) })],
    [
      2,
      () => ({
        do: 'password',
        text: draw.pick(['wrong', RIGHT, '', md5Hash('wrong', 'app'), 'md5']),
      }),
    ],
    [2, () => ({ do: draw.pick(['ssl', 'gss', 'sasl-empty', 'repeat'] as const) })],
    [1, () => ({ do: 'cancel', secret: draw.bytes(draw.pick([4, 300])) })],
    [
      2,
      () => ({
        do: 'raw',
        bytes: draw.way(
          [2, () => draw.bytes(60)],
          [1, () => Buffer.alloc(draw.pick([1, 3_000]), draw.upTo(255))],
          [
            1,
            () => Buffer.from(draw.pick(['GET / HTTP/1.1\r\n\r\n', '\x16\x03\x01', 'X\0\0\0\x04'])),
          ],
        ),
      }),
    ],
  )
}

/** The middle of a login that goes well, of which each step may be left out or spoilt. */
function likely(draw: Draw, methods: Case['methods'], iamAuth: Case['iamAuth']): Move[] {
  const user = draw.pick(USERS)
  const password = draw.pick(PASSWORDS)
  const startup: Move = { do: 'startup', user, minor: draw.pick([0, 2]), pairs: [] }
  const requests: Move[] = draw.list(2, () => ({ do: draw.pick(['ssl', 'gss'] as const) }))
  const plus = draw.maybe(40)
  const header = plus ? BOUND : draw.pick(['n,,', 'y,,'])
  const mechanism = plus ? 'SCRAM-SHA-256-PLUS' : 'SCRAM-SHA-256'
  const channel = plus ? draw.pick([bound, boundWrong]) : header === 'n,,' ? 'biws' : 'eSws'
  const scram: Move[] = [
    draw.maybe(12) ? oddFirst(draw) : { do: 'sasl-first', mechanism, header, extra: '', length: 0 },
    draw.maybe(12)
      ? { ...oddFinal(draw), user, password }
      : { do: 'sasl-final', user, password, channel, proof: 'own', extra: '' },
  ]
  const clear: Move[] = draw.maybe(50)
    ? [{ do: 'password', text: password }]
    : [{ do: 'token', which: draw.pick(['good', 'forged', 'other', 'old'] as const) }]
  const md5: Move[] = [{ do: 'md5', user, password, salt: 'theirs', plain: false }]
  if (iamAuth !== 'disabled' && draw.maybe(80)) return [...requests, startup, ...clear]
  return [...requests, startup, ...(methods[0] === 'md5' && draw.maybe(70) ? md5 : scram)]
}

function make(draw: Draw): Case {
  const methods = draw.pick<Case['methods']>([
    ['scram-sha-256'],
    ['md5'],
    ['scram-sha-256', 'md5'],
    ['md5', 'scram-sha-256'],
    ['trust'],
    ['trust', 'scram-sha-256'],
    ['cert'],
    ['cert', 'scram-sha-256'],
    [],
  ])
  const iamAuth = draw.pick(['disabled', 'disabled', 'enabled', 'required'] as const)
  const moves = draw.maybe(70)
    ? likely(draw, methods, iamAuth).flatMap((move) => {
        if (draw.maybe(8)) return []
        return draw.maybe(8) ? [move, makeMove(draw)] : [draw.maybe(5) ? makeMove(draw) : move]
      })
    : draw.list(8, () => makeMove(draw))
  return {
    methods,
    iamAuth,
    binds: draw.maybe(60),
    peer: draw.maybe(50) ? draw.pick(['app', 'stored', 'nobody', 'APP']) : undefined,
    certified: draw.maybe(20),
    loopback: draw.maybe(50),
    tls: draw.pick(['off', 'allowed', 'required']),
    steps: moves.map((move) => ({
      move,
      damage: draw.maybe(8)
        ? [draw.number(), draw.number(), draw.number(), draw.number()]
        : undefined,
      joined: draw.maybe(10),
    })),
    pieces: [draw.number(), draw.number()],
  }
}

/** A client that remembers what it was told. */
class Stranger {
  #said = Buffer.from('client-nonce')
  #serverFirst: Buffer | undefined
  #serverSignature: Buffer | undefined
  #md5Salt: Buffer | undefined
  #last: Buffer = Buffer.alloc(0)

  hear(type: number, body: Buffer): void {
    if (type !== BACKEND.AUTHENTICATION) return
    const code = body.readInt32BE(0)
    if (code === AUTH.MD5) this.#md5Salt = body.subarray(4)
    if (code === AUTH.SASL_CONTINUE && body.length > 4) this.#serverFirst = body.subarray(4)
    if (code === AUTH.SASL_FINAL) this.#serverSignature = body.subarray(4)
  }

  say(move: Move): Buffer {
    this.#last = this.#bytesOf(move)
    return this.#last
  }

  #bytesOf(move: Move): Buffer {
    switch (move.do) {
      case 'startup':
        return startupMessage(0x30000 + move.minor, [['user', move.user], ...move.pairs])
      case 'ssl':
        return sslRequest()
      case 'gss':
        return gssEncRequest()
      case 'cancel':
        return cancelOf(move.secret)
      case 'raw':
        return move.bytes
      case 'repeat':
        return this.#last
      case 'sasl-empty':
        return passwordMessage(Buffer.alloc(0))
      case 'password':
        return passwordMessage(move.text)
      case 'token':
        return passwordMessage(TOKENS[move.which])
      case 'sasl-first': {
        const first = Buffer.from(`${move.header}n=,r=${this.#said}${move.extra}`)
        const head = Buffer.from(`${move.mechanism}\0....`)
        head.writeInt32BE(move.length === 0 ? first.length : move.length, head.length - 4)
        const data = move.length === -1 ? [] : [first]
        return letter(Buffer.concat([head, ...data]))
      }
      case 'sasl-final':
        return letter(this.#final(move))
      case 'md5': {
        const salt = move.salt === 'theirs' ? (this.#md5Salt ?? Buffer.alloc(4)) : Buffer.alloc(4)
        const hash = md5Hash(move.password, move.user)
        return passwordMessage(move.plain ? hash : md5Response(hash, salt))
      }
    }
  }

  #final(move: Move & { do: 'sasl-final' }): Buffer {
    const serverFirst = this.#serverFirst?.toString() ?? 'r=client-nonce,s=AAAA,i=1'
    const nonce = readServerFirst(Buffer.from(serverFirst)).nonce
    const own = keys.get(`${move.user}/${move.password}`)!
    const without = `c=${move.channel},r=${nonce}${move.extra}`
    const exchange = `n=,r=${this.#said},${serverFirst},${without}`
    const proof = {
      own: () => xor(own.clientKey, hmac(own.storedKey, exchange)),
      zeros: () => Buffer.alloc(32),
      // What one could make of a stolen verifier that does not hold the ClientKey.
      'stored-key': () => xor(own.storedKey, hmac(own.storedKey, exchange)),
      'server-signature': () => this.#serverSignature?.subarray(0, 32) ?? sha256(own.serverKey),
      short: () => Buffer.alloc(31),
      none: () => Buffer.alloc(0),
    }[move.proof]()
    return Buffer.from(`${without},p=${proof.toString('base64')}`)
  }
}

/** Of any length, right or wrong. */
function cancelOf(secret: Buffer): Buffer {
  const head = Buffer.alloc(12)
  head.writeUInt32BE(12 + secret.length, 0)
  head.writeUInt32BE(CANCEL_REQUEST_CODE, 4)
  return Buffer.concat([head, secret])
}

function letter(body: Buffer): Buffer {
  const head = Buffer.alloc(HEADER)
  head[0] = 0x70
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

const NAMELESS = { names: [], fingerprint: '', subject: '' }

/** The word for the outcome; everything the greeting says is judged on the way. */
class Judge {
  #case: Case
  #door: Greeting
  #stranger = new Stranger()
  #secure = false
  /** Bytes given since it last did anything but starve. */
  #unused = 0
  #answers = 0

  constructor(one: Case) {
    this.#case = one
    const random = randomOf(1)
    this.#door = new Greeting(
      greetingOptions(secrets, {
        methods: one.methods,
        rules: () => ({ methods: one.methods, iamAuth: one.iamAuth }),
        tokens,
        certificates: { required: one.certified, users: [] },
        loopback: one.loopback,
        tls: one.tls,
        startupLimit: LIMIT,
        random: (n) => Buffer.from(Array.from({ length: n }, () => random() * 256)),
      }),
    )
  }

  async run(): Promise<string> {
    const { steps, pieces } = this.#case
    const draw = new Draw(pieces, randomOf(pieces[0]!))
    let together: Buffer[] = []
    for (const { move, damage, joined } of steps) {
      const said = this.#stranger.say(move)
      together.push(
        damage === undefined ? said : tamper(new Draw(damage, randomOf(damage[0]!)), said),
      )
      if (joined) continue
      for (const piece of cuts(draw, Buffer.concat(together))) {
        const over = await this.#give(piece)
        if (over !== undefined) return over
      }
      together = []
    }
    return `left after ${this.#answers} answers`
  }

  async #give(piece: Buffer): Promise<string | undefined> {
    const lent = Buffer.from(piece)
    this.#door.push(lent)
    lent.fill(0xaa)
    this.#unused += piece.length
    for (let turns = 0; turns < 100; turns++) {
      const step = this.#door.next()
      switch (step.kind) {
        case 'starved':
          if (this.#unused > LIMIT + HEADER + piece.length) {
            throw new Error(`${this.#unused} bytes were taken and nothing was said`)
          }
          return undefined
        case 'waiting':
          await this.#ready()
          continue
        case 'answer':
          this.#unused = 0
          this.#answers++
          this.#hear(step.bytes)
          continue
        case 'upgrade-tls':
          if (this.#case.tls === 'off') throw new Error('TLS where there is none')
          if (step.direct) return 'direct TLS'
          this.#secure = true
          this.#door.secured(this.#channel())
          continue
        case 'cancel':
          return 'cancel'
        case 'authenticated':
          this.#judge(step)
          return `in by ${step.method}${this.#secure ? ' over TLS' : ''}`
        case 'refused':
          return this.#refused(step)
        default:
          step satisfies never
      }
    }
    throw new Error('it never starves')
  }

  /** What is worked out elsewhere comes back, or the login would stand for ever. */
  async #ready(): Promise<void> {
    let late: NodeJS.Timeout | undefined
    await new Promise<void>((resolve, reject) => {
      this.#door.onReady = resolve
      late = setTimeout(() => reject(new Error('it waits for ever')), 30_000)
    })
    clearTimeout(late)
  }

  #channel(): SecureChannel {
    const { binds, peer } = this.#case
    return {
      ...BARE_CHANNEL,
      serverEndPoint: binds ? END_POINT : undefined,
      peer: peer === undefined ? undefined : { ...NAMELESS, commonName: peer },
    }
  }

  #hear(bytes: Buffer): void {
    if (bytes.length === 1 && (bytes[0] === 0x4e || bytes[0] === 0x53)) return
    understood(bytes)
    for (const { type, body } of wholeFrames(bytes, 'server')) {
      if (type !== BACKEND.AUTHENTICATION && type !== BACKEND.NEGOTIATE_PROTOCOL_VERSION) {
        throw new Error(`answered with a message of type ${type}`)
      }
      this.#stranger.hear(type, body)
    }
  }

  #refused({ bytes, reason, message }: GreetStep & { kind: 'refused' }): string {
    if (message === '') throw new Error('refused without a message')
    for (const text of [message, bytes.toString('latin1')]) {
      if (text.includes(RIGHT)) throw new Error('a password was told')
    }
    if (bytes.length === 0 || bytes[0] === 0x15 || reason === 'http') return `refused ${reason}`
    const frames = wholeFrames(bytes, 'server')
    if (frames.length !== 1 || frames[0]!.type !== BACKEND.ERROR_RESPONSE) {
      throw new Error('a refusal that is not one error')
    }
    return `refused ${reason} ${checkError(frames[0]!.body)}`
  }

  #judge({ method, user }: GreetStep & { kind: 'authenticated' }): void {
    const { methods, loopback, tls, steps, iamAuth, certified, peer } = this.#case
    const fits = this.#secure && peer === user
    if (tls === 'required' && !this.#secure) throw new Error('let in without TLS')
    if (certified && !fits) throw new Error('let in without a certificate')
    if (iamAuth === 'required' && method !== 'iam') throw new Error('let in without a token')
    switch (method) {
      case 'trust':
        if (!loopback || !methods.includes('trust')) throw new Error('trusted a stranger')
        return
      case 'cert':
        if (!fits || !methods.includes('cert')) throw new Error('no certificate of this user')
        return
      case 'iam': {
        const good = steps.some(({ move }) => move.do === 'token' && move.which === 'good')
        if (!this.#secure || !good || user !== 'app') throw new Error('no token of this user')
        return
      }
    }
    const proofs = steps.filter(
      ({ move }) =>
        (move.do === 'md5' && move.password === RIGHT && move.user === user) ||
        (move.do === 'password' && move.text === RIGHT && this.#secure) ||
        (move.do === 'sasl-final' && move.password === RIGHT && move.proof === 'own'),
    )
    if (proofs.length === 0) throw new Error(`"${user}" came in without knowing the password`)
    if (!['app', 'stored', 'old'].includes(user)) throw new Error(`let in unknown user "${user}"`)
    if (user === 'old' && method === 'scram-sha-256') throw new Error('SCRAM without keys')
    if (user === 'stored' && method === 'md5') throw new Error('md5 without a hash')
    if (method === 'scram-sha-256') this.#judgeBinding()
  }

  /** A client that thinks we cannot bind the channel, or has bound another, is not talking to us. */
  #judgeBinding(): void {
    const { steps, binds } = this.#case
    if (steps.some(({ damage }) => damage !== undefined)) return
    const firsts = steps.flatMap(({ move }) => (move.do === 'sasl-first' ? [move] : []))
    const finals = steps.flatMap(({ move }) => (move.do === 'sasl-final' ? [move] : []))
    if (firsts.length !== 1 || finals.length !== 1) return
    const { header, mechanism } = firsts[0]!
    const canBind = binds && this.#secure
    if (canBind && header.startsWith('y')) throw new Error('a downgrade was not noticed')
    if (mechanism.endsWith('PLUS') !== header.startsWith('p')) throw new Error('half bound')
    if (header.startsWith('p') && (!canBind || finals[0]!.channel !== bound)) {
      throw new Error('bound to another channel')
    }
  }
}

export const clientLogin: Target<Case> = {
  name: 'client-login',
  promise: 'nobody comes in without proof, and every answer is one that a driver can read',
  runs: 6_000,
  make,
  check: (one) => new Judge(one).run(),
}
