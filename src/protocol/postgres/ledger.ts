/**
 * The reply ledger of one server connection: whose answer comes next, and what becomes of it. The
 * server answers in order, so a queue is enough. Rule: an entry is pushed when its message is sent
 * (or faked) and leaves when its reply is complete; nothing owed means an empty ledger.
 *
 *   sent:    Parse(injected)  Bind   Execute  Sync
 *   ledger:  [swallow '1']    ['2']  ['C']    ['Z']      an error drops all up to the next Sync
 */
import type { ErrorFields } from '../../wire/postgres/error-fields.ts'
import type { CancelTarget, TransactionStatus } from '../contract.ts'
import { after, FLOW, LONE } from './flow.ts'
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
  /** As QUIET, but an error is no harm; one row may be asked for (`Undo.answer`). */
  ASK: 4,
  /** Parse of a named statement, as the client asked. */
  PARSE: 5,
  /** A Parse that we sent ahead of the client's Bind; its ParseComplete is swallowed. */
  PARSE_INJECTED: 6,
  /** Nothing was sent: the statement is prepared already; the client is owed a ParseComplete. */
  PARSE_FAKED: 7,
  /** A Parse that will fail and changes no book, because the name is taken. */
  PARSE_DOOMED: 8,
  PARSE_UNNAMED: 9,
  PARSE_UNNAMED_INJECTED: 10,
  BIND: 11,
  DESCRIBE: 12,
  EXECUTE: 13,
  CLOSE: 14,
  CLOSE_INJECTED: 15,
  CLOSE_FAKED: 16,
  /** Nothing is owed: the client ended a copy of which the server has not spoken yet. */
  COPY_END: 17,
  /** Of a statement of ours inside the client's batch. */
  BIND_INJECTED: 18,
  EXECUTE_INJECTED: 19,
  DESCRIBE_INJECTED: 20,
} as const

/** What a message changed in the books ahead of its reply, to be put back when that never comes. */
export interface Undo {
  readonly statement?: Statement
  /** `failed`: the message itself was refused; otherwise the server skipped it unread. */
  readonly restore?: (failed: boolean) => void
  /** Of QUERY: a statement of it has failed. */
  readonly failed?: () => void
  /** The server has accepted the message; of QUERY: a statement of it, one call for each. */
  readonly accept?: () => void
  /** For PARSE: its batch. */
  readonly batch?: number
  /** Of what uses a statement: its name as the client knows it. */
  readonly clientName?: string
  /** Of DESCRIBE: the shape of the results, see `result-shape.ts`. */
  readonly described?: (shape: string) => void
  /** Of QUERY: which results, counted from 0, are ours and not the client's. Never the first. */
  readonly ours?: ReadonlySet<number>
  /** Of QUERY: told instead of all results, when none is an error. Of EXECUTE: instead of its tag. */
  readonly instead?: Buffer
  /** What the client is told instead of the error that must come. */
  readonly refusal?: Buffer
  /** An error as the client is to read it; undefined when it is told as it is. */
  readonly retell?: (fields: ErrorFields) => Buffer | undefined
  /** Of ASK: the client is told of reported settings that it changes. */
  readonly reports?: true
  /** Of ASK: it has failed. */
  readonly refused?: (fields: ErrorFields) => void
  /** Of ASK: the values of the row, undefined when there is none, and how the transaction stands. */
  readonly answer?: Answered
}

export type Answered = (
  row: readonly (string | null)[] | undefined,
  status: TransactionStatus | undefined,
) => void

const TRANSACTS = FLOW.BEGINS | FLOW.ENDS

/** A reply owed, as `owed` tells of it. */
export interface Owed {
  readonly kind: number
  /** Bits of `FLOW`. */
  readonly flow: number
}

export class Ledger {
  #kinds: number[] = []
  #undos: (Undo | undefined)[] = []
  /** Bits of `FLOW`. */
  #flows: number[] = []
  /** `FLOW` of the batch at hand as far as it was answered; `RAN` when that was any Execute. */
  passed = 0
  /** Counts up with each ReadyForQuery. */
  answered = 0
  #head = 0
  /** Entries lie in [head, end); the arrays keep their size, because shrinking one is slow. */
  #end = 0
  /** An error was answered in the middle of a batch: the server ignores everything up to Sync. */
  skipping = false
  /** The server is reading COPY data: it ignores Sync and Flush until the copy ends. */
  copyIn = false
  /** Number of the current batch: everything up to one ReadyForQuery. */
  batch = 0
  /** Messages were sent since the last one that asks for ReadyForQuery. */
  batchOpen = false

  get empty(): boolean {
    return this.#head === this.#end
  }

  get length(): number {
    return this.#end - this.#head
  }

  /** Kind of the entry whose reply comes next; -1 when nothing is owed. */
  get head(): number {
    return this.#head < this.#end ? this.#kinds[this.#head]! : -1
  }

  get headUndo(): Undo | undefined {
    return this.#head < this.#end ? this.#undos[this.#head] : undefined
  }

  /** True when entries wait and none of them waits for the server. */
  get onlyFakes(): boolean {
    if (this.empty) return false
    for (let i = this.#head; i < this.#end; i++) {
      const kind = this.#kinds[i]!
      if (kind !== OWED.PARSE_FAKED && kind !== OWED.CLOSE_FAKED && kind !== OWED.COPY_END) {
        return false
      }
    }
    return true
  }

  /** Nothing is owed that could fail, so what is sent now will not be skipped. */
  get certain(): boolean {
    for (let i = this.#head; i < this.#end; i++) {
      const kind = this.#kinds[i]!
      const safe =
        kind === OWED.PARSE_FAKED ||
        kind === OWED.CLOSE_FAKED ||
        kind === OWED.CLOSE_INJECTED ||
        kind === OWED.QUIET ||
        kind === OWED.ASK
      if (!safe) return false
    }
    return !this.skipping
  }

  /** Nothing is owed in the batch at hand that could fail and have what follows skipped. */
  get startsBatch(): boolean {
    for (let i = this.#end - 1; i >= this.#head; i--) {
      const kind = this.#kinds[i]!
      if (kind <= OWED.ASK) return true
      const safe =
        kind === OWED.PARSE_FAKED || kind === OWED.CLOSE_FAKED || kind === OWED.CLOSE_INJECTED
      if (!safe) return false
    }
    return !this.skipping
  }

  openBatch(): void {
    this.batchOpen = true
  }

  /** A message that asks for ReadyForQuery was sent. Behind an error only Sync is one. */
  closeBatch(): void {
    if (this.skipping) return
    this.batchOpen = false
    this.batch++
  }

  /** `flow`: bits of `FLOW`. */
  push(kind: number, undo?: Undo, flow = 0): void {
    if (this.skipping) {
      // Even a simple query is ignored up to Sync (postgres.c, ignore_till_sync).
      if (kind !== OWED.SYNC) {
        undo?.restore?.(false)
        return
      }
      this.skipping = false
    }
    this.#kinds[this.#end] = kind
    this.#undos[this.#end] = undo
    this.#flows[this.#end] = flow
    this.#end++
  }

  shift(): void {
    do this.#head++
    while (this.#head < this.#end && this.#kinds[this.#head] === OWED.COPY_END)
    if (this.#head < this.#end) return
    this.#head = 0
    this.#end = 0
  }

  /** What was pushed last has this flow, too. */
  mark(flow: number): void {
    if (!this.skipping && this.#end > this.#head) this.#flows[this.#end - 1]! |= flow
  }

  /** How the transaction stands when all that was sent is carried out, `status` being how it stood. */
  statusBehind(status: TransactionStatus): TransactionStatus {
    let stands = after(status, this.passed)
    for (let i = this.#head; i < this.#end; i++) stands = after(stands, this.#flows[i]!)
    return stands
  }

  /** All that is owed, in order. */
  owed(): Owed[] {
    const all: Owed[] = []
    for (let i = this.#head; i < this.#end; i++) {
      all.push({ kind: this.#kinds[i]!, flow: this.#flows[i]! })
    }
    return all
  }

  /** Nobody will answer any more: the books are put back as if nothing of it had been sent. */
  lose(): void {
    for (let i = this.#end - 1; i >= this.#head; i--) this.#undos[i]?.restore?.(false)
    this.#head = 0
    this.#end = 0
  }

  /** The head is an Execute, and its reply is complete. */
  executed(): void {
    const flow = this.#flows[this.#head]!
    // What ran behind a lone COMMIT or ROLLBACK is not over with it.
    this.passed = FLOW.RAN | ((flow & TRANSACTS) === 0 ? this.passed & ~LONE : flow)
    this.shift()
  }

  /** The head failed. Drops what the server now ignores, newest first: all up to the next Sync. */
  fail(): void {
    this.copyIn = false
    let end = this.#head
    while (end < this.#end && this.#kinds[end] !== OWED.SYNC) end++
    const synced = end < this.#end
    for (let i = end - 1; i >= this.#head; i--) this.#undos[i]?.restore?.(i === this.#head)
    this.#head = end - 1
    this.shift()
    if (synced) return
    this.skipping = true
    this.batchOpen = true
  }

  /** CopyInResponse came: Syncs sent behind the request, up to the copy's end, are ignored. */
  copyStarted(): void {
    this.copyIn = true
    let to = this.#head + 1
    for (let i = to; i < this.#end; i++) {
      const kind = this.#kinds[i]!
      if (this.copyIn && kind === OWED.SYNC) continue
      if (this.copyIn && kind === OWED.COPY_END) {
        this.copyIn = false
        continue
      }
      this.#kinds[to] = kind
      this.#undos[to] = this.#undos[i]
      this.#flows[to] = this.#flows[i]!
      to++
    }
    this.#end = to
    // Without its Sync the batch is open again.
    if (this.copyIn && this.head === OWED.EXECUTE) this.batchOpen = true
  }

  /** The client sent CopyDone or CopyFail, perhaps before it was told that the copy has begun. */
  copyEnded(): void {
    if (this.copyIn) this.copyIn = false
    else if (!this.empty) this.push(OWED.COPY_END)
  }

  /** What the node works on now, as far as a cancel request is concerned. */
  get cancelTarget(): CancelTarget {
    for (let i = this.#head; i < this.#end; i++) {
      const kind = this.#kinds[i]
      if (kind !== OWED.QUIET && kind !== OWED.ASK) return i === this.#head ? 'client' : 'weir'
    }
    return 'nothing'
  }

  /** How many ReadyForQuery are owed, whatever else is. */
  get readyOwed(): number {
    let n = 0
    for (let i = this.#head; i < this.#end; i++) {
      if (this.#kinds[i]! <= OWED.FUNCTION) n++
    }
    return n
  }
}
