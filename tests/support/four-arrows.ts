/**
 * Four-arrow transcripts: one text file a scenario, played through real sessions and server
 * connections. Rule: what a client sends (`C>P`), what a server sends (`S>P`) and what happens
 * (`!`) is the script; what Weir does about it (`P>S`, `P>C`, `--`) is written by the run, so the
 * difference between two runs is the review.
 *
 *   # what this shows            C>P Query "select 1"      lines of one sender that stand together
 *   servers 2                    P>S Query "select 1"      arrive in one read; an empty line parts
 *   ! S1 lost                    -- C takes S1             them
 *
 * The columns of an ask are printed short: `<'work_mem'>` for a value, `<temporary>` and the like.
 */

import { ABOUT, askSql } from '../../src/protocol/postgres/asking.ts'
import type { ServerConnection } from '../../src/server/server-connection.ts'
import type { Session } from '../../src/session/sessions.ts'
import { asLines, backendBytes, frontendBytes } from './message-text.ts'
import { PaperHouse, type PaperLink, ScriptedPool, TOO_LONG } from './paper-house.ts'

interface Script {
  /** Comments and directives, as they stand. */
  readonly head: readonly string[]
  readonly blocks: readonly (readonly string[])[]
}

interface Side {
  readonly name: string
  readonly link: PaperLink
}

const SETTINGS = /^settings (\w+) (\w+)=(.*)$/
/** Columns of an ask, as transcripts print them. */
const ASKED = Object.entries(ABOUT)
  .filter(([, about]) => about !== ABOUT.SETTINGS)
  .map(([what, about]) => {
    const sql = askSql({ about, names: [] }).slice('SELECT '.length)
    return [JSON.stringify(sql).slice(1, -1), `<${what.toLowerCase()}>`] as const
  })

function abridged(line: string): string {
  let short = line.replaceAll(/pg_catalog\.current_setting\(('[^']*'),true\)/g, '<$1>')
  for (const [sql, name] of ASKED) short = short.replaceAll(sql, name)
  return short
}

/** Plays `text` and returns it with everything Weir did written anew. */
export async function play(text: string): Promise<string> {
  const script = parse(text)
  const stage = new Stage(script.head)
  await stage.settle()
  const out = [...script.head]
  const early = stage.take()
  if (early.length > 0) out.push('', ...early)
  for (const block of script.blocks) {
    out.push('', ...block)
    stage.enact(block)
    await stage.settle()
    out.push(...stage.take())
  }
  const torn = stage.torn()
  if (torn.length > 0) out.push('', ...torn)
  return `${out.join('\n')}\n`
}

function parse(text: string): Script {
  const head: string[] = []
  const blocks: string[][] = []
  let last = ''
  for (const line of text.split('\n')) {
    if (/^(P>|--)/.test(line)) {
      last = ''
      continue
    }
    const sender = /^(\S+>P|!|#)/.exec(line)?.[1]
    if (sender === undefined || (sender === '#' && blocks.length === 0)) {
      if (line.trim() !== '') head.push(line)
      last = ''
      continue
    }
    // A comment opens the block of the line behind it.
    if ((sender === last && sender !== '!') || last === '#') blocks.at(-1)!.push(line)
    else blocks.push([line])
    last = sender
  }
  return { head, blocks }
}

class Stage {
  #house: PaperHouse
  #pool: ScriptedPool
  #clients = new Map<string, Side & { session: Session }>()
  #servers = new Map<string, Side & { id: number }>()
  #names = new Map<unknown, string>()
  #lines: string[] = []
  #rest = new Map<string, Buffer>()

  constructor(head: readonly string[]) {
    const word = (name: string): string | undefined =>
      head.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1)
    const number = (name: string, otherwise: number): number => Number(word(name) ?? otherwise)
    const note = (text: string): void => {
      this.#lines.push(`-- ${text}`)
    }
    const name = (of: unknown): string => this.#names.get(of) ?? 'somebody'
    const servers = number('servers', 1)
    const serverName = (id: number): string => (servers === 1 ? 'S' : `S${id}`)
    this.#pool = new ScriptedPool(note, name, serverName)
    this.#house = new PaperHouse(
      {
        preparedPerServer: number('prepared', 100),
        inspectBytes: number('inspect', 1_048_576),
        pinning: (word('pinning') ?? 'follow') as 'follow' | 'strict' | 'aws',
        verify: head.includes('verify'),
        retryReads: head.includes('retries'),
        initQuery: word('init') ?? '',
        note,
        serverName,
      },
      this.#pool,
    )
    if (head.includes('replication')) {
      this.#addReplication('C', 'S')
      return
    }
    for (let i = 1; i <= servers; i++) this.#addServer(serverName(i))
    const clients = number('clients', 1)
    for (let i = 1; i <= clients; i++) this.#addClient(clients === 1 ? 'C' : `C${i}`, head)
  }

  #addServer(name: string, passes = false): ServerConnection {
    const lost = (_server: ServerConnection, leased: boolean): void => {
      this.#lines.push(`-- ${name} is lost${leased ? '' : ', leased to nobody'}`)
    }
    const sent = (bytes: Buffer): void => this.#arrive(`P>${name}`, bytes)
    const { server, link } = this.#house.server(sent, { lost }, passes)
    this.#servers.set(name, { name, link, id: server.id })
    if (!passes) this.#pool.add(server)
    return server
  }

  #addReplication(client: string, server: string): void {
    const sent = (bytes: Buffer): void => this.#arrive(`P>${client}`, bytes)
    const own = this.#addServer(server, true)
    const { session, link } = this.#house.replicationClient(sent, own)
    this.#clients.set(client, { name: client, link, session })
  }

  #addClient(name: string, head: readonly string[]): void {
    const settings = new Map<string, string>()
    for (const line of head) {
      const [, whose, key, value] = SETTINGS.exec(line) ?? []
      if (whose === name) settings.set(key!, value!)
    }
    const { session, link } = this.#house.client(
      (bytes) => this.#arrive(`P>${name}`, bytes),
      settings,
    )
    this.#names.set(session.route, name)
    this.#clients.set(name, { name, link, session })
    let { pins } = session
    Object.defineProperty(session, 'pins', {
      get: () => pins,
      set: (now: typeof pins) => {
        const news = (text: string) => this.#lines.push(`-- ${name} is ${text}`)
        for (const reason of now) if (!pins.has(reason)) news(`pinned: ${reason}`)
        for (const reason of pins) if (!now.has(reason)) news(`no longer pinned: ${reason}`)
        pins = now
      },
    })
  }

  #arrive(arrow: string, bytes: Buffer): void {
    const known = Buffer.concat([this.#rest.get(arrow) ?? Buffer.alloc(0), bytes])
    const { lines, rest } = asLines(known, arrow.startsWith('P>S') ? 'client' : 'server')
    this.#rest.set(arrow, Buffer.from(rest))
    for (const line of lines) this.#lines.push(`${arrow} ${abridged(line)}`)
  }

  enact(block: readonly string[]): void {
    const lines = block.filter((line) => !line.startsWith('#'))
    const first = lines[0]
    if (first === undefined) return
    if (first.startsWith('!')) {
      this.#happen(first.slice(1).trim())
      return
    }
    const name = first.slice(0, first.indexOf('>'))
    const messages = lines.map((line) => line.slice(line.indexOf(' ') + 1))
    const client = this.#clients.get(name)
    const server = this.#servers.get(name)
    if (client === undefined && server === undefined) throw new Error(`nobody is called ${name}`)
    const side = client ?? server!
    const build = client === undefined ? backendBytes : frontendBytes
    if (side.link.closed) this.#lines.push(`-- ${name} is not there any more`)
    side.link.deliver(Buffer.concat(messages.map(build)))
    if (client?.link.closed === true) this.#lines.push(`-- ${name} is closed`)
  }

  #happen(what: string): void {
    const [name = '', verb = ''] = what.split(' ')
    const client = this.#clients.get(name)
    const server = this.#servers.get(name)
    switch (verb) {
      case 'lost':
        if (server !== undefined) server.link.hangUp()
        return
      case 'gone':
        client?.link.hangUp()
        return
      case 'cancels':
        void client?.session.cancel()
        return
      case 'busy':
        this.#pool.place(server!.id).free = false
        return
      case 'impatient':
        this.#pool.patient = false
        return
      case 'free':
        this.#pool.setFree(server!.id)
        return
      case 'refuses':
        this.#pool.refusal = TOO_LONG
        this.#pool.refuseAll()
        return
      case 'lends':
        this.#pool.refusal = undefined
        return
      case 'stops':
        this.#house.sessions.shutDown('draining')
        return
      default:
        throw new Error(`nobody knows what this means: ! ${what}`)
    }
  }

  /** Lets what is asynchronous (cleaning, flushing) come to rest. */
  async settle(): Promise<void> {
    for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
    this.#house.turn.flush()
  }

  take(): string[] {
    return this.#lines.splice(0)
  }

  /** Messages of which only a part arrived. */
  torn(): string[] {
    return [...this.#rest]
      .filter(([, bytes]) => bytes.length > 0)
      .map(([arrow, bytes]) => `${arrow} (torn) ${bytes.toString('hex')}`)
  }
}
