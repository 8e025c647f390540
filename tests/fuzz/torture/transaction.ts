/**
 * The transaction of one session: what it wrote, what it set, and its savepoints. Rule: outside of a block
 * every request is a transaction of its own; whatever ends one settles all it wrote, once.
 */
import { type Fate, newWork, type Truth } from './truth.ts'

interface Savepoint {
  readonly name: string
  /** How much had been written by then. */
  readonly numbers: number
  readonly notices: number
  readonly marks: readonly string[]
  readonly lasting: readonly string[]
}

export class Transaction {
  block: 'I' | 'T' | 'E' = 'I'
  /** It was lost with its server, and the session has not rolled back yet. */
  lost = false
  /** Values that the mark of the session may have: more than one when a SET was lost. */
  marks: readonly string[] = ['']
  #client: number
  #truth: Truth
  #work = newWork()
  #before: readonly string[] = ['']
  /** What the mark will be at the end: a SET LOCAL hides it. */
  #lasting: readonly string[] = ['']
  #savepoints: Savepoint[] = []

  constructor(client: number, truth: Truth) {
    this.#client = client
    this.#truth = truth
  }

  begin(): void {
    this.#work = newWork()
    this.#before = this.marks
    this.#savepoints = []
    this.#lasting = this.marks
  }

  end(fate: Fate): void {
    this.#truth.settle(this.#client, this.#work, fate)
    if (fate === 'there') this.marks = this.#lasting
    else if (fate === 'not there') this.marks = this.#before
    else this.marks = [...new Set([...this.#before, ...this.#lasting])]
    this.lost = false
    this.begin()
  }

  /** An error of the statement at hand. */
  hurt(): void {
    if (this.block === 'I') this.end('not there')
    else this.block = 'E'
  }

  insert(numbers: readonly number[]): void {
    this.#work.numbers.push(...numbers)
  }

  notify(text: string): void {
    this.#work.notices.push(text)
  }

  mark(to: string, local: boolean): void {
    // Outside of a transaction it is gone at once.
    if (local && this.block === 'I') return
    this.marks = [to]
    if (!local) this.#lasting = this.marks
  }

  /** Which of several values the mark has. */
  knownMark(mark: string): void {
    if (this.#lasting === this.marks) this.#lasting = [mark]
    if (this.#before === this.marks) this.#before = [mark]
    this.marks = [mark]
  }

  has(savepoint: string): boolean {
    return this.#savepoints.some(({ name }) => name === savepoint)
  }

  savepoint(name: string): void {
    const { numbers, notices } = this.#work
    this.#work.savepoints = true
    this.#savepoints.push({
      name,
      numbers: numbers.length,
      notices: notices.length,
      marks: this.marks,
      lasting: this.#lasting,
    })
  }

  /** To the last of that name, which there is. */
  rollBackTo(name: string): void {
    const at = this.#savepoints.findLastIndex((savepoint) => savepoint.name === name)
    const { numbers, notices, marks, lasting } = this.#savepoints[at]!
    const taken = { ...newWork(), numbers: this.#work.numbers.splice(numbers) }
    this.#truth.settle(this.#client, taken, 'not there')
    this.#work.notices.splice(notices)
    this.marks = marks
    this.#lasting = lasting
    this.#savepoints.splice(at + 1)
    this.block = 'T'
  }

  // For what nobody is told

  /** Part of what is written may be taken back again. */
  mayGoBack(): void {
    this.#work.savepoints = true
  }

  mayHaveWritten(numbers: readonly number[]): void {
    for (const number of numbers) {
      const settled = this.#truth.knows(this.#client, number)
      if (!settled && !this.#work.numbers.includes(number)) this.#work.numbers.push(number)
    }
  }

  mayHaveNotified(text: string): void {
    if (!this.#work.notices.includes(text)) this.#work.notices.push(text)
  }
}
