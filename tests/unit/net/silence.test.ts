/** Peers that say nothing: how long a connection is tried, and who asks whether they are there. */
import { readFileSync } from 'node:fs'
import net from 'node:net'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, it } from 'vitest'
import { Network } from '../../../src/net/network.ts'

const ends: (() => unknown)[] = []

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/** A port whose queue is full and is never emptied: the kernel drops whoever knocks. */
async function deafPort(): Promise<number> {
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads')
    const server = require('node:net').createServer()
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      parentPort.postMessage(server.address().port)
      setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
    })`,
    { eval: true },
  )
  ends.push(() => worker.terminate())
  const port = await new Promise<number>((resolve) => worker.once('message', resolve))
  // The first may still be accepted before the worker falls asleep.
  for (let i = 0; i < 6; i++) {
    const socket = net.connect(port, '127.0.0.1').on('error', () => {})
    ends.push(() => socket.destroy())
  }
  return port
}

describe('connecting to a peer that does not answer', () => {
  it.runIf(process.platform === 'linux')('ends when its time is up', async () => {
    const port = await deafPort()
    const began = performance.now()
    await expect(new Network().connect({ host: '127.0.0.1', port }, 250)).rejects.toMatchObject({
      code: 'ETIMEDOUT',
      message: 'no connection within 250 ms',
    })
    const took = performance.now() - began
    expect(took).toBeGreaterThan(240)
    // The kernel would go on trying for two minutes.
  })
})

/** The timer the kernel keeps for a connection from `local` to `remote`; 02 is the one of keepalive. */
function kernelTimer(local: number, remote: number): string | undefined {
  const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0')
  const rows = readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1)
  const fields = rows.map((row) => row.trim().split(/\s+/))
  return fields.find((f) => f[1]?.endsWith(hex(local)) && f[2]?.endsWith(hex(remote)))?.[5]
}

describe.runIf(process.platform === 'linux')(
  'the kernel asks a silent peer whether it is there',
  () => {
    it.each(['raw', 'streams'] as const)('on %s links', async (kind) => {
      if (kind === 'streams') process.env.WEIR_NET = 'streams'
      const network = new Network()
      delete process.env.WEIR_NET
      expect(network.isRaw).toBe(kind === 'raw')
      const accepted: net.Socket[] = []
      const server = net.createServer((socket) => accepted.push(socket))
      await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
      ends.push(() => server.close())
      const { port } = server.address() as net.AddressInfo
      const peer = new Promise<net.Socket>((resolve) => server.once('connection', resolve))
      const link = await network.connect({ host: '127.0.0.1', port }, 1_000)
      ends.push(() => link.destroy())
      const local = (await peer).remotePort!
      ends.push(() => accepted[0]?.destroy())
      expect(kernelTimer(local, port)).toMatch(/^02:/)
      expect(kernelTimer(port, local), 'the plain socket at the other end').toMatch(/^00:/)
    })
  },
)
