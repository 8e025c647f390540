/** The server side of a handshake over real sockets of loopback. */
import net from 'node:net'
import tls from 'node:tls'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  type Authority,
  issue,
  makeAuthority,
  type Pair,
  revoke,
} from '../../../src/certificates/authority.ts'
import type { SecureChannel } from '../../../src/core/secure-channel.ts'
import { until } from '../../../src/core/until.ts'
import { type Listener, Network } from '../../../src/net/network.ts'
import {
  type ContextParts,
  type Handshake,
  serverContext,
  type TlsOffer,
} from '../../../src/net/tls-accept.ts'

let authority: Authority
let stranger: Authority
let server: Pair
let other: Pair
let alice: Pair

beforeAll(async () => {
  authority = await makeAuthority('Test CA', 2)
  stranger = await makeAuthority('Strange CA', 2)
  const names = ['localhost']
  server = await issue(authority, { purpose: 'server', commonName: 'localhost', names, days: 1 })
  other = await issue(authority, { purpose: 'server', commonName: 'other', days: 1 })
  alice = await issue(authority, { purpose: 'client', commonName: 'alice', days: 1 })
})

let listener: Listener | undefined
let client: net.Socket | undefined

afterEach(async () => {
  client?.destroy()
  client = undefined
  await listener?.close()
})

function contextOf({ certificate, key }: Pair, more: Partial<ContextParts> = {}) {
  return serverContext({ cert: certificate, key, ca: authority.certificate, ...more })
}

interface Ended {
  channel?: SecureChannel
  error?: Error
}

/** What the server comes to when a client connects so. */
async function meet(
  offer: Partial<TlsOffer> & { context?: tls.SecureContext },
  connect: (port: number) => net.Socket,
  options: { direct?: boolean; timeoutMs?: number } = {},
): Promise<Ended & { handshake: () => Handshake<unknown> | undefined }> {
  const network = new Network()
  const shown = { context: offer.context ?? contextOf(server), serverEndPoint: undefined }
  const whole: TlsOffer = { choose: () => shown, asksCertificate: false, ...offer }
  const ended: Ended = {}
  let handshake: Handshake<unknown> | undefined
  listener = await network.listen({ host: '127.0.0.1', port: 0 }, 10, (link) => {
    const { direct = false, timeoutMs = 10_000 } = options
    const begun = network.acceptTls(link, whole, { direct, early: Buffer.alloc(0), timeoutMs })
    handshake = begun
    begun.done.then(
      ({ channel, link: secured }) => {
        ended.channel = channel
        secured.resume()
      },
      (error: Error) => {
        ended.error = error
      },
    )
  })
  if (!('port' in listener.address)) throw new Error('no port')
  client = connect(listener.address.port)
  client.on('error', () => {})
  return Object.assign(ended, { handshake: () => handshake })
}

const over = (ended: Ended) =>
  until(() => ended.channel !== undefined || ended.error !== undefined, 10_000)

const secure =
  (options: tls.ConnectionOptions = {}) =>
  (port: number) =>
    tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })

describe('a client', () => {
  it('that names no protocol is served after a request for TLS, and not without one', async () => {
    const asked = await meet({}, secure())
    await over(asked)
    expect(asked.channel).toMatchObject({ version: 'TLSv1.3', peer: undefined })
    client!.destroy()
    await listener!.close()

    const direct = await meet({}, secure(), { direct: true })
    await over(direct)
    expect(direct.error?.message).toBe('a TLS handshake without ALPN protocol "postgresql"')
    await until(() => client!.closed, 10_000)
  })

  it('that names another protocol gets nowhere', async () => {
    for (const direct of [false, true]) {
      const ended = await meet({}, secure({ ALPNProtocols: ['http/1.1'] }), { direct })
      await over(ended)
      expect(ended.error).toBeDefined()
      client!.destroy()
      await listener!.close()
    }
  })

  it('that names this one begins with its handshake', async () => {
    const ended = await meet({}, secure({ ALPNProtocols: ['postgresql'] }), { direct: true })
    await over(ended)
    expect(ended.error).toBeUndefined()
    expect((client as tls.TLSSocket).alpnProtocol).toBe('postgresql')
  })

  it('with an older version than allowed is refused', async () => {
    const context = contextOf(server, { minVersion: 'TLSv1.3' })
    const ended = await meet({ context }, secure({ maxVersion: 'TLSv1.2' }))
    await over(ended)
    expect(ended.error?.message).toMatch(/unsupported protocol|wrong version/)
  })

  it('that begins and says no more is let go of in time', async () => {
    const ended = await meet({}, (port) => net.connect(port, '127.0.0.1'), { timeoutMs: 100 })
    await over(ended)
    expect(ended.error?.message).toBe('TLS handshake took too long')
    await until(() => client!.closed || client!.destroyed, 10_000)
  })

  it('cannot begin a second handshake inside the first (1.2)', async () => {
    const ended = await meet({}, secure({ maxVersion: 'TLSv1.2' }))
    await over(ended)
    const socket = client as tls.TLSSocket
    const error = await new Promise<Error | null>((resolve) => {
      socket.once('error', resolve)
      socket.renegotiate({}, resolve)
    })
    expect(error?.message).toMatch(/no.renegotiation/i)
  })

  it('for whom nobody waits any more is let go of', async () => {
    const ended = await meet({}, (port) => net.connect(port, '127.0.0.1'))
    await until(() => ended.handshake() !== undefined, 10_000)
    ended.handshake()!.stop()
    await over(ended)
    expect(ended.error?.message).toMatch(/nobody waits/)
    ended.handshake()!.stop()
  })

  it('that asks for a session again is verified anew', async () => {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const context = contextOf(server)
      let session: Buffer | undefined
      const offered: boolean[] = []
      for (const round of [1, 2]) {
        const options = session === undefined ? {} : { session }
        const ended = await meet({ context, asksCertificate: true }, (port) => {
          const socket = secure({
            ...options,
            maxVersion,
            key: alice.key,
            cert: alice.certificate,
          })(port)
          socket.on('session', (one) => {
            session = one
          })
          return socket
        })
        await over(ended)
        expect(ended.channel?.peer?.commonName).toBe('alice')
        const socket = client as tls.TLSSocket
        await until(() => socket.getProtocol() !== null, 10_000)
        if (round === 2) offered.push(socket.isSessionReused())
        session ??= socket.getSession()
        socket.destroy()
        await listener!.close()
      }
      expect(offered).toEqual([false])
    }
  })
})

describe('the certificate shown', () => {
  it('is the one for the name asked for, in lower case', async () => {
    const asked: (string | undefined)[] = []
    const choose = (name: string | undefined) => {
      asked.push(name)
      const chosen = name === 'other' ? other : server
      const serverEndPoint = Buffer.from(name ?? 'none')
      return { context: contextOf(chosen), serverEndPoint }
    }
    const named = await meet({ choose }, secure({ servername: 'OTHER' }))
    await over(named)
    expect(named.channel).toMatchObject({ serverName: 'other' })
    expect(named.channel?.serverEndPoint?.toString()).toBe('other')
    const socket = client as tls.TLSSocket
    await until(() => socket.getPeerCertificate().subject !== undefined, 10_000)
    expect(socket.getPeerCertificate().subject.CN).toBe('other')
    socket.destroy()
    await listener!.close()

    const unnamed = await meet({ choose }, secure())
    await over(unnamed)
    expect(unnamed.channel?.serverEndPoint?.toString()).toBe('none')
    expect(unnamed.channel?.serverName).toBeUndefined()
  })
})

describe('a client certificate', () => {
  const withPair = ({ certificate, key }: Pair) => secure({ cert: certificate, key })
  const asks = { asksCertificate: true }

  it('that an authority vouches for is a name', async () => {
    const ended = await meet(asks, withPair(alice))
    await over(ended)
    expect(ended.channel).toMatchObject({ peer: { commonName: 'alice' }, peerFault: undefined })
  })

  it('need not be there, and is not looked at when nobody asks', async () => {
    const without = await meet(asks, secure())
    await over(without)
    expect(without.channel).toMatchObject({ peer: undefined, peerFault: undefined })
    client!.destroy()
    await listener!.close()
    const unasked = await meet({}, withPair(alice))
    await over(unasked)
    expect(unasked.channel).toMatchObject({ peer: undefined, peerFault: undefined })
  })

  it.each([
    [
      'of a stranger',
      () => issue(stranger, { purpose: 'client', commonName: 'alice', days: 1 }),
      /unable to (get|verify)|self.signed/,
    ],
    ['signed by itself', () => makeAuthority('alice', 1), /self.signed|purpose/],
    [
      'that has ended',
      () => issue(authority, { purpose: 'client', commonName: 'alice', days: -0.01 }),
      /expired/,
    ],
    [
      'made for servers',
      () => issue(authority, { purpose: 'server', commonName: 'alice', days: 1 }),
      /purpose/,
    ],
  ])('%s is a fault and no name', async (_, make, fault) => {
    const ended = await meet(asks, withPair(await make()))
    await over(ended)
    expect(ended.channel?.peer).toBeUndefined()
    expect(ended.channel?.peerFault).toMatch(fault)
  })

  it('that was revoked is a fault and no name', async () => {
    const crl = await revoke(authority, [alice.certificate], 1)
    const context = contextOf(server, { crl })
    const ended = await meet({ ...asks, context }, withPair(alice))
    await over(ended)
    expect(ended.channel?.peer).toBeUndefined()
    expect(ended.channel?.peerFault).toMatch(/revoked/)
    client!.destroy()
    await listener!.close()

    const bob = await issue(authority, { purpose: 'client', commonName: 'bob', days: 1 })
    const good = await meet({ ...asks, context }, withPair(bob))
    await over(good)
    expect(good.channel?.peer?.commonName).toBe('bob')
  })
})
