/**
 * Plays a scenario against one port and writes down every message that came back, normalised only
 * where two connections to one and the same server would differ too: keys of cancellation, process
 * ids of notifications, OIDs of tables made meanwhile, the place in the server's source that refuses
 * a failed transaction. Rule: names, texts, tags, source lines and
 * formats are compared as they came.
 */
import { HEADER } from '../../../src/wire/postgres/codes.ts'
import { query } from '../../../src/wire/postgres/frontend.ts'
import { endOfCString, readErrorFields, sqlstateOf } from '../../../src/wire/postgres/read.ts'
import { type Fragment, RawClient, type RawMessage } from '../../support/raw-client.ts'
import { type Scenario, Z } from './scenario.ts'

export interface PlayOptions {
  readonly port: number
  readonly fragment?: Fragment
  /** Called whenever the scenario is about to speak after it waited. */
  readonly between?: () => Promise<void>
  readonly withinMs?: number
}

export interface Transcript {
  /** One line per message, `letter hex-or-text`. */
  readonly lines: readonly string[]
  readonly messages: number
}

const FIRST_USER_OID = 16_384
/** Longer messages are written down as length and hash-like ends, to keep failures readable. */
const SHOWN_BYTES = 4_096

export async function play(scenario: Scenario, options: PlayOptions): Promise<Transcript> {
  const { withinMs = 10_000 } = options
  const client = await RawClient.connect(options.port)
  const lines: string[] = []
  try {
    const welcome = await client.login(scenario)
    const note = new Notes(scenario.sourceless === true)
    const login = client.messages.filter(({ letter }) => !isAuthentication(letter))
    if (scenario.refused) lines.push(...login.map((m) => refusal(m)))
    else lines.push(...login.map((m) => note.line(m)).sort())
    const start = client.messages.length
    const problem = welcome ? await converse(client, scenario, options, withinMs) : undefined
    for (const message of client.messages.slice(start)) lines.push(note.line(message))
    if (problem !== undefined) lines.push(problem)
    return { lines, messages: client.messages.length }
  } finally {
    client.destroy()
  }
}

/** Says the steps; returns what went wrong, if anything. */
async function converse(
  client: RawClient,
  { steps }: Scenario,
  { fragment, between }: PlayOptions,
  withinMs: number,
): Promise<string | undefined> {
  const awaited = new Map<string, number>()
  const start = client.messages.length
  let spoke = false
  for (const step of [...steps, query("select 'the end'"), Z]) {
    if (Buffer.isBuffer(step)) {
      if (!spoke) await between?.()
      spoke = true
      await client.writePieces(fragment === undefined ? [step] : fragment(step))
      continue
    }
    spoke = false
    const wanted = (awaited.get(step.letter) ?? 0) + step.times
    awaited.set(step.letter, wanted)
    if (await client.until(() => client.count(step.letter, start) >= wanted, withinMs)) continue
    return client.closed ? 'closed' : `waited in vain for ${step.letter}`
  }
  return undefined
}

/** Turns messages into comparable lines; one for each play, because it numbers what is new. */
class Notes {
  #tables = new Map<number, number>()
  #sourceless: boolean

  constructor(sourceless: boolean) {
    this.#sourceless = sourceless
  }

  line({ letter, frame }: RawMessage): string {
    const body = Buffer.from(frame.subarray(HEADER))
    if (letter === 'K') return 'K a key'
    if (letter === 'A') body.writeInt32BE(0, 0)
    if (letter === 'T') this.#renumber(body)
    if (letter === 'E' && (this.#sourceless || isAborted(body))) return refusal({ letter, frame })
    if (letter === 'E' || letter === 'N') return `${letter} ${printed(body)}`
    return `${letter} ${body.length > SHOWN_BYTES ? summary(body) : printed(body)}`
  }

  /** Table OIDs of RowDescription, in order of appearance. */
  #renumber(body: Buffer): void {
    let at = 2
    for (let i = body.readUInt16BE(0); i > 0; i--) {
      at = endOfCString(body, at, body.length) + 1
      const oid = body.readUInt32BE(at)
      if (oid >= FIRST_USER_OID) {
        const known = this.#tables.get(oid) ?? this.#tables.size + 1
        this.#tables.set(oid, known)
        body.writeUInt32BE(FIRST_USER_OID + known, at)
      }
      at += 18
    }
  }
}

/**
 * In a failed transaction everything is refused, by whichever part of the server comes first: Weir
 * may have to prepare a statement on this server connection before it can be bound there.
 */
function isAborted(body: Buffer): boolean {
  return sqlstateOf(body) === '25P02'
}

function isAuthentication(letter: string): boolean {
  return letter === 'R'
}

function refusal(message: RawMessage): string {
  if (message.letter !== 'E') return message.letter
  const { severity, code, message: text } = readErrorFields(message.frame.subarray(HEADER))
  return `E ${severity} ${code} ${text}`
}

/** Readable where it is text, and still exact: other bytes are written as numbers. */
function printed(body: Buffer): string {
  return body
    .toString('latin1')
    .replace(/[^\x20-\x5b\x5d-\x7e]/g, (c) => `\\${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

function summary(body: Buffer): string {
  let sum = 0
  for (const byte of body) sum = (Math.imul(sum, 31) + byte) | 0
  return `${body.length} bytes, sum ${sum}, ${printed(body.subarray(0, 40))}`
}
