/**
 * What one client does, unit after unit, chosen by its random numbers alone. Rule: nothing depends on what
 * is answered, so a seed plays the same programs again; every unit leaves the session outside a
 * transaction, whatever becomes of its parts.
 */
import { again, batch, type Request, run, type Step, simple } from './requests.ts'
import type { Definition, Statement } from './statements.ts'
import * as s from './statements.ts'

/** How a unit is played. */
export interface Unit {
  readonly what: string
  readonly requests: readonly Request[]
  /** Each waits for the answer to the one before. */
  readonly waits: boolean
  /** The bytes are cut at these places (0 to 1), and each piece is sent in a turn of its own. */
  readonly cuts: readonly number[]
  /** Requests that may still be unanswered when the next unit is sent. */
  readonly ahead: number
  /** `leave`: goes away after that much of it was sent (0 to 1) and comes back as a new session. */
  readonly leave?: number
  /** Reads nothing until others have been served; then goes on reading, or leaves. */
  readonly stall?: 'resume' | 'leave'
  /** Cancels itself until it is answered. */
  readonly cancels?: boolean
}

export interface ProgramOptions {
  readonly client: number
  readonly random: () => number
  readonly role: Role
}

/**
 * - `reads`: what may share a server connection with others, nearly always, and at once.
 * - `plain`: everything, now and then. `marks`: and has settings of its own. `listens`: hears of every
 *   notification, and stays.
 */
export type Role = 'reads' | 'plain' | 'marks' | 'listens'

/** Of prepared statements: the same for all clients, who mean other statements by them. */
const NAMES = ['s1', 's2', 's3']
const HUGE_ROWS = 6_000
const HUGE_WIDTH = 1_500

type Maker = () => Omit<Unit, 'what' | 'cuts' | 'ahead'>

type Kind = readonly [number, string, Maker]

export class Program {
  #o: ProgramOptions
  #numbers = 0
  /** Names it has asked to prepare in this session. */
  #prepared = new Set<string>()
  #kinds: readonly Kind[]

  constructor(options: ProgramOptions) {
    this.#o = options
    this.#kinds = options.role === 'reads' ? this.#readers() : this.#all()
  }

  /** Weight, name, and how it is made. */
  #all(): Kind[] {
    const { role } = this.#o
    const one =
      (make: () => Request): Maker =>
      () => ({ requests: [make()], waits: true })
    return [
      [30, 'one', one(() => this.#one())],
      [14, 'pipeline', () => ({ requests: this.#several(2, 8), waits: false })],
      [8, 'prepared', () => ({ requests: this.#prepare(), waits: this.#chance(0.5) })],
      [4, 'sql-prepared', () => ({ requests: this.#prepareSql(), waits: this.#chance(0.5) })],
      [2, 'bulky', one(() => this.#bulky())],
      [8, 'batch', one(() => this.#bigBatch())],
      [10, 'transaction', () => ({ requests: this.#transaction(), waits: this.#chance(0.6) })],
      [4, 'copy', one(() => this.#copy())],
      [4, 'write', one(() => this.#write())],
      [2, 'slow', one(() => this.#ask(s.slow(this.#id(), this.#int(20, 150))))],
      [2, 'sleep', one(() => this.#ask(s.sleep(this.#id(), this.#random() * 0.02)))],
      [1, 'huge', one(() => this.#huge(0.2))],
      [1.5, 'stall', () => this.#stall()],
      [1.5, 'cancel', () => this.#cancelled()],
      [
        role === 'marks' ? 6 : 0,
        'mark',
        () => ({ requests: this.#mark(), waits: this.#chance(0.5) }),
      ],
      [role === 'listens' ? 0 : 2, 'leave', () => this.#leave()],
    ]
  }

  #readers(): Kind[] {
    const one =
      (make: () => Request): Maker =>
      () => ({ requests: [make()], waits: true })
    return [
      [60, 'shared', one(() => this.#shared())],
      [20, 'read', one(() => this.#ask(this.#read()))],
      [10, 'prepared', () => ({ requests: this.#prepare(), waits: true })],
      [4, 'pipeline', () => ({ requests: this.#several(2, 5), waits: false })],
      [0.5, 'write', one(() => this.#write())],
      [0.5, 'slow', one(() => this.#ask(s.slow(this.#id(), this.#int(20, 150))))],
      [0.3, 'huge', one(() => this.#huge(0.2))],
      [0.4, 'stall', () => this.#stall()],
      [0.5, 'cancel', () => this.#cancelled()],
      [1, 'leave', () => this.#leave()],
    ]
  }

  next(): Unit {
    const all = this.#kinds.reduce((sum, [weight]) => sum + weight, 0)
    let left = this.#random() * all
    const [, what, make] = this.#kinds.find(([weight]) => {
      left -= weight
      return left < 0
    })!
    return { what, cuts: this.#cuts(), ahead: this.#chance(0.3) ? this.#int(1, 6) : 0, ...make() }
  }

  /** It has come back as a new session. */
  anew(): void {
    this.#prepared.clear()
  }

  // Choices

  #random(): number {
    return this.#o.random()
  }

  #chance(p: number): boolean {
    return this.#random() < p
  }

  /** From `low` to `high`, both included. */
  #int(low: number, high: number): number {
    return low + Math.floor(this.#random() * (high - low + 1))
  }

  #pick<T>(...of: readonly T[]): T {
    return of[Math.floor(this.#random() * of.length)]!
  }

  #number(): number {
    return ++this.#numbers
  }

  #id(): string {
    return `${this.#o.client}.${this.#number()}`
  }

  #cuts(): number[] {
    if (this.#chance(0.8)) return []
    return Array.from({ length: this.#int(1, 3) }, () => this.#random()).sort((a, b) => a - b)
  }

  // Statements

  /** What only reads, mostly at once. */
  #read(): Statement {
    const id = this.#id()
    const kind = this.#random()
    if (kind < 0.5) return s.fast(id)
    if (kind < 0.7) return s.rows(id, this.#int(0, 30), this.#int(0, 100))
    if (kind < 0.8) return s.readMark(id)
    if (kind < 0.84) return s.slow(id, this.#int(1, 30))
    if (kind < 0.9) return s.wrongNumber(id)
    if (kind < 0.95) return s.wrongColumn(id)
    return s.failsLate(id, this.#int(1, 20))
  }

  /** The same by either protocol. */
  #ask(statement: Statement): Request {
    if (this.#chance(0.5)) return simple(this.#number(), statement)
    return batch(this.#number(), ...run(s.fixed(statement), undefined, this.#chance(0.5)))
  }

  #one(): Request {
    const kind = this.#random()
    if (kind < 0.75) return this.#ask(this.#read())
    if (kind < 0.8) return simple(this.#number())
    if (kind < 0.9) return simple(this.#number(), this.#read(), this.#read())
    if (kind < 0.94) return this.#ask(s.notices(this.#id()))
    if (kind < 0.97) return this.#ask(s.raises(this.#id()))
    return this.#ask(s.notify(this.#id(), this.#chance(0.5)))
  }

  #several(least: number, most: number): Request[] {
    return Array.from({ length: this.#int(least, most) }, () =>
      this.#chance(0.9) ? this.#one() : this.#write(),
    )
  }

  #insert(): Statement {
    if (this.#chance(0.25)) return s.put(this.#o.client, this.#number())
    return s.insert(this.#o.client, this.#number(), this.#chance(0.5))
  }

  #write(): Request {
    const kind = this.#random()
    if (kind < 0.6) return this.#ask(this.#insert())
    if (kind < 0.8) return simple(this.#number(), this.#insert(), this.#read(), this.#insert())
    const steps = [run(s.fixed(this.#insert())), run(s.fixed(this.#read()))]
    return batch(this.#number(), ...steps.flat(), ...run(s.fixed(this.#insert())))
  }

  #huge(scale: number): Request {
    const rows = Math.ceil(HUGE_ROWS * scale * (0.5 + this.#random()))
    return this.#ask(s.rows(this.#id(), rows, HUGE_WIDTH))
  }

  // Units

  #prepare(): Request[] {
    const name = this.#pick(...NAMES)
    const requests: Request[] = []
    if (!this.#prepared.has(name) || this.#chance(0.3)) {
      const steps: Step[] =
        this.#prepared.has(name) && this.#chance(0.9) ? [{ send: 'close', name }] : []
      steps.push({ send: 'parse', name, definition: s.echo(this.#id()) })
      if (this.#chance(0.5)) steps.push({ send: 'describe-statement', name })
      if (this.#chance(0.3)) steps.push(...again(name, this.#id()))
      requests.push(batch(this.#number(), ...steps))
      this.#prepared.add(name)
    }
    for (let i = this.#int(1, 4); i > 0; i--) {
      requests.push(batch(this.#number(), ...again(name, this.#id(), this.#chance(0.5))))
      if (this.#chance(0.3)) requests.push(this.#one())
    }
    return requests
  }

  #prepareSql(): Request[] {
    const name = `p${this.#int(1, 2)}`
    const all = [s.prepare(name, s.fast(this.#id()))]
    for (let i = this.#int(1, 3); i > 0; i--) all.push(s.execute(name))
    all.push(s.deallocate(name))
    return all.map((statement) => simple(this.#number(), statement))
  }

  /** One of the texts that all clients use, nearly always quick. */
  #shared(): Request {
    const id = this.#id()
    const kind = this.#random()
    const described = this.#chance(0.5)
    if (kind < 0.5) {
      const rows = this.#chance(0.98) ? this.#int(0, 5) : this.#int(50, 20_000)
      return batch(this.#number(), ...run(s.SHARED.rows, `${id}:${rows}`, described))
    }
    if (kind < 0.9) {
      const most = this.#chance(0.98) ? this.#int(0, 1_000) : this.#int(1_000, 400_000)
      return batch(this.#number(), ...run(s.SHARED.count, `${id}:${most}`, described))
    }
    const value = this.#chance(0.5) ? `n${id}` : String(this.#number())
    return batch(this.#number(), ...run(s.SHARED.number, value, described))
  }

  /** More than one statement up to the Sync, portals that are read in parts, a Flush between. */
  #bigBatch(): Request {
    const steps: Step[] = []
    for (let i = this.#int(2, 4); i > 0; i--) {
      const kind = this.#random()
      if (kind < 0.4) steps.push(...run(this.#definition(), this.#id(), this.#chance(0.3)))
      else if (kind < 0.6) steps.push(...run(s.fixed(this.#read())))
      else if (kind < 0.8) steps.push(...this.#inParts())
      else steps.push(...run(s.fixed(this.#read())), { send: 'flush' })
    }
    return batch(this.#number(), ...steps)
  }

  /** A question that does not come in one read, or just so. */
  #bulky(): Request {
    const id = this.#id()
    const value = `${id}:${'y'.repeat(this.#int(1, 150_000))}`
    return batch(this.#number(), ...run(s.echo(id), value, this.#chance(0.5)))
  }

  #definition(): Definition {
    return s.echo(this.#id())
  }

  #inParts(): Step[] {
    const definition = s.fixed(s.rows(this.#id(), this.#int(3, 9)))
    const rows = this.#int(1, 4)
    const portal = `p${this.#number()}`
    const part: Step = { send: 'execute', portal, rows }
    return [
      { send: 'parse', name: '', definition },
      { send: 'bind', portal, name: '' },
      part,
      ...(this.#chance(0.5) ? [part] : []),
    ]
  }

  #transaction(): Request[] {
    const all: Request[] = [this.#ask(s.begin)]
    const savepoint = this.#chance(0.3)
    const middle = (): void => {
      for (let i = this.#int(0, 3); i > 0; i--) {
        const kind = this.#random()
        if (kind < 0.4) all.push(this.#ask(this.#insert()))
        else if (kind < 0.5) all.push(this.#ask(s.notify(this.#id(), this.#chance(0.5))))
        else if (kind < 0.55) all.push(this.#copy())
        else if (kind < 0.6 && this.#o.role === 'marks')
          all.push(this.#ask(s.setMark(this.#id(), this.#chance(0.5))))
        else all.push(this.#ask(this.#read()))
      }
    }
    middle()
    if (savepoint) {
      all.push(this.#ask(s.savepoint('one')))
      middle()
      all.push(this.#ask(s.rollbackTo('one')))
      middle()
    }
    all.push(this.#ask(this.#chance(0.75) ? s.commit : s.rollback))
    if (!this.#chance(0.2)) return all
    // One text; an error in the middle leaves the transaction open.
    const inner = [this.#insert(), this.#read(), this.#insert()]
    const whole = simple(this.#number(), s.begin, ...inner, s.commit)
    return [...all, whole, this.#ask(s.rollback)]
  }

  #copy(): Request {
    const kind = this.#random()
    if (kind < 0.4) return this.#ask(s.copyOut(this.#id(), this.#int(0, 200)))
    const numbers = Array.from({ length: this.#int(1, 20) }, () => this.#number())
    const end = kind < 0.75 ? 'done' : this.#pick('given up' as const, 'wrong' as const)
    const statement = s.copyIn(this.#o.client, numbers, end)
    if (this.#chance(0.6)) return simple(this.#number(), statement)
    return batch(this.#number(), ...run(s.fixed(statement)), { send: 'copy', statement })
  }

  #mark(): Request[] {
    return [this.#ask(s.setMark(this.#id(), false)), this.#ask(s.readMark(this.#id())), this.#one()]
  }

  #stall(): ReturnType<Maker> {
    const requests = [this.#huge(1), ...this.#several(0, 2)]
    return { requests, waits: false, stall: this.#pick('resume' as const, 'leave' as const) }
  }

  #cancelled(): ReturnType<Maker> {
    const before = this.#chance(0.3) ? this.#several(1, 2) : []
    const requests = [...before, this.#ask(s.sleep(this.#id(), 600)), ...this.#several(0, 2)]
    return { requests, waits: false, cancels: true }
  }

  #leave(): ReturnType<Maker> {
    const kind = this.#random()
    const requests =
      kind < 0.4
        ? this.#several(1, 5)
        : kind < 0.7
          ? this.#transaction()
          : kind < 0.85
            ? [this.#huge(0.5)]
            : [this.#copy(), this.#ask(s.slow(this.#id(), 50))]
    return { requests, waits: false, leave: this.#chance(0.4) ? 1 : this.#random() }
  }
}
