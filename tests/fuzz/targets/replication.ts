/**
 * Replication clients, whose bytes pass unread: messages and junk of both sides, in pieces, and either
 * may go at any time. Rule: the server is sent a beginning of what the client said, the client a
 * beginning of what the server said, and what we add of our own stands at the end of a message.
 */
import { randomOf } from '../../support/client-scripts.ts'
import type { Target } from '../../support/fuzz.ts'
import { cuts, Draw, tamper } from '../../support/fuzz-draw.ts'
import { framesOf } from '../../support/fuzz-stream.ts'
import { backendBytes, frontendBytes } from '../../support/message-text.ts'
import { PaperHouse, ScriptedPool } from '../../support/paper-house.ts'

type Act =
  | { do: 'client' | 'server'; bytes: Buffer }
  | { do: 'client-goes' | 'server-goes' | 'shut-down' }

interface Case {
  acts: Act[]
  pieces: number[]
}

const CLIENT = [
  'Query "IDENTIFY_SYSTEM"',
  'CopyData "r"',
  'CopyDone',
  'CopyFail "no"',
  'Terminate',
  'Sync',
]
const SERVER = [
  ...[
    'CopyBothResponse',
    'CopyData "wal"',
    'CopyDone',
    'CommandComplete "COPY 0"',
    'ReadyForQuery I',
  ],
  ...['ErrorResponse ERROR 42601 "no"', 'ErrorResponse FATAL 57P01 "going"', 'DataRow ["x"]'],
]

function make(draw: Draw): Case {
  const damaged = (bytes: Buffer) => (draw.maybe(12) ? tamper(draw, bytes) : bytes)
  return {
    acts: draw.list(12, () =>
      draw.way<Act>(
        [5, () => ({ do: 'client', bytes: damaged(frontendBytes(draw.pick(CLIENT))) })],
        [6, () => ({ do: 'server', bytes: damaged(backendBytes(draw.pick(SERVER))) })],
        [1, () => ({ do: draw.pick(['client', 'server'] as const), bytes: draw.bytes(20) })],
        [1, () => ({ do: draw.pick(['client-goes', 'server-goes', 'shut-down'] as const) })],
      ),
    ),
    pieces: [draw.number(), draw.number()],
  }
}

function check({ acts, pieces }: Case): string {
  const draw = new Draw(pieces, randomOf(pieces[0]!))
  const house = new PaperHouse({}, new ScriptedPool(() => {}, String, String))
  const got: { client: Buffer[]; server: Buffer[] } = { client: [], server: [] }
  const said: { client: Buffer[]; server: Buffer[] } = { client: [], server: [] }
  const { server, link: node } = house.server((bytes) => got.server.push(bytes), {}, true)
  const { session, link: client } = house.replicationClient(
    (bytes) => got.client.push(bytes),
    server,
  )
  for (const act of acts) {
    switch (act.do) {
      case 'client':
      case 'server':
        for (const piece of cuts(draw, act.bytes)) {
          const link = act.do === 'client' ? client : node
          if (!link.closed) said[act.do].push(piece)
          link.deliver(piece)
        }
        break
      case 'client-goes':
        client.hangUp()
        break
      case 'server-goes':
        node.hangUp()
        break
      case 'shut-down':
        session.shutDown('draining')
        house.turn.flush()
        break
    }
  }
  const toServer = Buffer.concat(got.server)
  const fromClient = Buffer.concat(said.client)
  const goodbye = frontendBytes('Terminate')
  const ends = toServer.subarray(-goodbye.length).equals(goodbye)
  const relayed = ends ? toServer.subarray(0, -goodbye.length) : toServer
  if (!fromClient.subarray(0, relayed.length).equals(relayed)) {
    throw new Error(
      `the server was sent ${relayed.toString('hex')} of ${fromClient.toString('hex')}`,
    )
  }
  const toClient = Buffer.concat(got.client)
  const fromServer = Buffer.concat(said.server)
  let same = 0
  while (same < toClient.length && toClient[same] === fromServer[same]) same++
  if (same < toClient.length) checkOwn(toClient, fromServer, same)
  const state = client.closed ? 'closed' : 'open'
  client.hangUp()
  node.hangUp()
  if (house.sessions.size > 0) throw new Error('a session is left')
  return `${state}, ${node.closed ? 'gone' : 'there'}, ${ends ? 'goodbye' : 'none'}, ${same < toClient.length ? 'told' : 'not told'}`
}

/** What of `toClient` is not the server's must be one error of ours, behind a whole message. */
function checkOwn(toClient: Buffer, fromServer: Buffer, same: number): void {
  for (let at = same; at >= 0; at--) {
    const own = toClient.subarray(at)
    if (own[0] !== 0x45 || !fromServer.subarray(0, at).equals(toClient.subarray(0, at))) continue
    const { frames, rest } = framesOf(own, 'server')
    if (frames.length !== 1 || rest.length > 0) continue
    let end = 0
    while (end + 5 <= at) {
      const length = toClient.readInt32BE(end + 1)
      if (length < 4) break
      end += length + 1
    }
    if (end === at) return
    throw new Error('told in the middle of a message')
  }
  throw new Error(
    `the client was sent ${toClient.toString('hex')} of ${fromServer.toString('hex')}`,
  )
}

export const replication: Target<Case> = {
  name: 'replication',
  promise: 'what passes unread passes unchanged, and nothing of ours comes in the middle of it',
  runs: 4_000,
  make,
  check,
}
