/**
 * The session of one client as Postgres would have it: what each request must be answered, message by
 * message. Rule: an answer is a generator that yields what has to come next and is told whether it came;
 * where something else was allowed (the request was cancelled, or its server killed) it is told the
 * code, and goes on from there.
 */
import { type Request, type Step, statementsOf } from './requests.ts'
import { type Deed, type Definition, type Failure, MARK, type Statement } from './statements.ts'
import { newWork, type Truth, type Work } from './truth.ts'

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

interface Savepoint {
  readonly name: string
  /** How much had been written by then. */
  readonly numbers: number
  readonly notices: number
  readonly marks: readonly string[]
  readonly lasting: readonly string[]
}

/** What may be said of a transaction that was lost and not rolled back yet. */
const AFTER_LOSS = ['25P02', '40001', '3B001']

export class Model {
  block: 'I' | 'T' | 'E' = 'I'
  #client: number
  #truth: Truth
  #deaths: boolean
  /** Values the mark may have: more than one when a SET was lost. */
  #marks: readonly string[] = ['']
  #work: Work = newWork()
  #before: readonly string[] = ['']
  #savepoints: Savepoint[] = []
  /** What the mark will be at the end of the transaction: a SET LOCAL hides it. */
  #lasting: readonly string[] = ['']
  #prepared = new Map<string, Definition>()
  #named = new Map<string, Statement>()
  #lost = false
  #afterLoss = false
  /** A COMMIT was struck, or a BEGIN. */
  #ending = false
  /** The request at hand has a BEGIN. */
  #begins = false

  /** `deaths`: its transaction may be lost at any time. */
  constructor(client: number, truth: Truth, deaths: boolean) {
    this.#client = client
    this.#truth = truth
    this.#deaths = deaths
  }

  /** All that answers a request; returns true when it did what it was to do. */
  *answer(request: Request): Answer {
    this.#lost = false
    this.#ending = false
    this.#begins = statementsOf(request).some(({ deed }) => deed?.do === 'begin')
    if (this.block === 'I') this.#begin()
    let done = true
    if (request.how === 'simple') {
      // A simple query ends the unnamed statement.
      this.#prepared.delete('')
      if (request.statements.length === 0) done = yield* this.#line('I')
      for (const statement of request.statements) {
        done = yield* this.#run(statement, true)
        if (!done) break
      }
    } else done = yield* this.#batch(request.steps)
    let came: Came = yield this.#ready()
    while ('code' in came) {
      // Too late for the statements, not for their end.
      this.#strike(came.code)
      done = false
      came = yield this.#ready()
    }
    const told = came.line.slice(2) as 'I' | 'T' | 'E'
    if (told === 'E' && (this.#lost || this.block === 'I')) this.#afterLoss = true
    if (this.block !== 'I' && told === 'I') this.#end('not there')
    this.block = told
    if (this.block === 'I') this.#end('there')
    return done
  }

  /** Nobody is told any more what becomes of these. */
  abandon(requests: readonly Request[]): void {
    let block = this.block !== 'I'
    let aborted = this.block === 'E'
    for (const { deed, fails } of requests.flatMap(statementsOf)) {
      switch (fails === undefined ? deed?.do : undefined) {
        case 'begin':
          block = true
          break
        case 'savepoint':
        case 'rollback-to':
          this.#work.savepoints = true
          aborted = false
          break
        case 'insert':
        case 'notify':
          this.#mayHaveDone(deed!)
          break
        case 'commit':
        case 'rollback':
          this.#end(deed?.do === 'commit' && !aborted ? 'unknown' : 'not there')
          block = false
          aborted = false
      }
      if (!block) this.#end('unknown')
    }
    this.#end(block ? 'not there' : 'unknown')
  }

  /** Part of the request under way may have been answered already. */
  #mayHaveDone(deed: Deed): void {
    const { numbers, notices } = this.#work
    if (deed.do === 'notify' && !notices.includes(deed.text)) notices.push(deed.text)
    if (deed.do !== 'insert') return
    for (const number of deed.numbers) {
      const settled = this.#truth.knows(this.#client, number)
      if (!settled && !numbers.includes(number)) numbers.push(number)
    }
  }

  #ready(): Item {
    if (this.#lost) return { is: 'ready', statuses: 'ITE' }
    // Whoever is hit in a COMMIT may be out of it already, and what is behind a BEGIN that was hit
    // must not run as if there had been none.
    return { is: 'ready', statuses: this.#ending ? 'EI' : this.block }
  }

  // The transaction

  #begin(): void {
    this.#work = newWork()
    this.#before = this.#marks
    this.#savepoints = []
    this.#lasting = this.#marks
  }

  #end(fate: 'there' | 'not there' | 'unknown'): void {
    this.#truth.settle(this.#client, this.#work, fate)
    if (fate === 'there') this.#marks = this.#lasting
    else if (fate === 'not there') this.#marks = this.#before
    else this.#marks = [...new Set([...this.#before, ...this.#lasting])]
    this.#afterLoss = false
    this.#begin()
  }

  /** An error of the statement at hand. */
  #hurt(): void {
    if (this.block === 'I') this.#end('not there')
    else this.block = 'E'
  }

  /** An error that comes for reasons of its own. */
  #strike(code: string): void {
    if (code === '57014') {
      if (this.block === 'I' && this.#begins) this.#ending = true
      this.#hurt()
      return
    }
    this.#lost = true
    this.#end(code === '08007' ? 'unknown' : 'not there')
  }

  // Statements

  *#line(...lines: string[]): Answer {
    const came = yield { is: 'line', lines }
    if ('code' in came) this.#strike(came.code)
    return 'line' in came
  }

  *#fail(codes: readonly string[], says: string): Answer {
    const came = yield { is: 'error', codes, says }
    if ('code' in came) this.#strike(came.code)
    else this.#hurt()
    return false
  }

  *#refuse(): Answer {
    return yield* this.#fail(this.#afterLoss ? AFTER_LOSS : ['25P02'], '')
  }

  #refused(statement: Statement): boolean {
    if (this.block !== 'E') return false
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
      if (this.block === 'I') return yield* this.#fail(['25P01'], '')
      const known = this.#savepoints.some(({ name }) => name === deed.name)
      if (deed.do === 'rollback-to' && !known) {
        // Who had failed already is not told of a loss before it goes back to a savepoint.
        if (this.#afterLoss || this.#deaths) return yield* this.#fail(AFTER_LOSS, '')
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
      if (statement.deed?.do === 'commit' && this.block === 'E') this.#ending = true
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
    const came = yield { is: 'line', lines: this.#marks.map((mark) => `D ${rest}${mark}`) }
    if ('code' in came) this.#strike(came.code)
    else if (this.#marks.length > 1) this.#knownMark(came.line.slice(2 + rest.length))
    return 'line' in came
  }

  /** Which of several values it has. */
  #knownMark(mark: string): void {
    if (this.#lasting === this.#marks) this.#lasting = [mark]
    if (this.#before === this.#marks) this.#before = [mark]
    this.#marks = [mark]
  }

  #tag({ tag, columns, copy, deed, rows }: Statement, given: number): string {
    if (deed?.do === 'commit' && this.block === 'E') return 'ROLLBACK'
    if (copy === 'out') return `${tag} ${rows}`
    return columns === undefined ? tag : `${tag} ${given}`
  }

  #do(deed: Deed | undefined): void {
    switch (deed?.do) {
      case 'begin':
        this.block = 'T'
        return
      case 'commit':
      case 'rollback':
        this.#end(deed.do === 'commit' && this.block !== 'E' ? 'there' : 'not there')
        this.block = 'I'
        return
      case 'savepoint': {
        const { numbers, notices } = this.#work
        this.#work.savepoints = true
        this.#savepoints.push({
          name: deed.name,
          numbers: numbers.length,
          notices: notices.length,
          marks: this.#marks,
          lasting: this.#lasting,
        })
        return
      }
      case 'rollback-to': {
        const at = this.#savepoints.findLastIndex(({ name }) => name === deed.name)
        const { numbers, notices, marks, lasting } = this.#savepoints[at]!
        const taken = { ...newWork(), numbers: this.#work.numbers.splice(numbers) }
        this.#truth.settle(this.#client, taken, 'not there')
        this.#work.notices.splice(notices)
        this.#marks = marks
        this.#lasting = lasting
        this.#savepoints.splice(at + 1)
        this.block = 'T'
        return
      }
      case 'insert':
        this.#work.numbers.push(...deed.numbers)
        return
      case 'notify':
        this.#work.notices.push(deed.text)
        return
      case 'mark':
        // Outside of a transaction it is gone at once.
        if (deed.local && this.block === 'I') return
        this.#marks = [deed.to]
        if (!deed.local) this.#lasting = this.#marks
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
        if (fails?.rows === 'none described' && fails.code.startsWith('22') && !statement.copy) {
          return yield* this.#fail([fails.code], fails.says)
        }
        if (fails?.code === '42703') return yield* this.#fail([fails.code], fails.says)
        if (!(yield* this.#line('1'))) return false
        this.#prepared.set(name, definition)
        return true
      }
      case 'bind': {
        const definition = this.#prepared.get(step.name)
        if (definition === undefined) return yield* this.#fail(['26000'], step.name)
        const statement = definition.with(step.value ?? '')
        if (this.#refused(statement)) return yield* this.#refuse()
        if (!(yield* this.#line('2'))) return false
        portals.set(step.portal, { statement, given: 0 })
        return true
      }
      case 'describe-statement': {
        const definition = this.#prepared.get(step.name)
        if (definition === undefined) return yield* this.#fail(['26000'], step.name)
        const { columns } = definition.with('')
        if (this.block === 'E' && columns !== undefined) return yield* this.#refuse()
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
