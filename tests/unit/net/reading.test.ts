/** How much is read of one link before others are, and in whose memory. */
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { until } from '../../../src/core/until.ts'
import type { Link } from '../../../src/net/link.ts'
import { Network } from '../../../src/net/network.ts'
import { READ_BUFFER_BYTES } from '../../../src/net/turn.ts'

const folder = mkdtempSync(join(tmpdir(), 'weir-reading-'))

afterAll(() => rmSync(folder, { recursive: true }))

/** A link to read from, and its peer. */
async function pair(name: string) {
  const network = new Network()
  const links: Link[] = []
  const path = join(folder, name)
  const listener = await network.listen({ path }, 8, (link) => links.push(link))
  const peer = connect({ path })
  await until(() => links.length === 1, 20_000)
  const link = links[0]!
  const end = async (): Promise<void> => {
    link.destroy()
    peer.destroy()
    await listener.close()
  }
  return { link, peer, end }
}

it('of a peer that has sent very much so much is read in a turn, and the rest in later ones', async () => {
  const { link, peer, end } = await pair('much')
  const total = 40 * READ_BUFFER_BYTES
  const perTurn = [0]
  let read = 0
  link.receiver = {
    data: (chunk) => {
      read += chunk.length
      perTurn.push(perTurn.pop()! + chunk.length)
    },
    closed: () => {},
    drained: () => {},
  }
  peer.write(Buffer.alloc(total))
  // The kernel holds what it can before the first of it is read.
  await until(() => peer.writableLength > 0, 20_000)
  const look = (): void => {
    perTurn.push(0)
    if (read < total) setImmediate(look)
  }
  setImmediate(look)
  link.resume()
  await until(() => read === total, 20_000)
  // A last read may find less than a whole buffer.
  expect(Math.max(...perTurn)).toBeLessThan(3 * READ_BUFFER_BYTES)
  await end()
})

it('a link that is paused while it rests is not read from', async () => {
  const { link, peer, end } = await pair('paused')
  let read = 0
  link.receiver = {
    data: (chunk) => {
      read += chunk.length
      if (read === 2 * READ_BUFFER_BYTES) link.pause()
    },
    closed: () => {},
    drained: () => {},
  }
  peer.write(Buffer.alloc(10 * READ_BUFFER_BYTES))
  await until(() => peer.writableLength > 0, 20_000)
  link.resume()
  await until(() => read >= 2 * READ_BUFFER_BYTES, 20_000)
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
  expect(read).toBe(2 * READ_BUFFER_BYTES)
  link.resume()
  await until(() => read === 10 * READ_BUFFER_BYTES, 20_000)
  await end()
})

it('a link that is quiet again reads into the memory that all share', async () => {
  const { link, peer, end } = await pair('quiet')
  const memory: ArrayBufferLike[] = []
  let read = 0
  link.receiver = {
    data: (chunk) => {
      read += chunk.length
      memory.push(chunk.buffer)
    },
    closed: () => {},
    drained: () => {},
  }
  link.resume()
  const say = async (bytes: number): Promise<ArrayBufferLike> => {
    const before = read
    peer.write(Buffer.alloc(bytes))
    await until(() => read === before + bytes, 20_000)
    return memory.at(-1)!
  }
  const shared = await say(10)
  await say(20_000)
  expect(await say(20_000)).not.toBe(shared)
  await say(10)
  expect(await say(10)).toBe(shared)
  await end()
})
