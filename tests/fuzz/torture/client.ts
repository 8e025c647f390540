/**
 * One client of the torture: plays its units and holds every message it is told against its model, the
 * moment it comes. Rule: nothing that comes is left out; what is not the next thing the model wants is an
 * error that was allowed, or the end of the torture.
 */
import { until } from '../../../src/core/until.ts'
import * as frontend from '../../../src/wire/postgres/frontend.ts'
import { exchange } from '../../support/raw-session.ts'
import { type Book, CANCELLED, LOSSES } from './book.ts'
import { type Answer, type Came, type Item, Model } from './model.ts'
import { Notes, printed } from './notes.ts'
import { Program, type Role, type Unit } from './programs.ts'
import type { Request } from './requests.ts'
import { CHANNEL } from './statements.ts'
import { type Login, type Told, Wire } from './wire.ts'

export interface ClientOptions {
  readonly number: number
  readonly login: Omit<Login, 'parameters'>
  readonly book: Book
  readonly random: () => number
  readonly role: Role
  /** Servers are killed meanwhile. */
  readonly deaths: boolean
  /** Whether to go on after so many units. */
  readonly goesOn: (units: number) => boolean
}

interface Asked {
  readonly request: Request
  readonly what: string
  readonly sent: number
}

/** However busy the machine is, by then every answer has begun to come. */
const PATIENCE_MS = 60_000
const LOOK_MS = 500
/** Others than readers do nothing for so long at most, between two units; readers now and then. */
const REST_MS = 200
const READERS_REST_MS = 40
/** A stalled client goes on when the others have had so many answers. */
const OTHERS = 40

export class Client {
  readonly number: number
  #o: ClientOptions
  #program: Program
  #wire: Wire | undefined
  #model: Model
  #asked: Asked[] = []
  #answer: Answer | undefined
  #item: Item | undefined
  #gone = false
  #leaving = false
  #wake: (() => void) | undefined
  #notes = new Notes()

  constructor(options: ClientOptions) {
    this.#o = options
    this.number = options.number
    const { number, random, role, book } = options
    this.#program = new Program({ client: number, random, role })
    this.#model = new Model(number, book.truth, options.deaths)
  }

  get busy(): boolean {
    return this.#asked.length > 0
  }

  /** Most likely a server is at work for it. */
  get served(): boolean {
    return this.busy && (this.#answer !== undefined || !this.#model.rests)
  }

  /** Connects; whoever listens does so when this resolves. */
  async begin(): Promise<void> {
    await this.#open()
  }

  /** Lives until it is to stop or something went wrong. */
  async live(): Promise<void> {
    const { book, goesOn, role, random } = this.#o
    for (let units = 0; goesOn(units) && !book.over; units++) {
      if (this.#gone) await this.#open()
      const unit = this.#program.next()
      book.count(unit.what)
      await this.#play(unit)
      await this.#answered(unit.ahead)
      // Those who read are to find the servers without a queue before them, often enough.
      if (role !== 'reads') await pause(random() * REST_MS)
      else if (random() < 0.3) await pause(random() * READERS_REST_MS)
    }
    await this.#answered(0)
    if (!this.#gone) this.#model.abandon([])
  }

  /** Ends its connection, which listeners keep to the end. */
  end(): void {
    this.#leave(this.#o.random() < 0.5 ? 'terminate' : 'vanish')
  }

  /** Sends a cancel request for itself, with the right secret or a wrong one. */
  async cancel(right: boolean): Promise<void> {
    const { book, login } = this.#o
    const wire = this.#wire
    if (wire === undefined || this.#gone) return
    const secret = Buffer.from(wire.secret)
    if (!right) secret[0]! ^= 1
    const request = { client: this.number, right, began: book.tick(), ended: Infinity }
    book.requested.push(request)
    const answer = await exchange(login.port, frontend.cancelRequest(wire.pid, secret))
    request.ended = book.tick()
    if (answer.length > 0) book.amiss(`a cancel request was answered: ${answer.toString('latin1')}`)
  }

  async #open(): Promise<void> {
    const { login, role, book } = this.#o
    const parameters: Record<string, string> = {}
    if (role === 'marks') parameters.application_name = `client ${this.number}`
    // Some who read have settings in common.
    else if (role === 'reads' && this.number % 3 === 0) parameters.application_name = 'readers'
    this.#model = new Model(this.number, book.truth, this.#o.deaths)
    this.#program.anew()
    this.#notes = new Notes()
    this.#gone = false
    this.#leaving = false
    book.count('sessions')
    const listener = {
      told: (told: Told) => this.#told(told),
      closed: () => this.#closed(),
    }
    this.#wire = await Wire.open({ ...login, parameters }, listener)
    if (role === 'listens') await this.#listen()
  }

  async #listen(): Promise<void> {
    this.#send([
      {
        number: 0,
        how: 'simple',
        statements: [{ sql: `listen ${CHANNEL}`, tag: 'LISTEN' }],
        steps: [],
        bytes: frontend.query(`listen ${CHANNEL}`),
      },
    ])
    await this.#answered(0)
  }

  // Playing

  async #play(unit: Unit): Promise<void> {
    if (unit.leave !== undefined) {
      await this.#playAndLeave(unit, unit.leave)
      return
    }
    const stalls = unit.stall !== undefined && !this.#o.book.stalled
    if (stalls) this.#stall()
    if (unit.waits) {
      for (const request of unit.requests) {
        if (this.#gone) return
        await this.#write(this.#send([request], unit), unit.cuts)
        await this.#answered(0)
      }
      return
    }
    await this.#write(this.#send(unit.requests, unit), unit.cuts)
    if (unit.cancels) await this.#cancelUntilAnswered()
    if (stalls) await this.#resume(unit.stall === 'leave' && this.#o.role !== 'listens')
  }

  /** Notes what is asked; its bytes. */
  #send(requests: readonly Request[], unit?: Unit): Buffer {
    const sent = this.#o.book.tick()
    const what = unit?.what ?? 'listen'
    for (const request of requests) this.#asked.push({ request, what, sent })
    const bytes = Buffer.concat(requests.map((request) => request.bytes))
    if (unit === undefined) this.#wire?.write(bytes)
    return bytes
  }

  /** In pieces, each in a turn of its own, so that each is a packet of its own. */
  async #write(bytes: Buffer, cuts: readonly number[]): Promise<void> {
    let from = 0
    for (const cut of [...cuts, 1]) {
      const to = Math.ceil(bytes.length * cut)
      if (to > from) this.#wire?.write(bytes.subarray(from, to))
      from = Math.max(from, to)
      if (cut < 1) await turns(2)
    }
  }

  async #playAndLeave(unit: Unit, share: number): Promise<void> {
    const bytes = this.#send(unit.requests, unit)
    const sent = bytes.subarray(0, Math.ceil(bytes.length * share))
    await this.#write(sent, unit.cuts)
    await turns(1 + this.#o.random() * 20)
    this.#leave(share === 1 && this.#o.random() < 0.5 ? 'terminate' : 'vanish')
  }

  async #cancelUntilAnswered(): Promise<void> {
    while (this.busy && !this.#o.book.over) {
      await this.cancel(true)
      await turns(4)
    }
  }

  #stall(): void {
    this.#o.book.stalled = true
    this.#o.book.count('stalled')
    this.#wire?.pause()
  }

  /** Nobody else may be held up by who does not read. */
  async #resume(leaves: boolean): Promise<void> {
    const { book } = this.#o
    const from = book.answers
    const enough = (): boolean => book.answers >= from + OTHERS || book.over || book.alone
    await until(enough, PATIENCE_MS, { what: 'others while one reads nothing', everyMs: 5 }).catch(
      () => this.#amiss('nobody else is served while this client reads nothing'),
    )
    book.stalled = false
    if (leaves) this.#leave('vanish')
    else this.#wire?.resume()
  }

  #leave(how: 'terminate' | 'vanish'): void {
    if (this.#gone) return
    this.#o.book.count('left')
    this.#leaving = true
    this.#wire?.end(how)
    this.#forget()
  }

  /** The session is over; what was not answered may have happened or not. */
  #forget(): void {
    this.#gone = true
    this.#model.abandon(this.#asked.map(({ request }) => request))
    this.#asked = []
    this.#answer = undefined
    this.#item = undefined
    this.#wake?.()
  }

  /** Waits until no more than so many requests are unanswered. */
  async #answered(most: number): Promise<void> {
    const { book } = this.#o
    let silent = 0
    while (this.#asked.length > most && !book.over) {
      const before = this.#asked.length
      const moved = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(false), LOOK_MS)
        this.#wake = () => {
          clearTimeout(timer)
          resolve(true)
        }
      })
      this.#wake = undefined
      silent = moved || this.#asked.length < before ? 0 : silent + LOOK_MS
      if (silent >= PATIENCE_MS) this.#amiss('no answer came')
    }
  }

  // Judging

  #told({ line, error }: Told): void {
    const { book } = this.#o
    if (this.#leaving || book.over) return
    this.#notes.told(line)
    if (line.startsWith('A ')) {
      this.#heard(line)
      return
    }
    if (line.startsWith('S ')) {
      if (/^S application_name client (?!\d)/.test(line)) return
      const name = /^S application_name client (\d+)$/.exec(line)?.[1]
      if (name !== undefined && Number(name) !== this.number) this.#amiss('the name of another')
      return
    }
    // Notices of others are wrong, those of Postgres and Weir itself are not our business.
    if (line.startsWith('N ') && !line.startsWith('N torture')) return
    const asked = this.#asked[0]
    if (asked === undefined) {
      if (error?.severity === 'FATAL' && this.#mayDie(error.code)) return
      this.#amiss('nothing was asked')
      return
    }
    if (this.#answer === undefined) {
      this.#notes.begins(printed(asked.what, asked.request))
      this.#answer = this.#model.answer(asked.request)
    }
    this.#item ??= next(this.#answer)
    const came = this.#match(line, error)
    if (came === undefined) return
    const { value, done } = this.#answer.next(came)
    if (!done) {
      this.#item = value
      return
    }
    this.#asked.shift()
    this.#answer = undefined
    this.#item = undefined
    book.answered()
    book.count(value ? 'answered' : 'answered with an error')
    this.#wake?.()
  }

  /** What to tell the model, or nothing where it was told to the book. */
  #match(line: string, error: Told['error']): Came | undefined {
    const item = this.#item!
    if (error === undefined) {
      if (item.is === 'line' && item.lines.includes(line)) return { line }
      if (item.is === 'ready' && line[0] === 'Z' && item.statuses.includes(line[2]!)) {
        return { line }
      }
      this.#amiss('not what had to come')
      return undefined
    }
    const { severity, code, message, detail } = error
    if (item.is === 'error' && item.codes.includes(code) && message.includes(item.says)) {
      return { line }
    }
    if (severity === 'ERROR' && code === CANCELLED && message.startsWith('canceling statement')) {
      this.#cancelled(code, detail)
      return { code }
    }
    if (this.#mayDie(code)) {
      this.#o.book.count(`told ${code}`)
      // The end of the connection says the rest.
      return severity === 'FATAL' ? undefined : { code }
    }
    this.#amiss('not what had to come')
    return undefined
  }

  #mayDie(code: string): boolean {
    return this.#o.deaths && LOSSES.includes(code)
  }

  /** Whether there was a request for that is judged in the end. */
  #cancelled(code: string, detail: string | undefined): void {
    const { book } = this.#o
    const { request, sent } = this.#asked[0]!
    const { number } = request
    book.count('cancelled')
    const answered = book.tick()
    book.cancelled.push({ client: this.number, number, sent, answered, code, detail })
  }

  #heard(line: string): void {
    const [, channel, text = ''] = line.split(' ')
    if (this.#o.role !== 'listens' || channel !== CHANNEL) this.#amiss('it does not listen to that')
    this.#o.book.hear(this.number, text)
  }

  #closed(): void {
    if (this.#gone) return
    if (this.#o.deaths) {
      this.#o.book.count('closed')
      this.#forget()
      return
    }
    this.#amiss('its connection was closed')
    this.#gone = true
    this.#wake?.()
  }

  #amiss(what: string): void {
    const { book, role } = this.#o
    if (book.over) return
    const asked = this.#asked.map(({ what: unit, request }) => printed(unit, request))
    const where = `client ${this.number} (${role})`
    book.amiss(this.#notes.report(`${where}: ${what}`, this.#item, asked))
    this.#wake?.()
  }
}

function next(answer: Answer): Item {
  const { value, done } = answer.next({ line: '' })
  if (done) throw new Error('BUG: an answer without a message')
  return value
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function turns(count: number): Promise<void> {
  for (let left = count; left > 1; left--) await new Promise((resolve) => setImmediate(resolve))
}
