/**
 * Nodes after login that send anything: every backend message, unasked, doubled, damaged, of wild
 * length, in pieces. Its own client may lose its session, but reads only messages that a node may
 * send and never more ends of answers than it asked for; a neighbour on another node notices nothing.
 */
import { BACKEND, HEADER } from '../../../src/wire/postgres/codes.ts'
import { randomOf } from '../../support/client-scripts.ts'
import type { Target } from '../../support/fuzz.ts'
import { cuts, Draw, tamper } from '../../support/fuzz-draw.ts'
import { Neighbours } from '../../support/fuzz-neighbours.ts'
import { framesOf } from '../../support/fuzz-stream.ts'
import { backendBytes, frontendBytes } from '../../support/message-text.ts'

type Act =
  | { do: 'ask'; lines: string[] }
  /** The node answers as it should. */
  | { do: 'answer' }
  | { do: 'say'; bytes: Buffer }
  | { do: 'neighbour' }

interface Case {
  /** Requests that only read ride on shared server connections. */
  sharing: boolean
  opening: string[]
  acts: Act[]
  pieces: number[]
}

const ASKS: readonly string[][] = [
  ['Query "echo x"'],
  ['Query "table a"'],
  ['Parse "r" "table b" []', 'Describe S "r"', 'Sync'],
  ['Bind "" "r" ["v"]', 'Describe P ""', 'Execute "" 0', 'Sync'],
  ['Query "begin"'],
  ['Query "commit"'],
  ['Query "copy"'],
  ['CopyData "one"', 'CopyDone'],
  ['Parse "s1" "echo $1" []', 'Bind "" "s1" ["v"]', 'Execute "" 0', 'Sync'],
  ['Parse "" "echo $1" []', 'Describe S ""', 'Flush'],
  ['Bind "" "s1" ["v"]', 'Execute "" 1', 'Sync'],
  ['Close S "s1"', 'Sync'],
  ['Sync'],
  [`Query "set a.b = 'c'"`],
  ['Query "rows 3"', 'Query "echo y"'],
]

const SAYS = [
  ...['ReadyForQuery I', 'ReadyForQuery T', 'ReadyForQuery E', 'CommandComplete "SELECT 1"'],
  ...['DataRow ["x"]', 'DataRow []', 'RowDescription ["c"]', 'RowDescription []', 'NoData'],
  ...['ParseComplete', 'BindComplete', 'CloseComplete', 'PortalSuspended', 'EmptyQueryResponse'],
  ...['ErrorResponse ERROR 42601 "no"', 'ErrorResponse FATAL 57P01 "going"', 'CopyDone'],
  ...['ErrorResponse ERROR 0A000 "cached plan must not change result type"', 'CopyData "x"'],
  ...['ErrorResponse ERROR 26000 "no such"', 'ErrorResponse PANIC XX000 "x"', 'CopyInResponse'],
  ...['NoticeResponse WARNING 01000 "hear"', 'NotificationResponse 7 "c" "p"', 'CopyOutResponse'],
  ...['ParameterStatus "client_encoding" "SJIS"', 'ParameterStatus "a" "b"', 'CopyBothResponse'],
  ...['ParameterStatus "standard_conforming_strings" "off"', 'ParameterDescription [25]'],
  ...['ParameterStatus "in_hot_standby" "on"', 'FunctionCallResponse "x"', 'CommandComplete ""'],
]

function frame(draw: Draw): Buffer {
  const body = draw.way<Buffer>(
    [
      3,
      () =>
        Buffer.from(draw.text(4, ['\0', 'S', 'I', 'C', 'M', 'client_encoding\0', '\0\0\0\x01'])),
    ],
    [2, () => draw.bytes(30)],
  )
  const head = Buffer.alloc(HEADER)
  head[0] = draw.pick([...Object.values(BACKEND), 0x52, 0x4b, 0x76, 0, 0xff, 0x51])
  const wild = [0, 3, 5, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, body.length + 5, 0x0040_0005]
  head.writeUInt32BE(draw.maybe(15) ? draw.pick(wild) : body.length + 4, 1)
  return Buffer.concat([head, body])
}

function make(draw: Draw): Case {
  return {
    sharing: draw.maybe(40),
    opening: draw.pick(ASKS),
    acts: draw.list(10, () =>
      draw.way<Act>(
        [4, () => ({ do: 'answer' })],
        [3, () => ({ do: 'ask', lines: draw.pick(ASKS) })],
        [4, () => ({ do: 'say', bytes: backendBytes(draw.pick(SAYS)) })],
        [1, () => ({ do: 'say', bytes: tamper(draw, backendBytes(draw.pick(SAYS))) })],
        [1, () => ({ do: 'say', bytes: frame(draw) })],
        [1, () => ({ do: 'neighbour' })],
      ),
    ),
    pieces: [draw.number(), draw.number()],
  }
}

/** What Weir says, and no node here, when a server connection is given up. */
const OWN_WORDS = 'server connection'

/** Each of these is answered with one ReadyForQuery. */
const ENDING = /^(Query|Sync|FunctionCall)/

async function check({ sharing, opening, acts, pieces }: Case): Promise<string> {
  const house = new Neighbours(sharing)
  const draw = new Draw(pieces, randomOf(pieces[0]!))
  await house.keepApart()
  let asked = 0
  const ask = (lines: readonly string[]): void => {
    asked += lines.filter((text) => ENDING.test(text)).length
    const bytes = Buffer.concat(lines.map(frontendBytes))
    for (const piece of cuts(draw, bytes)) house.rude.deliver(piece)
  }
  ask([sharing ? 'Query "table a"' : 'Query "begin"'])
  await house.settle()
  // In a transaction the rude client keeps what it was lent; what is shared is kept by its lane.
  const node = house.nodes[1]!
  ask(opening)
  const count = (): string => {
    const { frames, rest } = framesOf(Buffer.concat(house.toRude), 'server')
    const others = frames.filter(({ type }) => type !== BACKEND.ERROR_RESPONSE)
    if ([rest, ...others.map(({ body }) => body)].some((bytes) => bytes.includes(OWN_WORDS))) {
      throw new Error('told of the loss in the middle of a message')
    }
    const ends = frames.filter(({ type }) => type === BACKEND.READY_FOR_QUERY).length
    if (ends > asked) throw new Error(`${ends} answers to ${asked} requests`)
    return frames
      .map(({ type }) => String.fromCharCode(type))
      .join('')
      .slice(-2)
  }
  for (const act of acts) {
    switch (act.do) {
      case 'ask':
        ask(act.lines)
        break
      case 'answer':
        await house.settle()
        break
      case 'say':
        for (const piece of cuts(draw, act.bytes)) node.link.deliver(piece)
        break
      case 'neighbour':
        await house.ask()
        break
    }
    count()
  }
  const told = count()
  const kept = node.server.closed ? 'given up' : 'kept'
  // What such a node would answer the neighbour is its own affair.
  node.gone = true
  await house.leave()
  return `${kept}, ${house.rude.closed ? 'closed' : 'open'}, ${told}`
}

export const rudeNode: Target<Case> = {
  name: 'rude-node',
  promise:
    'whatever a node sends, its client reads whole messages and no answer it did not ask for, and no other session is touched',
  runs: 1_500,
  make,
  check,
}
