/**
 * Whose link it is. Rule: a link without an address is a Unix socket; a stranger on TCP cannot make
 * itself look like one.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { until } from '../../../src/core/until.ts'
import type { Link } from '../../../src/net/link.ts'
import { type Address, type Listener, Network } from '../../../src/net/network.ts'

let listener: Listener | undefined

afterEach(async () => {
  await listener?.close()
  listener = undefined
  delete process.env.WEIR_NET
})

async function listen(address: Address): Promise<{ links: Link[]; said: () => string }> {
  const links: Link[] = []
  let text = ''
  const network = new Network()
  listener = await network.listen(address, 10, (link) => {
    links.push(link)
    link.receiver = {
      data: (chunk) => {
        text += chunk.toString('latin1')
      },
      closed: () => {},
      drained: () => {},
    }
    link.resume()
  })
  return { links, said: () => text }
}

/** Connects, speaks and resets while this process is not looking. */
function speakAndReset(port: number): void {
  const script = `const s = require('net').connect(${port}, '127.0.0.1', () => {
    s.write('hello', () => s.resetAndDestroy())
  })`
  spawnSync(process.execPath, ['-e', script])
}

it.each(['raw', 'streams'])(
  'a client on TCP that resets before it is accepted is no local client (%s)',
  async (way) => {
    if (way === 'streams') process.env.WEIR_NET = 'streams'
    const { links } = await listen({ host: '127.0.0.1', port: 0 })
    if (listener === undefined || !('port' in listener.address)) throw new Error('no port')
    speakAndReset(listener.address.port)
    await until(() => links.length === 1, 10_000)
    expect(links[0]!.remoteAddress).not.toBeUndefined()
  },
)

it.each(['raw', 'streams'])('a client on a Unix socket has no address (%s)', async (way) => {
  if (way === 'streams') process.env.WEIR_NET = 'streams'
  const directory = mkdtempSync(join(tmpdir(), 'weir-peer-'))
  const path = join(directory, 's')
  const { links } = await listen({ path })
  const socket = net.connect(path)
  await until(() => links.length === 1, 10_000)
  expect(links[0]!.remoteAddress).toBeUndefined()
  socket.destroy()
  rmSync(directory, { recursive: true })
})
