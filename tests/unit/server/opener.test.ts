/** Logins towards a node that cannot go on for a reason of our own. */
import net from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../../../src/core/until.ts'
import { Network } from '../../../src/net/network.ts'
import { postgres } from '../../../src/protocol/postgres/postgres.ts'
import type { NodeAddress } from '../../../src/server/node-address.ts'
import { Opener, type OpenerOptions } from '../../../src/server/opener.ts'
import { nodeTls } from '../../support/node-tls.ts'

let server: net.Server | undefined

afterEach(() => {
  server?.close()
})

function openerWith(more: Partial<OpenerOptions> = {}): Opener {
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
    nodeTls: () => nodeTls('require'),
    connectTimeoutMs: 1_000,
    loginTimeoutMs: 2_000,
    securing: () => {},
    events: { lost: () => {}, sign: () => {}, cancel: async () => true },
    ...more,
  })
}

/** A node that does with each connection as it is told; where it listens. */
async function nodeThat(serves: (socket: net.Socket) => void): Promise<NodeAddress> {
  const node = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    serves(socket)
  })
  server = node
  await new Promise<void>((listening) => node.listen(0, '127.0.0.1', listening))
  const { port } = node.address() as net.AddressInfo
  return { name: 'node-1', host: '127.0.0.1', addresses: [{ host: '127.0.0.1', port }] }
}

it('a certificate file that went away fails the opening, not the process', async () => {
  const where = await nodeThat((socket) => {
    socket.once('data', () => socket.write('S'))
  })
  const opener = openerWith({
    nodeTls: () =>
      nodeTls('require', () => {
        throw new Error('ENOENT: no such file, ca.crt')
      }),
  })
  await expect(
    opener.open(where, 'app', 'weir', new AbortController().signal),
  ).rejects.toMatchObject({ code: 'WEIR_OPEN_FAILED', message: /node-1: ENOENT/ })
})

it.each(['an opening', 'a cancel request'])(
  '%s that is given up in the middle of its handshake leaves no connection behind',
  async (what) => {
    let open = 0
    let asked = 0
    const where = await nodeThat((socket) => {
      open++
      socket.on('close', () => open--)
      socket.once('data', () => socket.write('S'))
      socket.on('data', () => asked++)
      socket.on('end', () => socket.end())
    })
    const { signal, abort } = abortable()
    const opener = openerWith({ loginTimeoutMs: 600_000 })
    const done =
      what === 'an opening'
        ? opener.open(where, 'app', 'weir', signal).catch((error: unknown) => error)
        : opener.cancel(where, { pid: 1, secret: Buffer.alloc(4) }, true, signal)
    // The request for TLS, and the beginning of the handshake, which nobody answers.
    await until(() => asked >= 2, 20_000)
    abort()
    expect(await done).toEqual(
      what === 'an opening' ? expect.objectContaining({ code: 'WEIR_OPEN_FAILED' }) : true,
    )
    await until(() => open === 0, 20_000)
  },
)

function abortable() {
  const controller = new AbortController()
  return { signal: controller.signal, abort: () => controller.abort() }
}

it('the connection itself has its own, shorter time than the login that follows', async () => {
  const asked: number[] = []
  const network = {
    connect: async (_address: unknown, timeoutMs: number) => {
      asked.push(timeoutMs)
      throw Object.assign(new Error('no connection'), { code: 'ETIMEDOUT' })
    },
  } as unknown as Network
  const addresses = [{ path: '/nowhere' }, { host: '127.0.0.1', port: 1 }]
  const where = { name: 'node-1', host: '127.0.0.1', addresses }
  const opening = openerWith({ network, connectTimeoutMs: 1_000, loginTimeoutMs: 5_000 })
  await expect(
    opening.open(where, 'app', 'weir', new AbortController().signal),
  ).rejects.toMatchObject({ sqlstate: '08001', cause: { code: 'ETIMEDOUT' } })
  expect(asked).toEqual([1_000, 1_000])
})

describe('a cancel request', () => {
  const key = { pid: 4711, secret: Buffer.alloc(4, 7) }

  it('is over when the node has closed its connection', async () => {
    const where = await nodeThat((socket) => {
      socket.once('data', () => socket.end())
    })
    expect(await openerWith().cancel(where, key, false)).toBe(true)
  })

  it('is over when the node cannot be reached: nothing was sent', async () => {
    const where = await nodeThat(() => {})
    const gone = server!
    await new Promise((closed) => gone.close(closed))
    expect(await openerWith().cancel(where, key, false)).toBe(true)
  })

  it('may still land when the node took it and says nothing', async () => {
    let heard = 0
    const where = await nodeThat((socket) => {
      socket.on('data', (bytes) => {
        heard += bytes.length
      })
    })
    expect(await openerWith({ loginTimeoutMs: 150 }).cancel(where, key, false)).toBe(false)
    expect(heard).toBe(16)
  })

  it('may still land when its connection is torn', async () => {
    const where = await nodeThat((socket) => {
      socket.once('data', () => socket.resetAndDestroy())
    })
    expect(await openerWith().cancel(where, key, false)).toBe(false)
  })
})
