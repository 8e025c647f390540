import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Proof } from '../../src/auth/credential.ts'
import { ScramKeyCache } from '../../src/auth/scram-key-cache.ts'
import { Secrets } from '../../src/auth/secrets.ts'
import { Connecting } from '../../src/protocol/postgres/connect.ts'
import { Greeting } from '../../src/protocol/postgres/greet.ts'
import type { AuthMethod } from '../../src/protocol/postgres/greet-step.ts'
import { gssEncRequest, sslRequest, startupMessage } from '../../src/wire/postgres/frontend.ts'
import { type Cut, connectingOptions, duet, greetingOptions, WELCOME } from '../unit/login/duet.ts'

const entry = { username: 'app', password: 's3cret', source: 'test' }
const secrets = await Secrets.of([entry], Buffer.alloc(32, 1))
const scramKeys = new ScramKeyCache()

/** Unpredictable enough, the same for the same seed. */
function seeded(seed: number): (n: number) => Buffer {
  let count = 0
  return (n) => createHash('sha256').update(`${seed}:${count++}`).digest().subarray(0, n)
}

/** Cuts into pieces of the given lengths, over and over. */
const cutBy =
  (lengths: readonly number[]): Cut =>
  (bytes) => {
    const pieces: Buffer[] = []
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const end = at + lengths[i % lengths.length]!
      pieces.push(bytes.subarray(at, end))
      at = end
    }
    return pieces
  }

const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 })
const methods = fc.constantFrom<AuthMethod>('scram-sha-256', 'md5', 'trust')
const proofs = fc.constantFrom<Proof>(
  { kind: 'password', password: 's3cret' },
  { kind: 'password', password: 'wrong' },
)
const users = fc.constantFrom('app', 'nobody')

describe('a login', () => {
  it('takes the same steps however its bytes are cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({ method: methods, proof: proofs, user: users, seed: fc.nat() }),
        fc.constantFrom('disable', 'prefer', 'require' as const),
        fc.constantFrom('off', 'allowed', 'required' as const),
        fc.constantFrom(0, 2 as const),
        lengths,
        async ({ method, proof, user, seed }, tls, doorTls, minor, cuts) => {
          const run = (cut: Cut) => {
            const random = seeded(seed)
            return duet(
              greetingOptions(secrets, { methods: [method], tls: doorTls, random }),
              connectingOptions({ proof, user, tls, minor, scramKeys, random }),
              cut,
            )
          }
          await run((bytes) => [bytes]) // the first may wait for keys, later ones never
          const whole = await run((bytes) => [bytes])
          expect(await run(cutBy(cuts))).toEqual(whole)
          const good =
            method === 'trust' ||
            (proof.kind === 'password' && user === 'app' && proof.password === 's3cret')
          const possible =
            !(tls === 'require' && doorTls === 'off') &&
            !(tls === 'disable' && doorTls === 'required')
          expect(whole.client.kind).toBe(good && possible ? 'ready' : 'failed')
        },
      ),
      { numRuns: 300 },
    )
  })

  it("never succeeds when a byte of the client's proof was changed on the way", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom<AuthMethod>('scram-sha-256', 'md5'),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (method, where, flip) => {
          // Bytes of startup packets and lengths are not what is tested: only those behind `p`.
          const tamper: Cut = (bytes) => {
            if (bytes[0] !== 0x70) return [bytes]
            const changed = Buffer.from(bytes)
            const at = 5 + (where % (bytes.length - 5))
            changed[at]! ^= flip
            return [changed]
          }
          const outcome = await duet(
            greetingOptions(secrets, { methods: [method] }),
            connectingOptions({ scramKeys }),
            tamper,
          )
          expect(outcome.client.kind).toBe('failed')
        },
      ),
      { numRuns: 500 },
    )
  })

  it("never succeeds when a byte of the node's SCRAM messages was changed on the way", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(11, 12),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (which, where, flip) => {
          const tamper: Cut = (bytes) => {
            if (bytes[0] !== 0x52 || bytes.readInt32BE(5) !== which) return [bytes]
            const changed = Buffer.from(bytes)
            const end = 1 + bytes.readInt32BE(1)
            changed[9 + (where % (end - 9))]! ^= flip
            return [changed]
          }
          const outcome = await duet(
            greetingOptions(secrets),
            connectingOptions({ scramKeys: new ScramKeyCache() }),
            tamper,
          )
          expect(outcome.client.kind).toBe('failed')
        },
      ),
      { numRuns: 300 },
    )
  })
})

/** Mostly nonsense, with enough sense in it to get somewhere. */
const noise = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
    fc.constantFrom(
      sslRequest(),
      gssEncRequest(),
      startupMessage(0x30000, [['user', 'app']]),
      startupMessage(0x30009, [
        ['user', 'app'],
        ['_pq_.x', ''],
        ['options', '-c a'],
      ]),
      Buffer.from('p\0\0\0\x0cSCRAM-SHA'),
      Buffer.from('R\0\0\0\x08\0\0\0\0'),
      Buffer.from('R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0'),
      Buffer.from('S'),
      Buffer.from('N'),
      WELCOME,
    ),
  ),
  { maxLength: 12 },
)

describe('noise', () => {
  it('makes a greeting neither throw nor let anybody in', () => {
    fc.assert(
      fc.property(noise, fc.constantFrom('off', 'allowed' as const), (chunks, tls) => {
        const door = new Greeting(greetingOptions(secrets, { tls }))
        for (const chunk of chunks) {
          door.push(chunk)
          for (;;) {
            const step = door.next()
            expect(step.kind).not.toBe('authenticated')
            if (step.kind === 'refused' || step.kind === 'cancel') return
            if (step.kind === 'starved') break
            if (step.kind === 'upgrade-tls') door.secured()
          }
        }
      }),
      { numRuns: 5_000 },
    )
  })

  it('makes a connecting end in nothing but a step', () => {
    fc.assert(
      fc.property(noise, fc.constantFrom('disable', 'prefer' as const), (chunks, tls) => {
        const login = new Connecting(connectingOptions({ tls, scramKeys }))
        for (const chunk of chunks) {
          for (;;) {
            const step = login.next()
            if (step.kind === 'ready' || step.kind === 'failed') return
            if (step.kind === 'starved' || step.kind === 'waiting') break
            if (step.kind === 'upgrade-tls') login.secured()
          }
          login.push(chunk)
        }
      }),
      { numRuns: 5_000 },
    )
  })
})
