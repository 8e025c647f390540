/** How connections are taken from a listening socket: several in a turn, and none after its end. */
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { until } from '../../../src/core/until.ts'
import type { Link } from '../../../src/net/link.ts'
import { type Address, Network } from '../../../src/net/network.ts'

const folder = mkdtempSync(join(tmpdir(), 'weir-accept-'))

afterAll(() => rmSync(folder, { recursive: true }))

const CLIENTS = 24

it.each<[string, Address]>([
  ['a port', { host: '127.0.0.1', port: 0 }],
  ['a Unix socket', { path: join(folder, 'socket') }],
])('of many who come to %s at once several are taken in one turn', async (_what, address) => {
  const network = new Network()
  const links: Link[] = []
  const perTurn: number[] = [0]
  const listener = await network.listen(address, 128, (link) => {
    links.push(link)
    perTurn.push(perTurn.pop()! + 1)
  })
  // The kernel has them all before the loop looks again.
  const sockets: Socket[] = []
  for (let i = 0; i < CLIENTS; i++) {
    const socket = connect(listener.address as { port: number })
    socket.on('error', () => {})
    sockets.push(socket)
  }
  const look = (): void => {
    perTurn.push(0)
    if (links.length < CLIENTS) setImmediate(look)
  }
  setImmediate(look)
  await until(() => links.length === CLIENTS, 20_000)
  expect(Math.max(...perTurn)).toBeGreaterThan(1)
  expect(Math.max(...perTurn)).toBeLessThan(CLIENTS)
  for (const link of links) link.destroy()
  for (const socket of sockets) socket.destroy()
  await listener.close()
  const late = connect(listener.address as { port: number })
  const error = await new Promise<NodeJS.ErrnoException>((resolve) => late.once('error', resolve))
  expect(['ECONNREFUSED', 'ENOENT']).toContain(error.code)
})
