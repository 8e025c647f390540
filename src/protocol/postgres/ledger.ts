/**
 * The reply ledger of one server connection: whose answer comes next, and what becomes of it. The
 * server answers in order, so a queue is enough. Rule: an entry is pushed when its message is sent
 * (or faked) and leaves when its reply is complete; nothing owed means an empty ledger.
 *
 *   sent:    Parse(injected)  Bind   Execute  Sync
 *   ledger:  [swallow '1']    ['2']  ['C']    ['Z']      an error drops all up to the next Sync
 */
import type { Statement } from './statements.ts'

/** Kinds of entries; what each waits for. */
export const OWED = {
  /** Simple query: everything up to ReadyForQuery. */
  QUERY: 0,
  /** ReadyForQuery after Sync. */
  SYNC: 1,
  /** FunctionCall: everything up to ReadyForQuery. */
  FUNCTION: 2,
  /** Our own query: everything up to ReadyForQuery is swallowed; an error breaks the connection. */
  QUIET: 3,
  /** Parse of a named statement, as the client asked. */
  PARSE: 4,
  /** A Parse that we sent ahead of the client's Bind; its ParseComplete is swallowed. */
  PARSE_INJECTED: 5,
  /** Nothing was sent: the statement is prepared already; the client is owed a ParseComplete. */
  PARSE_FAKED: 6,
  /** A Parse that will fail and changes no book: the name is taken, or the transaction failed. */
  PARSE_DOOMED: 7,
  PARSE_UNNAMED: 8,
  PARSE_UNNAMED_INJECTED: 9,
  BIND: 10,
  DESCRIBE: 11,
  EXECUTE: 12,
  CLOSE: 13,
  CLOSE_INJECTED: 14,
  CLOSE_FAKED: 15,
} as const

/** What a Parse or Close changed in the books ahead of its reply, to be undone when it fails. */
export interface Undo {
  readonly statement: Statement
  /** Puts the client's book of names back as it was. */
  readonly restore?: () => void
  /** For PARSE: where the statement is proven once its reply is ParseComplete. */
  readonly realm?: string
  /** For PARSE_DOOMED: the name as the client knows it. */
  readonly clientName?: string
}

export class Ledger {
  #kinds: number[] = []
  #undos: (Undo | undefined)[] = []
  #head = 0
  /** An error was answered in the middle of a batch: the server ignores everything up to Sync. */
  skipping = false
  /** The server is reading COPY data: it ignores Sync and Flush until the copy ends. */
  copyIn = false
  /** Number of the current batch: everything up to one ReadyForQuery. */
  batch = 0
  /** Messages were sent since the last one that asks for ReadyForQuery. */
  batchOpen = false
  /** Called with every booked change that never happened. */
  onUndo: (kind: number, undo: Undo) => void = () => {}

  get empty(): boolean {
    return this.#head === this.#kinds.length
  }

  get length(): number {
    return this.#kinds.length - this.#head
  }

  /** Kind of the entry whose reply comes next; -1 when nothing is owed. */
  get head(): number {
    return this.#head < this.#kinds.length ? this.#kinds[this.#head]! : -1
  }

  get headUndo(): Undo | undefined {
    return this.#undos[this.#head]
  }

  /** True when entries wait and none of them waits for the server. */
  get onlyFakes(): boolean {
    if (this.empty) return false
    for (let i = this.#head; i < this.#kinds.length; i++) {
      const kind = this.#kinds[i]!
      if (kind !== OWED.PARSE_FAKED && kind !== OWED.CLOSE_FAKED) return false
    }
    return true
  }

  openBatch(): void {
    this.batchOpen = true
  }

  closeBatch(): void {
    this.batchOpen = false
    this.batch++
  }

  push(kind: number, undo?: Undo): void {
    if (this.skipping) {
      if (kind === OWED.SYNC || kind === OWED.QUERY || kind === OWED.FUNCTION) this.skipping = false
      else {
        if (undo !== undefined) this.onUndo(kind, undo)
        return
      }
    }
    this.#kinds.push(kind)
    this.#undos.push(undo)
  }

  shift(): void {
    this.#head++
    if (this.#head === this.#kinds.length) {
      this.#kinds.length = 0
      this.#undos.length = 0
      this.#head = 0
    }
  }

  /** The head failed. Drops what the server now ignores: all up to the next Sync. */
  fail(): void {
    this.copyIn = false
    while (!this.empty) {
      const kind = this.head
      if (kind === OWED.SYNC) return
      const undo = this.headUndo
      if (undo !== undefined) this.onUndo(kind, undo)
      this.shift()
      if (kind === OWED.QUERY || kind === OWED.FUNCTION || kind === OWED.QUIET) return
    }
    this.skipping = true
  }

  /** CopyInResponse came: Syncs sent behind the copying request are ignored by the server. */
  copyStarted(): void {
    this.copyIn = true
    const keep = this.#head + 1
    let to = keep
    for (let i = keep; i < this.#kinds.length; i++) {
      if (this.#kinds[i] === OWED.SYNC) continue
      this.#kinds[to] = this.#kinds[i]!
      this.#undos[to] = this.#undos[i]
      to++
    }
    this.#kinds.length = to
    this.#undos.length = to
  }

  /** How many ReadyForQuery are owed, whatever else is. */
  get readyOwed(): number {
    let n = 0
    for (let i = this.#head; i < this.#kinds.length; i++) {
      if (this.#kinds[i]! <= OWED.FUNCTION) n++
    }
    return n
  }
}
