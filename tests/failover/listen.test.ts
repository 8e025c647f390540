/** Clients that listen while the writer goes: they stay, hear the new one, and know what they may have missed. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { type Client, connect, connectAll, later, one } from '../support/clients.ts'
import { type FailoverHouse, startFailoverHouse } from '../support/failover-house.ts'

let lab: FailoverHouse

beforeEach(async () => {
  lab = await startFailoverHouse()
})

afterEach(() => lab?.end())

interface Ears {
  readonly client: Client
  readonly heard: string[]
  readonly notices: (string | undefined)[]
}

async function listening(count: number): Promise<Ears[]> {
  const clients = await connectAll(count, lab.front.url())
  return Promise.all(
    clients.map(async (client) => {
      const heard: string[] = []
      const notices: (string | undefined)[] = []
      client.on('notification', ({ payload }) => heard.push(payload!))
      client.on('notice', ({ code }) => notices.push(code))
      await client.query('listen tidings')
      return { client, heard, notices }
    }),
  )
}

/** All hear what is said now, and nothing was said twice. */
async function hears(all: readonly Ears[], speaker: Client, text: string): Promise<void> {
  await speaker.query(`notify tidings, '${text}'`)
  await until(() => all.every(({ heard }) => heard.includes(text)), 10_000, { what: text })
  for (const { heard } of all) expect(heard.filter((t) => t === text)).toEqual([text])
}

describe('Clients that listen', () => {
  it('hear the new writer when the old one was killed', async () => {
    const { house } = lab
    const all = await listening(20)
    const speaker = await connect(lab.front.url())
    await hears(all, speaker, 'before')
    await house.cluster.kill('node-1')
    await until(() => lab.node('node-1').health === 'down', 10_000)
    // Whoever comes meanwhile waits for the new writer too.
    const late = later(
      connect(lab.front.url()).then(async (client) => {
        await client.query('listen tidings')
        return client
      }),
    )
    const { writer } = await house.cluster.promote()
    await until(() => all.every(({ notices }) => notices.length > 0), 10_000)
    await hears(all, speaker, 'after')
    const heardLate: string[] = []
    const latecomer = await late
    latecomer.on('notification', ({ payload }) => heardLate.push(payload!))
    await hears(all, latecomer, 'by the latecomer')
    await until(() => heardLate.length === 1, 10_000)
    for (const { client, notices } of all) {
      expect(client.strays).toEqual([])
      expect(notices).toEqual(['01000'])
      expect(await lab.nodeOf(client)).toBe(writer)
    }
  })

  it('hear the new writer, not the old one, when a reader is promoted beside it', async () => {
    const { house } = lab
    const all = await listening(5)
    const old = await connect(house.direct)
    await hears(all, old, 'before')
    await house.cluster.promote('node-3', { force: true, rejoin: false })
    await until(() => lab.node('node-3').role === 'writer', 10_000)
    await until(() => all.every(({ notices }) => notices.length > 0), 10_000)
    await old.query(`notify tidings, 'from the past'`)
    const speaker = await connect(lab.front.url())
    await hears(all, speaker, 'after')
    expect(await one(speaker, 'select 1')).toBe(1)
    for (const { heard, client } of all) {
      expect(heard).toEqual(['before', 'after'])
      expect(client.strays).toEqual([])
    }
  })
})
