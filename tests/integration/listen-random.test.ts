/**
 * Many clients that listen and stop listening at random, in transactions and out of them, while
 * others notify. Rule: whoever listened for certain heard it once and in order, whoever did not for
 * certain heard nothing; a moment in between counts as neither.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { type Client, connect, connectAll, endClients } from '../support/clients.ts'
import { FRONT_PORTS, type Front, startFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'

const CLIENTS = 30
const CHANNELS = ['a', 'b', 'c', 'd']
const NOTIFICATIONS = 400

let house: House
let front: Front

beforeAll(async () => {
  house = await startHouse({ ports: FRONT_PORTS })
  front = await startFront(house, { pool: { maxConnections: 3 } })
})

afterAll(async () => {
  endClients()
  await front?.end()
  await house?.end()
})

/** Numbers from 0 to 1 that a seed decides. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    return (state >>> 8) / 0x100_0000
  }
}

/** A stretch of ticks in which something was certain. */
interface Stretch {
  readonly from: number
  to: number
}

interface Listener {
  readonly client: Client
  readonly heard: string[]
  /** By channel: when it listened for certain, and when it may have. */
  readonly surely: Map<string, Stretch[]>
  readonly maybe: Map<string, Stretch[]>
}

let tick = 0

/** What a client does next, and whether it listens to the channel afterwards; undefined: as before. */
const ACTS: readonly [sql: (channel: string) => string[], after: 'on' | 'off' | undefined][] = [
  [(c) => [`listen ${c}`], 'on'],
  [(c) => ['begin', `listen ${c}`, 'select 1', 'commit'], 'on'],
  [(c) => [`listen ${c}; select 1`], 'on'],
  [(c) => ['begin', `listen ${c}`, 'rollback'], undefined],
  [(c) => ['begin', `unlisten ${c}`, 'rollback'], undefined],
  [(c) => ['begin', 'savepoint s', `unlisten ${c}`, 'rollback to s', 'commit'], undefined],
  [(c) => [`unlisten ${c}`], 'off'],
  [(c) => ['begin', `unlisten ${c}`, 'commit'], 'off'],
  [(c) => [`listen ${c}`, `unlisten ${c}`], 'off'],
  [() => ['select 1'], undefined],
  [() => ['begin', 'select 1', 'select pg_sleep(0.01)', 'commit'], undefined],
]

async function live(listener: Listener, random: () => number, going: () => boolean): Promise<void> {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!
  while (going()) {
    const channel = pick(CHANNELS)
    const [sql, after] = pick(ACTS)
    const sure = listener.surely.get(channel)!
    const maybe = listener.maybe.get(channel)!
    const on = sure.at(-1)?.to === Infinity
    const begun = tick++
    if (after === 'off' && on) sure.at(-1)!.to = begun
    if (after === undefined || on) {
      // What is rolled back changes nothing; a LISTEN of what it listens to neither.
    } else maybe.push({ from: begun, to: Infinity })
    for (const text of sql(channel)) await listener.client.query(text)
    const ended = tick++
    if (after === 'on' && !on) sure.push({ from: ended, to: Infinity })
    if (after === 'off') for (const stretch of maybe) stretch.to = Math.min(stretch.to, ended)
  }
}

it('whoever listens hears everything once and in order, whoever does not hears nothing', async () => {
  const seed = Number(process.env.FUZZ_SEED ?? 7)
  const random = randomFrom(seed)
  const clients = await connectAll(CLIENTS, front.url())
  const listeners = clients.map((client): Listener => {
    const heard: string[] = []
    client.on('notification', ({ channel, payload }) => heard.push(`${channel} ${payload}`))
    const stretches = () => new Map(CHANNELS.map((c): [string, Stretch[]] => [c, []]))
    return { client, heard, surely: stretches(), maybe: stretches() }
  })
  let going = true
  const lives = listeners.map((listener) => live(listener, random, () => going))
  const speakers = [await connect(house.direct), await connect(front.url())]
  const sent: { text: string; channel: string; from: number; to: number }[] = []
  for (let n = 0; n < NOTIFICATIONS; n++) {
    const channel = CHANNELS[Math.floor(random() * CHANNELS.length)]!
    const from = tick++
    await speakers[n % 2]!.query(`notify ${channel}, '${n}'`)
    sent.push({ text: `${channel} ${n}`, channel, from, to: tick++ })
  }
  going = false
  await Promise.all(lives)
  for (const { client } of listeners) await client.query('listen the_end')
  await speakers[0]!.query('notify the_end')
  await until(() => listeners.every(({ heard }) => heard.includes('the_end ')), 10_000)

  const wrong: string[] = []
  let certain = 0
  listeners.forEach(({ heard, surely, maybe }, i) => {
    const numbers = heard.slice(0, -1).map((text) => Number(text.split(' ')[1]))
    if (numbers.some((n, k) => k > 0 && n <= numbers[k - 1]!)) wrong.push(`${i}: order or twice`)
    for (const { text, channel, from, to } of sent) {
      const must = surely.get(channel)!.some((s) => s.from < from && to < s.to)
      // A LISTEN may hear what was said just before it, and is still on its way.
      const may = maybe.get(channel)!.some((s) => from < s.to && to + CLIENTS * 8 > s.from)
      if (must) certain++
      if (must && !heard.includes(text)) wrong.push(`${i}: missed ${text}`)
      if (!may && heard.includes(text)) wrong.push(`${i}: heard ${text}`)
    }
  })
  expect({ seed, wrong }).toEqual({ seed, wrong: [] })
  expect(certain).toBeGreaterThan(CLIENTS * 20)
})
