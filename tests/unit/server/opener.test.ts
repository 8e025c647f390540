/** Logins towards a node that cannot go on for a reason of our own. */
import net from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { Network } from '../../../src/net/network.ts'
import { postgres } from '../../../src/protocol/postgres/postgres.ts'
import { Opener } from '../../../src/server/opener.ts'

let server: net.Server | undefined

afterEach(() => {
  server?.close()
})

it('a certificate file that went away fails the opening, not the process', async () => {
  const node = net.createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.write('S'))
  })
  server = node
  await new Promise<void>((listening) => node.listen(0, '127.0.0.1', listening))
  const { port } = node.address() as net.AddressInfo
  const opener = new Opener({
    network: new Network(),
    protocol: postgres({
      secrets: { find: () => undefined, proofOf: () => undefined } as never,
      scramKeys: {} as never,
      methods: [],
      tls: 'off',
      nodeTls: 'require',
      startupLimit: 10_000,
      inspectBytes: 10_000,
      preparedPerServer: 10,
      initQuery: '',
    }),
    nodeTls: () => {
      throw new Error('ENOENT: no such file, ca.crt')
    },
    connectTimeoutMs: 2_000,
    securing: () => {},
    events: { lost: () => {}, sign: () => {}, cancel: async () => {} },
  })
  const address = { host: '127.0.0.1', port }
  const where = { name: 'node-1', host: '127.0.0.1', addresses: [address] }
  await expect(
    opener.open(where, 'app', 'weir', new AbortController().signal),
  ).rejects.toMatchObject({ code: 'WEIR_OPEN_FAILED', message: /node-1: ENOENT/ })
})
