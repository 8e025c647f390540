/**
 * The session of one client as Postgres would have it: what each request must be answered, message by
 * message. Rule: an answer is a generator that yields what has to come next and is told whether it came;
 * where something else was allowed (the request was cancelled, or its server killed) it is told the
 * code, and goes on from there.
 */
import { type Request, type Step, statementsOf } from './requests.ts'
import { type Deed, type Definition, type Failure, MARK, type Statement } from './statements.ts'
import { Transaction } from './transaction.ts'
import type { Truth } from './truth.ts'

/** One message that has to come. */
export type Item =
  /** Any of these lines. */
  | { readonly is: 'line'; readonly lines: readonly string[] }
  | { readonly is: 'error'; readonly codes: readonly string[]; readonly says: string }
  /** ReadyForQuery with one of these. */
  | { readonly is: 'ready'; readonly statuses: string }

/** What had to come, or the code of an error that may come instead. */
export type Came = { readonly line: string } | { readonly code: string }
export type Answer = Generator<Item, boolean, Came>

interface Portal {
  readonly statement: Statement
  given: number
}

/** What may be said of a transaction that was lost and not rolled back yet. */
const AFTER_LOSS = ['25P02', '40001', '3B001']

export class Model {
  readonly #transaction: Transaction
  #deaths: boolean
  #prepared = new Map<string, Definition>()
  #named = new Map<string, Statement>()
  /** The request at hand was told of a loss. */
  #lost = false
  /** A COMMIT was struck, or a BEGIN. */
  #ending = false
  /** Of the request at hand. */
  #statements: readonly Statement[] = []
  /** It has a BEGIN. */
  #begins = false

  /** `deaths`: its transaction may be lost at any time. */
  constructor(client: number, truth: Truth, deaths: boolean) {
    this.#transaction = new Transaction(client, truth)
    this.#deaths = deaths
  }

  /** No transaction is open. */
  get rests(): boolean {
    return this.#transaction.block === 'I'
  }

  /** All that answers a request; returns true when it did what it was to do. */
  *answer(request: Request): Answer {
    const transaction = this.#transaction
    this.#lost = false
    this.#ending = false
    this.#statements = statementsOf(request)
    this.#begins = this.#statements.some(({ deed }) => deed?.do === 'begin')
    if (this.rests) transaction.begin()
    let done = yield* request.how === 'simple' ? this.#query(request) : this.#batch(request.steps)
    let came: Came = yield this.#ready()
    while ('code' in came) {
      // Too late for the statements, not for their end.
      this.#strike(came.code)
      done = false
      came = yield this.#ready()
    }
    const told = came.line.slice(2) as 'I' | 'T' | 'E'
    if (told === 'E' && (this.#lost || this.rests)) transaction.lost = true
    if (!this.rests && told === 'I') transaction.end('not there')
    transaction.block = told
    if (this.rests) transaction.end('there')
    return done
  }

  /** Nobody is told any more what becomes of these. */
  abandon(requests: readonly Request[]): void {
    const transaction = this.#transaction
    let block = transaction.block !== 'I'
    let aborted = transaction.block === 'E'
    for (const statement of requests.flatMap(statementsOf)) {
      const { deed, fails } = statement
      switch (fails === undefined ? deed?.do : undefined) {
        case 'begin':
          block = true
          break
        case 'savepoint':
        case 'rollback-to':
          transaction.mayGoBack()
          aborted = false
          break
        case 'commit':
        case 'rollback':
          transaction.end(deed?.do === 'commit' && !aborted ? 'unknown' : 'not there')
          block = false
          aborted = false
      }
      this.#mayHaveDone(statement)
      if (!block) transaction.end('unknown')
    }
    transaction.end(block ? 'not there' : 'unknown')
  }

  /** Part of the request under way may have been answered already. */
  #mayHaveDone({ deed, fails }: Statement): void {
    if (fails !== undefined) return
    if (deed?.do === 'insert') this.#transaction.mayHaveWritten(deed.numbers)
    if (deed?.do === 'notify') this.#transaction.mayHaveNotified(deed.text)
  }

  #ready(): Item {
    if (this.#lost) return { is: 'ready', statuses: 'ITE' }
    // Whoever is hit in a COMMIT may be out of it already, and what is behind a BEGIN that was hit
    // must not run as if there had been none.
    return { is: 'ready', statuses: this.#ending ? 'EI' : this.#transaction.block }
  }

  /** An error that comes for reasons of its own. */
  #strike(code: string): void {
    if (code === '57014') {
      if (this.rests && this.#begins) this.#ending = true
      this.#transaction.hurt()
      return
    }
    this.#lost = true
    const unknown = code === '08007'
    if (unknown) for (const statement of this.#statements) this.#mayHaveDone(statement)
    this.#transaction.end(unknown ? 'unknown' : 'not there')
  }

  // Statements

  *#query({ statements }: Request): Answer {
    // A simple query ends the unnamed statement.
    this.#prepared.delete('')
    if (statements.length === 0) return yield* this.#line('I')
    for (const statement of statements) if (!(yield* this.#run(statement, true))) return false
    return true
  }

  *#line(...lines: string[]): Answer {
    const came = yield { is: 'line', lines }
    if ('code' in came) this.#strike(came.code)
    return 'line' in came
  }

  *#fail(codes: readonly string[], says: string): Answer {
    const came = yield { is: 'error', codes, says }
    if ('code' in came) this.#strike(came.code)
    else this.#transaction.hurt()
    return false
  }

  *#refuse(): Answer {
    return yield* this.#fail(this.#transaction.lost ? AFTER_LOSS : ['25P02'], '')
  }

  #refused(statement: Statement): boolean {
    if (this.#transaction.block !== 'E') return false
    const ends = ['commit', 'rollback', 'rollback-to'].includes(statement.deed?.do ?? '')
    return !ends
  }

  *#run(asked: Statement, described: boolean): Answer {
    if (this.#refused(asked)) return yield* this.#refuse()
    let statement = asked
    if (asked.executes !== undefined) {
      const found = this.#named.get(asked.executes)
      if (found === undefined) return yield* this.#fail(['26000'], asked.executes)
      statement = found
    }
    const { fails, columns } = statement
    if (fails?.rows === 'none described' && statement.copy === undefined) {
      return yield* this.#fail([fails.code], fails.says)
    }
    if (described && columns !== undefined && !(yield* this.#line(`T ${columns.join('|')}`)))
      return false
    return yield* this.#give({ statement, given: 0 }, 0)
  }

  /** The rows, and what ends them. */
  *#give(portal: Portal, most: number): Answer {
    const { statement } = portal
    const { fails, notice, copy, deed } = statement
    if (deed?.do === 'savepoint' || deed?.do === 'rollback-to') {
      if (this.rests) return yield* this.#fail(['25P01'], '')
      const known = this.#transaction.has(deed.name)
      if (deed.do === 'rollback-to' && !known) {
        // Who had failed already is not told of a loss before it goes back to a savepoint.
        if (this.#transaction.lost || this.#deaths) return yield* this.#fail(AFTER_LOSS, '')
        return yield* this.#fail(['3B001'], deed.name)
      }
    }
    if (notice !== undefined && !(yield* this.#line(`N ${notice}`))) return false
    if (copy !== undefined && !(yield* this.#line(copy === 'out' ? 'H' : 'G'))) return false
    if (fails?.rows === 'none described') return yield* this.#fail([fails.code], fails.says)
    if (deed?.do === 'prepare' && this.#named.has(deed.name)) {
      return yield* this.#fail(['42P05'], deed.name)
    }
    if (deed?.do === 'deallocate' && !this.#named.has(deed.name)) {
      return yield* this.#fail(['26000'], deed.name)
    }
    const end = total(statement, fails)
    const first = portal.given
    while (portal.given < end) {
      if (most > 0 && portal.given - first === most) return yield* this.#line('s')
      if (!(yield* this.#row(statement, portal.given++))) return false
    }
    if (fails !== undefined) return yield* this.#fail([fails.code], fails.says)
    if (most > 0 && portal.given - first === most) return yield* this.#line('s')
    if (copy === 'out' && !(yield* this.#line('c'))) return false
    const tag = this.#tag(statement, portal.given - first)
    if (!(yield* this.#line(`C ${tag}`))) {
      if (statement.deed?.do === 'commit' && this.#transaction.block === 'E') this.#ending = true
      return false
    }
    this.#do(statement.deed)
    return true
  }

  *#row(statement: Statement, i: number): Answer {
    const row = statement.row?.(i) ?? ''
    if (statement.copy === 'out') return yield* this.#line(`d ${row}`)
    if (!row.endsWith(MARK)) return yield* this.#line(`D ${row}`)
    const rest = row.slice(0, -MARK.length)
    const came = yield {
      is: 'line',
      lines: this.#transaction.marks.map((mark) => `D ${rest}${mark}`),
    }
    if ('code' in came) this.#strike(came.code)
    else if (this.#transaction.marks.length > 1)
      this.#transaction.knownMark(came.line.slice(2 + rest.length))
    return 'line' in came
  }

  #tag({ tag, columns, copy, deed, rows }: Statement, given: number): string {
    if (deed?.do === 'commit' && this.#transaction.block === 'E') return 'ROLLBACK'
    if (copy === 'out') return `${tag} ${rows}`
    return columns === undefined ? tag : `${tag} ${given}`
  }

  #do(deed: Deed | undefined): void {
    const transaction = this.#transaction
    switch (deed?.do) {
      case 'begin':
        transaction.block = 'T'
        return
      case 'commit':
      case 'rollback':
        transaction.end(deed.do === 'commit' && transaction.block !== 'E' ? 'there' : 'not there')
        transaction.block = 'I'
        return
      case 'savepoint':
        transaction.savepoint(deed.name)
        return
      case 'rollback-to':
        transaction.rollBackTo(deed.name)
        return
      case 'insert':
        transaction.insert(deed.numbers)
        return
      case 'notify':
        transaction.notify(deed.text)
        return
      case 'mark':
        transaction.mark(deed.to, deed.local)
        return
      case 'prepare':
        this.#named.set(deed.name, deed.statement)
        return
      case 'deallocate':
        this.#named.delete(deed.name)
    }
  }

  // Batches

  *#batch(steps: readonly Step[]): Answer {
    const portals = new Map<string, Portal>()
    for (const step of steps) if (!(yield* this.#step(step, portals))) return false
    return true
  }

  *#step(step: Step, portals: Map<string, Portal>): Answer {
    switch (step.send) {
      case 'parse': {
        const { name, definition } = step
        const statement = definition.with('')
        if (this.#refused(statement)) return yield* this.#refuse()
        // The unnamed statement is gone even when the new one is wrong.
        if (name === '') this.#prepared.delete('')
        if (this.#prepared.has(name)) return yield* this.#fail(['42P05'], name)
        const { fails } = statement
        // What depends on a value is found when that is bound.
        const early =
          !definition.parameter && statement.copy === undefined && fails?.code !== 'P0001'
        if (early && fails?.rows === 'none described') {
          return yield* this.#fail([fails.code], fails.says)
        }
        if (!(yield* this.#line('1'))) return false
        this.#prepared.set(name, definition)
        return true
      }
      case 'bind': {
        const definition = this.#prepared.get(step.name)
        if (definition === undefined) return yield* this.#fail(['26000'], step.name)
        const statement = definition.with(step.value ?? '')
        if (this.#refused(statement)) return yield* this.#refuse()
        const { fails } = statement
        if (definition.parameter && fails !== undefined) {
          return yield* this.#fail([fails.code], fails.says)
        }
        if (!(yield* this.#line('2'))) return false
        portals.set(step.portal, { statement, given: 0 })
        return true
      }
      case 'describe-statement': {
        const definition = this.#prepared.get(step.name)
        if (definition === undefined) return yield* this.#fail(['26000'], step.name)
        const { columns } = definition.with('')
        if (this.#transaction.block === 'E' && columns !== undefined) return yield* this.#refuse()
        return (yield* this.#line('t')) && (yield* this.#line(shape(columns)))
      }
      case 'describe-portal':
        return yield* this.#line(shape(portals.get(step.name)!.statement.columns))
      case 'execute': {
        const portal = portals.get(step.portal)!
        if (this.#refused(portal.statement)) return yield* this.#refuse()
        return yield* this.#give(portal, step.rows)
      }
      case 'close':
        if (!(yield* this.#line('3'))) return false
        this.#prepared.delete(step.name)
        return true
      case 'copy':
      case 'flush':
        return true
    }
  }
}

function shape(columns: readonly string[] | undefined): string {
  return columns === undefined ? 'n' : `T ${columns.join('|')}`
}

function total({ columns, copy, rows }: Statement, fails: Failure | undefined): number {
  if (typeof fails?.rows === 'number') return fails.rows
  return columns === undefined && copy !== 'out' ? 0 : (rows ?? 1)
}
