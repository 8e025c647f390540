/**
 * Both kinds of links over real loopback sockets: what goes in comes out, whatever the kernel takes
 * at once, and however reading stops and goes on.
 */
import { createHash } from 'node:crypto'
import net from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../../../src/core/until.ts'
import type { Link } from '../../../src/net/link.ts'
import { type Listener, Network } from '../../../src/net/network.ts'
import { randomOf } from '../../support/client-scripts.ts'

const WITHIN = 4_500
const ends: (() => unknown)[] = []

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

function networkOf(kind: 'raw' | 'streams'): Network {
  const before = process.env.WEIR_NET
  if (kind === 'streams') process.env.WEIR_NET = 'streams'
  else delete process.env.WEIR_NET
  const network = new Network()
  if (before === undefined) delete process.env.WEIR_NET
  else process.env.WEIR_NET = before
  return network
}

async function listen(network: Network, accept: (link: Link) => void): Promise<number> {
  const listener: Listener = await network.listen({ host: '127.0.0.1', port: 0 }, 100, accept)
  ends.push(() => listener.close())
  return (listener.address as { port: number }).port
}

function dial(port: number): net.Socket {
  const socket = net.connect(port, '127.0.0.1')
  socket.on('error', () => {})
  ends.push(() => socket.destroy())
  return socket
}

/** A link and the plain socket at its other end. */
async function linked(kind: 'raw' | 'streams'): Promise<{ link: Link; peer: net.Socket }> {
  const network = networkOf(kind)
  expect(network.isRaw).toBe(kind === 'raw')
  const links: Link[] = []
  const port = await listen(network, (link) => links.push(link))
  const peer = dial(port)
  await until(() => links.length > 0, WITHIN)
  ends.push(() => links[0]!.destroy())
  return { link: links[0]!, peer }
}

/** Bytes in which every place tells where it is. */
function patterned(length: number, seed: number): Buffer {
  const words = new Uint32Array(length >> 2)
  for (let i = 0; i < words.length; i++) words[i] = i * 2_654_435_761 + seed
  return Buffer.from(words.buffer)
}

function digestOf(bytes: Buffer): string {
  return `${bytes.length} bytes, ${createHash('sha256').update(bytes).digest('hex')}`
}

interface Collected {
  all(): Buffer
  length(): number
  ended(): boolean
}

function collect(socket: net.Socket): Collected {
  const chunks: Buffer[] = []
  let length = 0
  let ended = false
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    length += chunk.length
  })
  socket.on('end', () => {
    ended = true
  })
  return { all: () => Buffer.concat(chunks), length: () => length, ended: () => ended }
}

/** Joins two links as a session does: a full one pauses the other until it has drained. */
function join(one: Link, other: Link): void {
  const half = (from: Link, to: Link) => ({
    data: (chunk: Buffer) => {
      // In pieces, so that one read becomes a gathered write.
      const middle = chunk.length >> 1
      to.write(chunk.subarray(0, middle))
      to.write(chunk.subarray(middle))
      if (to.congested) from.pause()
    },
    drained: () => to.resume(),
    closed: () => to.end(),
  })
  one.receiver = half(one, other)
  other.receiver = half(other, one)
  one.resume()
  other.resume()
}

/** Reads with pauses at random, so that the sender's buffers fill up. */
function readFitfully(socket: net.Socket, random: () => number): void {
  socket.on('data', () => {
    if (random() > 0.1) return
    socket.pause()
    setTimeout(() => socket.resume(), random() * 3)
  })
}

function sendInPieces(socket: net.Socket, bytes: Buffer, random: () => number): void {
  let at = 0
  const more = (): void => {
    while (at < bytes.length) {
      const n = 1 + Math.floor(random() * [10, 5_000, 100_000][Math.floor(random() * 3)]!)
      const room = socket.write(bytes.subarray(at, at + n))
      at += n
      if (!room) {
        socket.once('drain', more)
        return
      }
    }
    socket.end()
  }
  more()
}

describe.each(['raw', 'streams'] as const)('a %s link', (kind) => {
  it.each([1, 2, 3])(
    'passes bytes on unchanged while both readers dawdle (seed %i)',
    async (seed) => {
      const random = randomOf(seed)
      const network = networkOf(kind)
      const received = patterned(3_000_000, seed)
      const sent = patterned(3_000_000, seed + 100)
      const far = net.createServer((socket) => {
        ends.push(() => socket.destroy())
        farSide = collect(socket)
        readFitfully(socket, random)
        sendInPieces(socket, received, random)
      })
      let farSide: Collected | undefined
      await new Promise<void>((resolve) => far.listen(0, '127.0.0.1', resolve))
      ends.push(() => far.close())
      const port = await listen(network, (near) => {
        const { port: farPort } = far.address() as net.AddressInfo
        void network
          .connect({ host: '127.0.0.1', port: farPort }, 1_000)
          .then((link) => join(near, link))
      })
      const socket = dial(port)
      const nearSide = collect(socket)
      readFitfully(socket, random)
      // The other way carries bytes too, and stays open: closing one way ends the whole link.
      let at = 0
      const feed = setInterval(() => {
        for (let i = 0; i < 20 && at < sent.length && socket.writableLength < 1_000_000; i++) {
          const n = 1 + Math.floor(random() * 40_000)
          socket.write(sent.subarray(at, at + n))
          at += n
        }
      }, 1)
      ends.push(() => clearInterval(feed))
      await until(() => nearSide.length() >= received.length, WITHIN)
      expect(digestOf(nearSide.all())).toBe(digestOf(received))
      // What came through the other way so far is a piece of what was sent.
      const through = farSide!.all()
      expect(through.length).toBeGreaterThan(0)
      expect(digestOf(through)).toBe(digestOf(sent.subarray(0, through.length)))
    },
  )

  it('gathers the writes of one turn into one', async () => {
    const { link, peer } = await linked(kind)
    const { all } = collect(peer)
    const before = link.writes
    for (let i = 0; i < 10; i++) link.write(Buffer.from(`piece ${i};`))
    await until(() => all().toString().endsWith('piece 9;'), WITHIN)
    expect(link.writes - before).toBe(1)
    expect(link.bytesWritten).toBe(80)
  })

  it('keeps what waits behind a full kernel buffer although its memory is used again', async () => {
    const { link, peer } = await linked(kind)
    peer.pause()
    const parts: Buffer[] = []
    let drained = 0
    link.receiver = { data: () => {}, closed: () => {}, drained: () => drained++ }
    const chunk = Buffer.alloc(100_000)
    for (let i = 0; i < 100; i++) {
      chunk.fill(i)
      parts.push(Buffer.from(chunk))
      link.write(chunk)
      await new Promise((resolve) => setImmediate(resolve))
    }
    chunk.fill(0xff)
    expect(link.congested).toBe(true)
    const { all, length } = collect(peer)
    peer.resume()
    const whole = Buffer.concat(parts)
    await until(() => length() >= whole.length, WITHIN)
    expect(digestOf(all())).toBe(digestOf(whole))
    await until(() => drained > 0, WITHIN)
    expect(link.congested).toBe(false)
  })

  it('reads nothing while paused and everything afterwards', async () => {
    const { link, peer } = await linked(kind)
    let got = 0
    link.receiver = {
      data: (chunk) => {
        got += chunk.length
        link.pause()
      },
      closed: () => {},
      drained: () => {},
    }
    peer.write(Buffer.alloc(3_000_000))
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(got).toBe(0)
    while (got < 3_000_000) {
      const before = got
      link.resume()
      await until(() => got > before, WITHIN, { everyMs: 1 })
    }
    expect(got).toBe(3_000_000)
  })

  it('sends all that was written before it ends, also behind a slow reader with unread input', async () => {
    const { link, peer } = await linked(kind)
    peer.pause()
    // Nobody reads this: closing at once would reset the connection and lose what is on its way.
    peer.write(Buffer.alloc(200_000))
    const big = patterned(16_000_000, 7)
    link.write(big)
    await until(() => link.congested, WITHIN)
    link.write(Buffer.from('the end'))
    link.end()
    await new Promise((resolve) => setTimeout(resolve, 30))
    const { all, ended } = collect(peer)
    peer.resume()
    await until(() => ended() || peer.destroyed, WITHIN)
    expect(digestOf(all())).toBe(digestOf(Buffer.concat([big, Buffer.from('the end')])))
    peer.end()
    await until(() => link.closed, WITHIN)
  })

  it('tells once that the peer has gone, and how', async () => {
    const { link, peer } = await linked(kind)
    const closed: (Error | undefined)[] = []
    link.receiver = { data: () => {}, drained: () => {}, closed: (error) => closed.push(error) }
    link.resume()
    peer.end()
    await until(() => closed.length > 0, WITHIN)
    expect(closed).toEqual([undefined])
    expect(link.closed).toBe(true)
    const other = await linked(kind)
    other.link.receiver = {
      data: () => {},
      drained: () => {},
      closed: (error) => closed.push(error),
    }
    other.link.resume()
    other.peer.resetAndDestroy()
    await until(() => closed.length > 1, WITHIN)
    expect(closed[1]).toMatchObject({ code: 'ECONNRESET' })
  })

  it('takes and gives nothing once destroyed', async () => {
    const { link, peer } = await linked(kind)
    let calls = 0
    link.receiver = { data: () => calls++, drained: () => calls++, closed: () => calls++ }
    link.resume()
    link.destroy()
    link.destroy()
    link.write(Buffer.from('too late'))
    link.end()
    const { all, ended } = collect(peer)
    await until(() => ended() || peer.destroyed, WITHIN)
    expect(all().length).toBe(0)
    expect(calls).toBe(0)
  })

  it('says which address it is connected to', async () => {
    const { link, peer } = await linked(kind)
    expect(link.remoteAddress).toBe('127.0.0.1')
    expect(link.remotePort).toBe(peer.localPort)
    expect(link.encrypted).toBe(false)
  })
})

describe.each(['raw', 'streams'] as const)('a network of %s links', (kind) => {
  it('refuses to connect where nobody listens', async () => {
    const network = networkOf(kind)
    const port = await listen(network, () => {})
    await ends.pop()!()
    await expect(network.connect({ host: '127.0.0.1', port }, 1_000)).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    })
  })

  it('refuses to listen where somebody does', async () => {
    const network = networkOf(kind)
    const port = await listen(network, () => {})
    await expect(network.listen({ host: '127.0.0.1', port }, 1, () => {})).rejects.toMatchObject({
      code: 'EADDRINUSE',
    })
  })
})
