/** A link that is cut says nothing, and goes on where it stood. */
import { createServer, connect as dial, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CuttableLink } from '../../../src/bench/failover/cuttable-link.ts'
import { until } from '../../../src/core/until.ts'

let server: Server
let link: CuttableLink
let accepted: Socket[]
let clients: Client[]

beforeEach(async () => {
  accepted = []
  clients = []
  // What is said to it comes back.
  server = createServer((socket) => {
    accepted.push(socket)
    socket.on('error', () => {})
    socket.on('data', (chunk) => socket.write(chunk))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  link = new CuttableLink({ name: 'node-1', host: '127.0.0.1', port })
  await link.open()
})

afterEach(async () => {
  for (const { socket } of clients) socket.destroy()
  await link.close()
  for (const socket of accepted) socket.destroy()
  server.close()
})

describe('A link', () => {
  it('passes bytes both ways', async () => {
    const client = await connected()
    client.socket.write('hello')
    await until(() => client.heard === 'hello', 10_000)
  })

  it('that is cut holds bytes back, both ways, and loses none', async () => {
    const client = await connected()
    client.socket.write('a')
    await until(() => client.heard === 'a', 10_000)
    link.cut()
    client.socket.write('b')
    accepted[0]!.write('c')
    await turns()
    expect(client.heard).toBe('a')
    expect(client.ended).toBe(false)
    link.restore()
    await until(() => client.heard.length === 3, 10_000)
    expect([...client.heard].sort().join('')).toBe('abc')
  })

  it('that is cut accepts and does not answer; the connection works once it is whole', async () => {
    link.cut()
    const client = await connected()
    client.socket.write('later')
    await turns()
    expect(accepted).toEqual([])
    link.restore()
    await until(() => client.heard === 'later', 10_000)
  })

  it('that is cut does not tell one side that the other has gone', async () => {
    const client = await connected()
    client.socket.write('a')
    await until(() => client.heard === 'a', 10_000)
    link.cut()
    accepted[0]!.destroy()
    await turns()
    expect(client.ended).toBe(false)
    link.restore()
    await until(() => client.ended, 10_000)
  })

  it('passes the end of a connection on', async () => {
    const client = await connected()
    client.socket.write('a')
    await until(() => client.heard === 'a', 10_000)
    accepted[0]!.end()
    await until(() => client.ended, 10_000)
  })

  it('whose node refuses resets the connection', async () => {
    await new Promise<void>((resolve) => server.close(() => resolve()))
    const client = await connected()
    await until(() => client.ended, 10_000)
  })
})

interface Client {
  readonly socket: Socket
  heard: string
  ended: boolean
}

async function connected(): Promise<Client> {
  const socket = dial(link.address.port, '127.0.0.1')
  const client: Client = { socket, heard: '', ended: false }
  clients.push(client)
  const over = (): void => {
    client.ended = true
  }
  socket.on('data', (chunk) => {
    client.heard += chunk
  })
  socket.on('error', over)
  socket.on('end', over)
  socket.on('close', over)
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  return client
}

/** Time for bytes that may pass to do so: several turns of the loop with the kernel in between. */
async function turns(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
}
