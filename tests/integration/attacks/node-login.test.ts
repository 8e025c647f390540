/**
 * A login to a node that has fallen into an attacker's hands, or to somebody who answers in its place.
 * Whatever it sends, the opening ends with an error that says so, reads within bounds, and gives no
 * password away.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ScramKeyCache } from '../../../src/auth/scram-key-cache.ts'
import type { WeirError } from '../../../src/core/errors.ts'
import { Network } from '../../../src/net/network.ts'
import { postgres } from '../../../src/protocol/postgres/postgres.ts'
import { Opener } from '../../../src/server/opener.ts'
import * as backend from '../../../src/wire/postgres/backend.ts'
import { nodeTls } from '../../support/node-tls.ts'
import { type Evil, EvilNode, liar, welcome } from './evil-node.ts'
import { SECRET } from './weir-before.ts'

const SALT = Buffer.alloc(16, 1).toString('base64')

let node: EvilNode
const keys = new ScramKeyCache()

beforeAll(async () => {
  node = await EvilNode.start()
})

afterAll(() => node?.close())

/** How a login ends when the node does this with it. */
async function told(act: Evil): Promise<WeirError> {
  node.heard.length = 0
  node.act = act
  const opener = new Opener({
    network: new Network(),
    protocol: postgres({
      secrets: {
        verifierOf: () => Promise.reject(new Error('nobody logs in here')),
        proofOf: () => ({ kind: 'password', password: SECRET }),
      },
      scramKeys: keys,
      methods: [],
      tls: 'off',
      startupLimit: 10_000,
      inspectBytes: 10_000,
      preparedPerServer: 10,
      initQuery: '',
    }),
    nodeTls: () => nodeTls('prefer'),
    connectTimeoutMs: 20_000,
    loginTimeoutMs: 20_000,
    securing: () => {},
    events: { lost: () => {}, sign: () => {}, cancel: async () => true },
  })
  const address = { host: '127.0.0.1', port: node.port }
  const at = { name: 'node-1', host: '127.0.0.1', addresses: [address] }
  return opener.open(at, 'app', 'weir', AbortSignal.timeout(30_000)).then(
    () => {
      throw new Error('Weir logged in')
    },
    (error: WeirError) => error,
  )
}

const sasl = backend.authenticationSasl(['SCRAM-SHA-256'])

/** Begins SCRAM and answers its first message with what `first` makes of our nonce. */
function scram(first: (nonce: string) => string, then: Evil = () => {}): Evil {
  return async (wire) => {
    wire.send(sasl)
    const { body } = await wire.message()
    const nonce = /r=([^,]+)/.exec(body.toString('latin1'))![1]!
    wire.send(backend.authenticationSaslContinue(Buffer.from(first(nonce))))
    await then(wire)
  }
}

describe('During its login a node that', () => {
  it('refuses without any SQLSTATE harms nobody', async () => {
    const bare = Buffer.from('SFATAL\0Mgo away\0\0')
    const error = await told((wire) => {
      wire.send(liar('E', bare.length + 4, bare))
      wire.socket.end()
    })
    expect(error.message).toContain('go away')
    expect(error.sqlstate).toMatch(/^[0-9A-Z]{5}$/)
  })

  it('says no in a message without end is not read beyond a bound', async () => {
    const error = await told((wire) => wire.send(liar('E', 70_000, Buffer.alloc(69_996, 0x41))))
    expect(error.message).toContain('invalid message length')
    const huge = await told((wire) => wire.send(liar('R', 0xffff_ffff, Buffer.alloc(100))))
    expect(huge.message).toContain('invalid message length')
  })

  it('leaves a text without its zero byte is not read past the end', async () => {
    const error = await told((wire) => wire.send(liar('E', 4 + 7, Buffer.from('SFATAL!'))))
    expect(error.message).toContain('invalid string in message')
  })

  it('lets Weir in without proving that it knows the password is not believed', async () => {
    const skipped = await told(
      scram(
        (n) => `r=${n}x,s=${SALT},i=4096`,
        async (wire) => {
          await wire.message()
          wire.send(welcome())
        },
      ),
    )
    expect(skipped.message).toContain('proved nothing')
    const early = await told((wire) => wire.send(sasl, welcome()))
    expect(early.message).toContain('proved nothing')
    const wrong = Buffer.from(`v=${Buffer.alloc(32, 9).toString('base64')}`)
    const liar = await told(
      scram(
        (n) => `r=${n}x,s=${SALT},i=4096`,
        async (wire) => {
          await wire.message()
          wire.send(backend.authenticationSaslFinal(wrong), welcome())
        },
      ),
    )
    expect(liar.message).toContain('could not prove that it knows the password')
  })

  it('answers with a nonce of its own is refused', async () => {
    const error = await told(scram(() => `r=somethingelse,s=${SALT},i=4096`))
    expect(error.message).toContain('nonce')
  })

  it('answers with an endless nonce overflows nothing', async () => {
    const error = await told(
      scram(
        (n) => `r=${n}${'A'.repeat(60_000)},s=${SALT},i=4096`,
        async (wire) => {
          const { body } = await wire.message()
          expect(body.length).toBeGreaterThan(60_000)
          wire.socket.end()
        },
      ),
    )
    expect(error.sqlstate).toMatch(/^08/)
  })

  it('asks for more than a million rounds of hashing gets none', async () => {
    for (const rounds of ['1000001', '9999999', '2147483647', '4294967296', '99999999999']) {
      const error = await told(scram((n) => `r=${n}x,s=${SALT},i=${rounds}`))
      expect(error.message, rounds).toContain('malformed SCRAM message')
    }
  })

  it('asks for the password in clear over an open connection does not get it', async () => {
    const error = await told(async (wire) => {
      wire.send(backend.authenticationCleartext())
      await wire.message()
      wire.send(welcome())
    })
    expect(error.message).toContain('in clear over an open connection')
    expect(Buffer.concat(node.heard).includes(SECRET)).toBe(false)
  })

  it('asks twice is refused', async () => {
    const salt = Buffer.alloc(4, 1)
    const error = await told(async (wire) => {
      wire.send(backend.authenticationMd5(salt))
      await wire.message()
      wire.send(backend.authenticationMd5(Buffer.alloc(4, 2)))
    })
    expect(error.message).toContain('out of turn')
    // And what it got once is a digest that it salted itself, never the password.
    expect(Buffer.concat(node.heard).includes(SECRET)).toBe(false)
  })

  it('chooses a protocol nobody asked for, or counts wrongly, is refused', async () => {
    const newer = await told((wire) => wire.send(backend.negotiateProtocolVersion(9, [])))
    expect(newer.message).toContain('newer protocol')
    const body = Buffer.alloc(8)
    body.writeUInt32BE(196_608, 0)
    body.writeInt32BE(0x7fff_ffff, 4)
    const counts = await told((wire) => wire.send(liar('v', 12, body)))
    expect(counts.message).toContain('invalid string in message')
  })

  it('hands out a cancel key of impossible length is refused', async () => {
    for (const length of [0, 3, 257, 60_000]) {
      const error = await told((wire) =>
        wire.send(backend.authenticationOk(), liar('K', 8 + length, Buffer.alloc(4 + length))),
      )
      expect(error.sqlstate, String(length)).toBe('08P01')
    }
  })

  it('talks without end is stopped', async () => {
    const chatter = Buffer.concat(
      Array.from({ length: 2_000 }, (_, i) => backend.parameterStatus(`p${i}`, 'x')),
    )
    const error = await told((wire) => wire.send(backend.authenticationOk(), chatter))
    expect(error.message).toContain('too many messages')
  })
})
