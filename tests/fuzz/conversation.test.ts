/**
 * The byte path under every fragmentation and under junk. Chunks are scribbled over as soon as the
 * call that delivered them returns (see paper-house), so a missing copy shows as wrong bytes.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { randomOf, script } from '../support/client-scripts.ts'
import { alone, type ClientScript } from '../support/crowd.ts'
import { backendBytes, frontendBytes } from '../support/message-text.ts'
import { ModelServer } from '../support/model-server.ts'
import { PaperHouse, type PaperLink, ScriptedPool } from '../support/paper-house.ts'

const RUNS = Number(process.env.FUZZ_RUNS ?? 2_000)
const seed = Number(process.env.FUZZ_SEED ?? 2_082_034_585)

interface Pair {
  client: PaperLink
  server: PaperLink
  toServer: () => Buffer
  toClient: () => Buffer
}

/** One client and one server connection; `reply` hears what the server is sent. */
function pair(
  options: { prepared?: number; settings?: ReadonlyMap<string, string> },
  reply: (bytes: Buffer) => void = () => {},
): Pair {
  const pool = new ScriptedPool(() => {}, String, String)
  const house = new PaperHouse({ preparedPerServer: options.prepared ?? 2 }, pool)
  const sent: { server: Buffer[]; client: Buffer[] } = { server: [], client: [] }
  const { server, link } = house.server((bytes) => {
    sent.server.push(bytes)
    reply(bytes)
  })
  pool.add(server)
  const client = house.client((bytes) => sent.client.push(bytes), options.settings)
  return {
    client: client.link,
    server: link,
    toServer: () => Buffer.concat(sent.server),
    toClient: () => Buffer.concat(sent.client),
  }
}

/** `bytes` in pieces of 1 to `most` bytes. */
function* pieces(bytes: Buffer, most: number, random: () => number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const n = 1 + Math.floor(random() * most)
    yield bytes.subarray(at, at + n)
    at += n
  }
}

/** Plays a script with both directions cut into pieces; returns all that came out on either side. */
function play(one: ClientScript, most: number, order: number): { up: string; down: string } {
  const random = randomOf(order)
  const model = new ModelServer({ committed: [] })
  let answer = Buffer.alloc(0)
  const { client, server, toServer, toClient } = pair(
    { settings: new Map(Object.entries(one.settings)) },
    (bytes) => {
      answer = Buffer.concat([answer, model.push(bytes)])
    },
  )
  for (const group of one.groups) {
    const bytes = Buffer.concat(group.map(frontendBytes))
    for (const piece of pieces(bytes, most, random)) client.deliver(piece)
    while (answer.length > 0) {
      const now = answer
      answer = Buffer.alloc(0)
      for (const piece of pieces(now, most, random)) server.deliver(piece)
    }
  }
  return { up: toServer().toString('latin1'), down: toClient().toString('latin1') }
}

describe('any fragmentation of a valid stream', () => {
  it('gives the same bytes to server and client', () => {
    let streams = 0
    fc.assert(
      fc.property(script, fc.integer({ min: 1, max: 60 }), fc.integer(), (one, most, order) => {
        fc.pre(!alone(one).unfit)
        streams++
        const whole = play(one, 1_000_000, 0)
        expect(play(one, most, order)).toEqual(whole)
        expect(play(one, 1, order)).toEqual(whole)
      }),
      { seed, numRuns: RUNS, maxSkipsPerRun: 1_000 },
    )
    console.log(`fragmentation fuzz: seed ${seed}, ${streams} streams, each three ways`)
  })
})

const bytes = fc.uint8Array({ maxLength: 200 }).map((b) => Buffer.from(b))
const types = [...'BCDEFHPQSXcdfpRKZ12359AGHINTVWnst!'].map((c) => c.charCodeAt(0))
/** Frames with a likely type, a likely or wild length, and any body. */
const frames = fc
  .array(
    fc.tuple(
      fc.constantFrom(...types),
      fc.oneof(
        { weight: 8, arbitrary: fc.constant(undefined) },
        { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 ** 32 - 1 }) },
        { weight: 1, arbitrary: fc.integer({ min: 0, max: 40 }) },
      ),
      fc.oneof(
        bytes,
        fc.constantFrom('s1\0', 'Ss1\0', '\0\0', 'S1\0', '').map((s) => Buffer.from(s)),
      ),
    ),
    { minLength: 1, maxLength: 12 },
  )
  .map((list) =>
    Buffer.concat(
      list.map(([type, length, body]) => {
        const head = Buffer.alloc(5)
        head[0] = type
        head.writeUInt32BE(length ?? body.length + 4, 1)
        return Buffer.concat([head, body])
      }),
    ),
  )
const junk = fc.oneof({ weight: 1, arbitrary: bytes }, { weight: 4, arbitrary: frames })
const opening = fc.constantFrom<readonly string[]>(
  [],
  ['Query "begin"'],
  ['Parse "s1" "echo $1" []', 'Sync'],
  ['Parse "s1" "echo $1" []', 'Bind "" "s1" ["x"]', 'Execute "" 0', 'Sync'],
  ['Parse "" "bad" []', 'Flush'],
  ['Query "copy"'],
)

describe('junk', () => {
  it('from a client never throws, and ends the session or is passed on', () => {
    let inputs = 0
    fc.assert(
      fc.property(
        opening,
        junk,
        fc.integer({ min: 1, max: 60 }),
        fc.integer(),
        (start, rubbish, most, order) => {
          inputs++
          const { client, toServer } = pair({})
          for (const line of start) client.deliver(frontendBytes(line))
          for (const piece of pieces(rubbish, most, randomOf(order))) client.deliver(piece)
          expect(toServer().length).toBeLessThan(20_000)
          client.hangUp()
        },
      ),
      { seed, numRuns: RUNS * 5 },
    )
    console.log(`junk from clients: seed ${seed}, ${inputs} inputs`)
  })

  it('from a server never throws, and gives the connection up or is passed on', () => {
    let inputs = 0
    fc.assert(
      fc.property(
        opening,
        junk,
        fc.integer({ min: 1, max: 60 }),
        fc.integer(),
        (start, rubbish, most, order) => {
          inputs++
          const { client, server, toClient } = pair({})
          for (const line of start) client.deliver(frontendBytes(line))
          if (start[0] === 'Query "copy"') server.deliver(backendBytes('CopyInResponse'))
          for (const piece of pieces(rubbish, most, randomOf(order))) server.deliver(piece)
          expect(toClient().length).toBeLessThan(20_000)
          client.hangUp()
          server.hangUp()
        },
      ),
      { seed, numRuns: RUNS * 5 },
    )
    console.log(`junk from servers: seed ${seed}, ${inputs} inputs`)
  })
})
