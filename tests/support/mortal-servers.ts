/**
 * Model servers that die: bytes reach them late and in pieces, their answers come back so, and at
 * any step one may go with whatever was under way. Rule: what a server has committed stays (a
 * promoted reader has it), all else of it is gone; a client goes on with its program whatever it is
 * told, and is judged by what it was told.
 */
import type { ServerConnection } from '../../src/server/server-connection.ts'
import { asLines, frontendBytes } from './message-text.ts'
import { ModelServer } from './model-server.ts'
import { PaperHouse, type PaperLink, type PaperPool, TOO_LONG } from './paper-house.ts'

type Style = 'query' | 'batch' | 'named' | 'joined'

export interface Statement {
  readonly what: string
  /** `joined`: in one batch with what comes next. */
  readonly style: string
  /** For its answer, before anything more is sent. */
  readonly wait: boolean
}

/** `text`: its inserts in one text, `split`: in two, in a transaction when there is a `begin`. */
export interface Block {
  readonly kind: 'alone' | 'commit' | 'rollback' | 'text' | 'split'
  readonly statements: readonly Statement[]
  readonly begin?: string
  readonly end?: string
  readonly wait?: boolean
}

/** What a client sends up to one ReadyForQuery, and what of it matters. */
interface Request {
  readonly lines: string[]
  /** Units of work whose fate is told by this answer. */
  readonly settles: Unit[]
  wait: boolean
}

/** What is committed together or not at all. */
interface Unit {
  readonly kind: 'alone' | 'commit' | 'rollback'
  readonly values: string[]
  /** The request that begins it, by number. */
  readonly first: number
}

interface Answer {
  readonly codes: readonly string[]
  readonly tags: readonly string[]
  readonly status: string
}

interface Mortal {
  readonly server: ServerConnection
  readonly link: PaperLink
  readonly model: ModelServer
  inbound: Buffer
  outbound: Buffer
}

interface Guest {
  readonly requests: readonly Request[]
  readonly units: readonly Unit[]
  readonly link: PaperLink
  received: Buffer
  answers: Answer[]
  next: number
  unsent: Buffer
}

export interface Fate {
  readonly wrong: readonly string[]
  readonly counted: Readonly<Record<string, number>>
}

export interface WorldOptions {
  /** Of each step, that a server dies in it. */
  readonly mortality: number
  /** Of each borrow, that there is none to be had. */
  readonly refusals: number
  /** 0 <= r < 1 */
  readonly random: () => number
}

export async function meetDeath(
  programs: readonly (readonly Block[])[],
  options: WorldOptions,
): Promise<Fate> {
  return new World(programs, options).run()
}

class World {
  #random: () => number
  #mortality: number
  #refuses: boolean
  #house: PaperHouse
  #alive: Mortal[] = []
  #idle: ServerConnection[] = []
  #guests: Guest[]
  #committed: string[] = []
  #wrong: string[] = []

  constructor(
    programs: readonly (readonly Block[])[],
    { mortality, refusals, random }: WorldOptions,
  ) {
    this.#random = random
    this.#mortality = mortality
    this.#refuses = refusals > 0
    const pool: PaperPool = {
      tryBorrow: () => {
        if (random() < refusals) return undefined
        return this.#idle.pop() ?? this.#open()
      },
      borrow: (_route, waiter) => {
        waiter.refused(TOO_LONG)
        return { cancel: () => {} }
      },
      home: () => ({
        release: (server) => {
          if (server.condition() === 'clean') this.#idle.push(server)
          else server.close('closed' as never)
        },
        discard: () => {},
      }),
    }
    this.#house = new PaperHouse({ retryReads: true }, pool)
    this.#guests = programs.map((program, i) => this.#invite(program, `c${i}`))
  }

  #open(): ServerConnection {
    const model = new ModelServer({ committed: this.#committed })
    const { server, link } = this.#house.server(
      (bytes) => {
        mortal.inbound = Buffer.concat([mortal.inbound, bytes])
      },
      {
        lost: (lost) => {
          this.#idle = this.#idle.filter((other) => other !== lost)
          this.#alive = this.#alive.filter((other) => other.server !== lost)
        },
      },
    )
    const none = Buffer.alloc(0)
    const mortal: Mortal = { server, link, model, inbound: none, outbound: none }
    this.#alive.push(mortal)
    return server
  }

  #invite(program: readonly Block[], name: string): Guest {
    const { requests, units } = requestsOf(program, name)
    const { link } = this.#house.client((bytes) => {
      guest.received = Buffer.concat([guest.received, bytes])
      this.#read(guest)
    })
    const guest: Guest = {
      requests,
      units,
      link,
      received: Buffer.alloc(0),
      answers: [],
      next: 0,
      unsent: Buffer.alloc(0),
    }
    return guest
  }

  /** Takes whole answers, each up to its ReadyForQuery. */
  #read(guest: Guest): void {
    const { lines } = asLines(guest.received, 'server')
    const answers: Answer[] = []
    let codes: string[] = []
    let tags: string[] = []
    for (const line of lines) {
      const code = /^ErrorResponse \w+ (\w+)/.exec(line)?.[1]
      const tag = /^CommandComplete "(\w+)/.exec(line)?.[1]
      const status = /^ReadyForQuery (\w)/.exec(line)?.[1]
      if (code !== undefined) codes.push(code)
      if (tag !== undefined) tags.push(tag)
      if (status === undefined) continue
      answers.push({ codes, tags, status })
      codes = []
      tags = []
    }
    guest.answers = answers
  }

  async run(): Promise<Fate> {
    for (let still = 0; still < 10; ) {
      const acts = this.#acts()
      if (acts.length === 0) {
        still++
        await new Promise((resolve) => setImmediate(resolve))
        this.#house.turn.flush()
        continue
      }
      still = 0
      acts[Math.floor(this.#random() * acts.length)]!()
      this.#house.turn.flush()
      if (this.#random() < this.#mortality) this.#kill()
      if (this.#random() < 0.1) await Promise.resolve()
    }
    for (const guest of this.#guests) this.#judge(guest)
    return { wrong: this.#wrong, counted: this.#house.counters.outcomes.snapshot() }
  }

  #kill(): void {
    const victim = this.#alive[Math.floor(this.#random() * this.#alive.length)]
    victim?.link.hangUp()
  }

  #acts(): (() => void)[] {
    const acts: (() => void)[] = []
    for (const guest of this.#guests) {
      if (guest.link.closed) continue
      if (guest.unsent.length === 0 && this.#ready(guest)) {
        acts.push(() => this.#send(guest))
      }
      if (guest.unsent.length > 0) {
        acts.push(() => {
          const n = this.#refuses ? guest.unsent.length : this.#some(guest.unsent.length)
          const chunk = guest.unsent.subarray(0, n)
          guest.unsent = guest.unsent.subarray(n)
          guest.link.deliver(chunk)
        })
      }
    }
    for (const mortal of this.#alive) {
      if (mortal.inbound.length > 0) {
        acts.push(() => {
          const n = this.#some(mortal.inbound.length)
          const answer = mortal.model.push(mortal.inbound.subarray(0, n))
          mortal.inbound = mortal.inbound.subarray(n)
          mortal.outbound = Buffer.concat([mortal.outbound, answer])
        })
      }
      if (mortal.outbound.length > 0 && !mortal.link.paused) {
        acts.push(() => {
          const n = this.#some(mortal.outbound.length)
          const chunk = mortal.outbound.subarray(0, n)
          mortal.outbound = mortal.outbound.subarray(n)
          mortal.link.deliver(chunk)
        })
      }
    }
    return acts
  }

  /**
   * The next request. Where a BEGIN may be refused all that the client sends without waiting arrives
   * with it: what comes later may come from a client that has read the refusal.
   */
  #send(guest: Guest): void {
    do {
      const { lines, wait } = guest.requests[guest.next++]!
      guest.unsent = Buffer.concat([guest.unsent, ...lines.map(frontendBytes)])
      if (wait) return
    } while (this.#refuses && guest.next < guest.requests.length)
  }

  #ready(guest: Guest): boolean {
    if (guest.next >= guest.requests.length) return false
    const last = guest.requests[guest.next - 1]
    return last === undefined || !last.wait || guest.answers.length >= guest.next
  }

  #some(most: number): number {
    const scale = [1, 20, most, most][Math.floor(this.#random() * 4)]!
    return Math.min(most, 1 + Math.floor(this.#random() * scale))
  }

  #judge(guest: Guest): void {
    const { answers, requests, units } = guest
    const { closed } = guest.link
    const say = (what: string): void => {
      const told = asLines(guest.received, 'server').lines.join('\n    ')
      const sent = requests.map(({ lines }) => lines.join('\n    ')).join('\n    ')
      this.#wrong.push(`${what}\n  sent\n    ${sent}\n  told\n    ${told}`)
    }
    if (answers.length > requests.length) say('more answers than requests')
    if (!closed && answers.length < requests.length) say('a request was never answered')
    const times = (value: string): number => this.#committed.filter((one) => one === value).length
    // It has read that it is in no transaction, and goes on all the same.
    const ignored = (first: number): boolean =>
      requests[first]!.wait && answers[first]?.status === 'I' && answers[first].codes.length > 0
    for (const unit of units) {
      if (unit.kind !== 'alone' && ignored(unit.first)) continue
      const counts = unit.values.map(times)
      if (counts.some((n) => n > 1)) say(`twice: ${unit.values}`)
      const there = counts.filter((n) => n > 0).length
      if (there > 0 && there < counts.length) say(`in part: ${unit.values}`)
      if (there > 0 && unit.kind === 'rollback') say(`rolled back, and there: ${unit.values}`)
    }
    requests.forEach(({ settles }, i) => {
      const answer = answers[i]
      if (answer === undefined) return
      const { codes, tags, status } = answer
      for (const { kind, values, first } of settles) {
        if (values.length === 0) continue
        if (kind !== 'alone' && ignored(first)) continue
        const there = times(values[0]!) > 0
        const [code] = codes
        const done = code === undefined && (kind === 'alone' || tags.at(-1) === 'COMMIT')
        if (kind !== 'rollback' && done && !there) say(`acknowledged, and not there: ${values}`)
        if (code !== undefined && code !== '08007' && there) {
          say(`told ${code}, and there: ${values}`)
        }
        if (tags.at(-1) === 'ROLLBACK' && there) say(`told ROLLBACK, and there: ${values}`)
      }
      if (status === 'T' && codes.length > 0) say('an error, and the transaction goes on')
    })
  }
}

function requestsOf(
  program: readonly Block[],
  name: string,
): { requests: Request[]; units: Unit[] } {
  const requests: Request[] = []
  const units: Unit[] = []
  let value = 0
  let named = 0
  let open: Request | undefined
  const send = (text: string, style: Style, wait: boolean, settles?: Unit): void => {
    if (style === 'query') {
      if (open !== undefined) open.lines.push('Sync')
      open = undefined
      const lines = [`Query ${JSON.stringify(text)}`]
      requests.push({ lines, settles: settles === undefined ? [] : [settles], wait })
      return
    }
    if (open === undefined) {
      open = { lines: [], settles: [], wait: false }
      requests.push(open)
    }
    const statement = style === 'named' ? `s${named++}` : ''
    open.lines.push(`Parse ${JSON.stringify(statement)} ${JSON.stringify(text)} []`)
    open.lines.push(`Bind "" ${JSON.stringify(statement)} []`, 'Execute "" 0')
    if (settles !== undefined) open.settles.push(settles)
    if (style === 'joined') return
    open.lines.push('Sync')
    open.wait = wait
    open = undefined
  }
  const run = ({ what, style, wait }: Statement, unit: Unit, settles?: Unit): void => {
    if (what === 'read') {
      send('select 1', style as Style, wait, settles)
      return
    }
    const text = `insert ${name}v${value++}`
    unit.values.push(`${text} ()`)
    send(text, style as Style, wait, settles)
  }
  for (const { kind, statements, begin, end, wait = false } of program) {
    const texts = kind === 'text' || kind === 'split'
    const committed = kind === 'split' || begin !== undefined ? 'commit' : 'alone'
    const unit: Unit = {
      kind: texts ? committed : kind,
      values: [],
      first: requests.length - (open === undefined ? 0 : 1),
    }
    units.push(unit)
    if (texts) {
      const inserts = statements.map(() => `insert ${name}v${value++}`)
      unit.values.push(...inserts.map((text) => `${text} ()`))
      const all = unit.kind === 'alone' ? inserts : ['begin', ...inserts, 'commit']
      const half = kind === 'split' ? Math.ceil(all.length / 2) : 0
      if (half > 0) send(all.slice(0, half).join(';'), 'query', wait)
      send(all.slice(half).join(';'), 'query', wait, unit)
      continue
    }
    if (kind === 'alone') {
      // In a batch with others it would share their fate.
      const [only] = statements
      run({ ...only!, style: only!.style === 'joined' ? 'batch' : only!.style }, unit, unit)
      continue
    }
    send('begin', begin as Style, wait)
    for (const statement of statements) run(statement, unit)
    send(kind, (end === 'joined' ? 'batch' : end) as Style, wait, unit)
  }
  if (open !== undefined) (open as Request).lines.push('Sync')
  return { requests, units }
}
