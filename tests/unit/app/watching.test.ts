/** How the nodes are asked: as the settings say now, not as they said at the start. */
import net from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { Watching } from '../../../src/app/watching.ts'
import { Secrets } from '../../../src/auth/secrets.ts'
import { schema } from '../../../src/config/schema.ts'
import { type Settings, settle } from '../../../src/config/settings.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { silentLog } from '../../../src/core/log.ts'
import { until } from '../../../src/core/until.ts'
import { Metrics } from '../../../src/metrics/metrics.ts'
import { TopologyStore } from '../../../src/topology/store.ts'
import { sslRequest } from '../../../src/wire/postgres/frontend.ts'

const ended: (() => unknown)[] = []

afterEach(async () => {
  for (const end of ended.splice(0)) await end()
})

/** A node that says nothing; resolves with what every connection begins with. */
async function mute(): Promise<{ port: number; heard: Buffer[] }> {
  const heard: Buffer[] = []
  const server = net.createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (bytes) => {
      heard.push(bytes)
      socket.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  ended.push(() => server.close())
  return { port: (server.address() as net.AddressInfo).port, heard }
}

function settings(port: number, nodes: 'disable' | 'require'): Settings {
  const file = {
    nodes: [{ name: 'a', host: '127.0.0.1', port }],
    tls: { nodes },
    topology: { period: '100ms', suspectPeriod: '100ms' },
  }
  return settle(schema.parse(file), '/weir.yaml')
}

it('asks the nodes over the TLS of the settings that hold now', async () => {
  const { port, heard } = await mute()
  const watching = new Watching({
    ...{ settings: settings(port, 'disable'), secrets: new Secrets(), metrics: new Metrics() },
    ...{ store: new TopologyStore(silentLog), clock: systemClock, log: silentLog },
    ...{ lastAnswerOf: () => 0, heard: () => {}, say: () => {} },
  })
  ended.push(() => watching.stop())
  const asksForTls = () => heard.some((bytes) => bytes.equals(sslRequest()))
  watching.start()
  await until(() => heard.length > 0, 20_000)
  expect(asksForTls()).toBe(false)
  watching.renew(settings(port, 'require'))
  await until(asksForTls, 20_000)
})
