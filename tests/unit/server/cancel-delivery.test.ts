/** Cancel requests of encrypted server connections: over TLS or not at all, and never for long. */
import net from 'node:net'
import tls from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../../../src/core/until.ts'
import { Network } from '../../../src/net/network.ts'
import type { CancelKey } from '../../../src/protocol/contract.ts'
import { postgres } from '../../../src/protocol/postgres/postgres.ts'
import type { NodeAddress } from '../../../src/server/node-address.ts'
import { Opener } from '../../../src/server/opener.ts'
import { cancelRequest, sslRequest } from '../../../src/wire/postgres/frontend.ts'
import { TEST_CERTIFICATE, TEST_KEY } from '../../integration/test-certificate.ts'
import { nodeTls } from '../../support/node-tls.ts'

const KEY: CancelKey = { pid: 4711, secret: Buffer.alloc(32, 7) }
const REQUEST = cancelRequest(KEY.pid, KEY.secret)

const servers: net.Server[] = []
const sockets = new Set<net.Socket>()

afterEach(() => {
  for (const server of servers.splice(0)) server.close()
  for (const socket of sockets) socket.destroy()
  sockets.clear()
})

function opener(loginTimeoutMs = 2_000, options: () => tls.ConnectionOptions = trusting): Opener {
  return new Opener({
    network: new Network(),
    protocol: postgres({
      secrets: { find: () => undefined, proofOf: () => undefined } as never,
      scramKeys: {} as never,
      methods: [],
      tls: 'off',
      startupLimit: 10_000,
      inspectBytes: 10_000,
      preparedPerServer: 10,
      initQuery: '',
    }),
    nodeTls: () => nodeTls('prefer', options),
    connectTimeoutMs: 2_000,
    loginTimeoutMs,
    securing: () => {},
    events: { lost: () => {}, sign: () => {}, cancel: async () => true },
  })
}

function trusting(): tls.ConnectionOptions {
  return { rejectUnauthorized: false }
}

interface Node {
  readonly at: NodeAddress
  /** What came in clear, and what came through TLS. */
  readonly clear: () => Buffer
  readonly secret: () => Buffer
  /** Connections open now. */
  readonly open: () => number
}

/** A node that answers a request for TLS with `answer`; `taken` gets what comes through TLS. */
async function nodeThat(
  answer: Buffer,
  taken: (socket: tls.TLSSocket) => void = (socket) => socket.end(),
): Promise<Node> {
  let clear = Buffer.alloc(0)
  let secret = Buffer.alloc(0)
  let open = 0
  const server = net.createServer((socket) => {
    open++
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => open--)
    socket.once('data', (bytes) => {
      clear = Buffer.concat([clear, bytes])
      socket.write(answer)
      if (answer.toString() !== 'S') {
        socket.on('data', (more) => {
          clear = Buffer.concat([clear, more])
        })
        return
      }
      const secure = new tls.TLSSocket(socket, {
        isServer: true,
        cert: TEST_CERTIFICATE,
        key: TEST_KEY,
      })
      secure.on('error', () => {})
      secure.on('data', (more) => {
        secret = Buffer.concat([secret, more])
        taken(secure)
      })
    })
  })
  servers.push(server)
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as net.AddressInfo
  const address = { host: '127.0.0.1', port }
  const at = { name: 'node-1', host: '127.0.0.1', addresses: [address] }
  return { at, clear: () => clear, secret: () => secret, open: () => open }
}

describe('A cancel request of an encrypted server connection', () => {
  it('goes over TLS, and is over when the node has closed', async () => {
    const node = await nodeThat(Buffer.from('S'))
    expect(await opener().cancel(node.at, KEY, true)).toBe(true)
    expect(node.clear()).toEqual(sslRequest())
    expect(node.secret()).toEqual(REQUEST)
    await until(() => node.open() === 0, 10_000)
  })

  it('is not sent in clear to a node that has no TLS any more', async () => {
    const node = await nodeThat(Buffer.from('N'))
    expect(await opener().cancel(node.at, KEY, true)).toBe(true)
    await until(() => node.open() === 0, 10_000)
    expect(node.clear()).toEqual(sslRequest())
  })

  it('is not sent to somebody who puts bytes behind the answer', async () => {
    const node = await nodeThat(Buffer.from('SAnd this'))
    expect(await opener().cancel(node.at, KEY, true)).toBe(true)
    await until(() => node.open() === 0, 10_000)
    expect(node.clear()).toEqual(sslRequest())
  })

  it('is not sent to a node whose certificate is not trusted', async () => {
    const node = await nodeThat(Buffer.from('S'))
    const strict = opener(2_000, () => ({ rejectUnauthorized: true }))
    expect(await strict.cancel(node.at, KEY, true)).toBe(true)
    expect(node.secret()).toHaveLength(0)
  })

  it('is not sent when the certificate file went away', async () => {
    const node = await nodeThat(Buffer.from('S'))
    const lost = opener(2_000, () => {
      throw new Error('ENOENT: no such file, ca.crt')
    })
    expect(await lost.cancel(node.at, KEY, true)).toBe(true)
    await until(() => node.open() === 0, 10_000)
  })

  it('is given up in time by a node that never answers: nothing was sent', async () => {
    const node = await nodeThat(Buffer.alloc(0))
    // It never would: that this ends at all is the time limit's doing.
    expect(await opener(150).cancel(node.at, KEY, true)).toBe(true)
    await until(() => node.open() === 0, 10_000)
  })

  it('may still land when the node took it and says nothing', async () => {
    const node = await nodeThat(Buffer.from('S'), () => {})
    expect(await opener(400).cancel(node.at, KEY, true)).toBe(false)
    expect(node.secret()).toEqual(REQUEST)
    await until(() => node.open() === 0, 10_000)
  })

  it('is given up when nobody wants it any more, before and after it was sent', async () => {
    const silent = await nodeThat(Buffer.alloc(0))
    const early = new AbortController()
    const before = opener(20_000).cancel(silent.at, KEY, true, early.signal)
    await until(() => silent.clear().length > 0, 10_000)
    early.abort()
    expect(await before).toBe(true)
    const taking = await nodeThat(Buffer.from('S'), () => {})
    const late = new AbortController()
    const after = opener(20_000).cancel(taking.at, KEY, true, late.signal)
    await until(() => taking.secret().length === REQUEST.length, 10_000)
    late.abort()
    expect(await after).toBe(false)
    await until(() => silent.open() + taking.open() === 0, 10_000)
    expect(await opener().cancel(taking.at, KEY, true, AbortSignal.abort())).toBe(true)
  })
})
