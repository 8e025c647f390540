/**
 * Clients after login that send anything: every frontend message, right, damaged, of wild length, in
 * any order and in pieces, next to a neighbour on the same server connections. What the neighbour is
 * answered must be exactly right, before, meanwhile and after.
 */
import { FRONTEND, HEADER } from '../../../src/wire/postgres/codes.ts'
import { randomOf } from '../../support/client-scripts.ts'
import type { Target } from '../../support/fuzz.ts'
import { cuts, Draw, tamper } from '../../support/fuzz-draw.ts'
import { Neighbours } from '../../support/fuzz-neighbours.ts'
import { framesOf } from '../../support/fuzz-stream.ts'
import { frontendBytes } from '../../support/message-text.ts'

interface Case {
  /** Requests that only read ride on shared server connections. */
  sharing: boolean
  /** Each is sent in pieces, and answered before the next unless `joined`. */
  sends: { bytes: Buffer; joined: boolean; neighbour: boolean }[]
  pieces: number[]
}

const TEXTS = [
  ...['table $1', 'table a', "table 'b'", 'table a; table b', 'select 1'],
  ...['echo $1', 'rows 3', 'begin', 'commit', 'rollback', 'bad', 'fail', 'copy', 'show', ''],
  ...["set a.b = 'c'", 'insert rude', 'begin;insert x', 'echo 1;bad', 'discard all', 'reset a.b'],
  ...["set local a.b = 'c'", 'prepare p as select 1', 'execute p', 'deallocate all', 'listen c'],
  ...["select set_config('a.b','c',false)", 'select pg_advisory_lock(1)', 'create temp table t()'],
  ...['declare c cursor with hold for select 1', 'unlisten *', "'", '$a$', '/*', 'é\u0001'],
]
const NAMES = ['', 's1', 's2', 'weir:1', 'weir:2', 'a'.repeat(70), 'é']

function line(draw: Draw): Buffer {
  const q = JSON.stringify
  const name = () => q(draw.pick(NAMES))
  const portal = () => q(draw.pick(['', 'p', 'weir:1']))
  const text = () => q(draw.pick(TEXTS))
  return frontendBytes(
    draw.way<string>(
      [4, () => `Query ${text()}`],
      [3, () => `Parse ${name()} ${text()} ${draw.pick(['[]', '[25]', '[0,4294967295]'])}`],
      [3, () => `Bind ${portal()} ${name()} ${draw.pick(['["v"]', '[]', '[null]'])}`],
      [3, () => `Execute ${portal()} ${draw.pick([0, 1, -1, 2_147_483_647])}`],
      [3, () => 'Sync'],
      [1, () => 'Flush'],
      [1, () => `Describe ${draw.pick(['S', 'P'])} ${name()}`],
      [2, () => `Close ${draw.pick(['S', 'P'])} ${name()}`],
      [1, () => draw.pick(['CopyData "one"', 'CopyData "wrong"', 'CopyDone', 'CopyFail "no"'])],
      [1, () => `FunctionCall ${draw.pick([1, 0, 4_294_967_295])} ["x"]`],
      [1, () => 'Terminate'],
    ),
  )
}

const TYPES = [...Object.values(FRONTEND), 0, 0xff, 0x52, 0x5a]

function frame(draw: Draw): Buffer {
  const body = draw.way<Buffer>(
    [3, () => Buffer.from(draw.text(4, ['\0', 'S', 'P', 's1\0', '\0\0', 'select 1']))],
    [2, () => draw.bytes(40)],
    [1, () => Buffer.alloc(draw.pick([100, 5_000]), 0x41)],
  )
  const head = Buffer.alloc(HEADER)
  head[0] = draw.pick(TYPES)
  const wild = [0, 3, 5, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x4000_0000, body.length + 5]
  head.writeUInt32BE(draw.maybe(15) ? draw.pick(wild) : body.length + 4, 1)
  return Buffer.concat([head, body])
}

function make(draw: Draw): Case {
  return {
    sharing: draw.maybe(50),
    sends: draw.list(12, () => sends(draw)).flat(),
    pieces: [draw.number(), draw.number()],
  }
}

type Send = Case['sends'][number]

/** Mostly one; or a message in two, with junk right behind. */
function sends(draw: Draw): Send[] {
  if (draw.maybe(8)) {
    const whole = draw.maybe(50) ? line(draw) : frame(draw)
    const at = draw.upTo(whole.length)
    return [
      { bytes: whole.subarray(0, at), joined: false, neighbour: false },
      {
        bytes: Buffer.concat([whole.subarray(at), draw.bytes(12)]),
        joined: true,
        neighbour: false,
      },
    ]
  }
  const bytes = draw.way<Buffer>(
    [8, () => line(draw)],
    [2, () => frame(draw)],
    [1, () => tamper(draw, line(draw))],
    [1, () => draw.bytes(30)],
  )
  return [{ bytes, joined: draw.maybe(50), neighbour: draw.maybe(20) }]
}

async function check({ sharing, sends, pieces }: Case): Promise<string> {
  const house = new Neighbours(sharing)
  const draw = new Draw(pieces, randomOf(pieces[0]!))
  let together: Buffer[] = []
  for (const [i, { bytes, joined, neighbour }] of sends.entries()) {
    together.push(bytes)
    if (joined && i < sends.length - 1) continue
    for (const piece of cuts(draw, Buffer.concat(together))) {
      if (!house.rude.closed) house.rude.deliver(piece)
    }
    together = []
    await house.settle()
    if (neighbour) await house.ask()
  }
  const closed = house.rude.closed
  const { frames } = framesOf(Buffer.concat(house.toRude), 'server')
  await house.leave()
  return `${closed ? 'closed' : 'open'}, ${frames
    .map(({ type }) => String.fromCharCode(type))
    .join('')
    .slice(-3)}`
}

export const rudeClient: Target<Case> = {
  name: 'rude-client',
  promise:
    'whatever one client sends, its neighbour is answered exactly right and inherits nothing',
  runs: 1_500,
  make,
  check,
}
