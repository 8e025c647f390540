/**
 * What one client listens to. Its LISTEN goes to its server connection, so that it obeys its
 * transaction; the server is then asked what it listens to, told to stop, and the shared listener
 * takes over. Rule: an answer speaks of what was sent before the question, and of nothing later.
 *
 *   LISTEN a ──> ask ──> {a} ──> UNLISTEN * here; the session gets `a` from the shared listener
 */
import type { Answer } from './asking.ts'
import { listenSql } from './listener.ts'
import { NOBODY, type Senders } from './senders.ts'
import type { PostgresServerConversation } from './server-conversation.ts'
import type { Action } from './sql/actions.ts'
import { DISCARD, INSERT, LISTEN, NOTIFY, UNSEEN } from './sql/effects.ts'

const NOTHING = Buffer.alloc(0)
const ASKS_CHANNELS = /pg_listening_channels/i
const LEAVES = /unlisten|discard/i
/** What else may run a trigger; what inserts has an effect of its own. */
const WRITES = /^\s*(?:update|delete|with)\b/i
/** So many UNLISTEN of one transaction are told apart; of more only the last. */
const MOST_MARKS = 64
/** So much of a text is looked at for that. */
const HEAD_BYTES = 256

const NO_CHANNELS: ReadonlySet<string> = new Set()
const NONE: readonly Leaving[] = []

/** A channel the client stops listening to, or all. */
interface Leaving {
  readonly channel: string | undefined
  /** Outside a transaction: it cannot be rolled back. */
  readonly alone: boolean
  /**
   * In a transaction: a setting of our own that was set with it, and to what. The server no longer
   * listens to the channel anyhow, so only that tells whether the UNLISTEN was committed.
   */
  readonly mark: { readonly name: string; readonly value: string } | undefined
}

/** How a statement stands: alone outside a transaction; a single one in its text. */
interface Standing {
  readonly alone: boolean
  readonly single: boolean
}

export class ChannelWatch {
  #channels: Set<string> | undefined
  /** The server connection listens, which is the shared listener's business from now on. */
  unlisten = false
  #senders: Senders
  /** What the client takes for the number of its server process. */
  #process: number
  /** Since the last question, and before it. */
  #leaving: readonly Leaving[] = NONE
  #asked: readonly Leaving[] = NONE
  /** Of the marks; the values never come again. */
  #marks = 0

  constructor(senders: Senders, process: number | undefined) {
    this.#senders = senders
    this.#process = process ?? NOBODY
  }

  /** What the client listens to; another set when that has changed. */
  get channels(): ReadonlySet<string> {
    return this.#channels ?? NO_CHANNELS
  }

  /** Bytes for a server connection it begins to use: what is notified there is no other's now. */
  parts(server: PostgresServerConversation): Buffer {
    return this.#senders.part(server, this.#process)
  }

  /** A NOTIFY is about to be sent: says in whose name. */
  signs(server: PostgresServerConversation, bits: number, emit: (bytes: Buffer) => void): void {
    if (!(bits & NOTIFY) || this.#process === NOBODY) return
    const mark = this.#senders.mark(server, this.#process)
    if (mark.length > 0) emit(mark)
  }

  /**
   * A statement is about to be sent. What it may notify this very client of comes before the end of
   * its answer. Who asks which channels it listens to must find them on the server: returns true
   * when they were brought there, to be asked for and taken away again.
   *
   * @param doubtful it may listen to more than is known
   */
  sees(
    server: PostgresServerConversation,
    bits: number,
    text: Buffer,
    emit: (bytes: Buffer) => void,
    doubtful: boolean,
  ): boolean {
    const listens = this.channels.size > 0
    if (!listens && !doubtful && !(bits & LISTEN)) return false
    // Ahead of an UNLISTEN the client hears all that was sent before it.
    const leaves = listens && bits & (LISTEN | DISCARD) && LEAVES.test(text.toString('latin1'))
    const notifies = bits & (NOTIFY | INSERT | UNSEEN) || (listens && writes(text))
    if (leaves || notifies) server.notifiesOwn = true
    const alone = server.status === 'idle' && server.ledger.certain && !server.ledger.batchOpen
    if (!listens || !alone || !ASKS_CHANNELS.test(text.toString('latin1'))) return false
    // What it has just stopped listening to may still be unanswered.
    const staying = this.#without([...this.#asked, ...this.#leaving], server.rolledBack)
    emit(server.silently([...staying].map(listenSql).join(';')))
    return true
  }

  /** What the statement about to be sent stops listening to; `emit` takes what marks it ahead. */
  leaves(
    server: PostgresServerConversation,
    actions: readonly Action[],
    { alone, single }: Standing,
    emit: (bytes: Buffer) => void,
  ): void {
    const channels = actions.flatMap((action) =>
      action.kind === 'unlisten' ? [action.channel] : isDiscardAll(action) ? [undefined] : [],
    )
    if (channels.length === 0) return
    // Several statements outside a transaction are one of their own, where no mark can be set.
    const marked = !alone && (single || server.status !== 'idle')
    const mark = marked ? this.#newMark() : undefined
    if (mark !== undefined) emit(server.aside(`SET ${mark.name} = '${mark.value}'`))
    this.#leaving = [...this.#leaving, ...channels.map((channel) => ({ channel, alone, mark }))]
  }

  #newMark(): { name: string; value: string } {
    const mark = ++this.#marks
    return { name: `weir.left_${mark % MOST_MARKS}`, value: `${this.#process}.${mark}` }
  }

  /** The question goes out, about these marks; `again` when there was no answer. */
  asks(): string[] {
    this.#asked = this.#leaving
    this.#leaving = NONE
    return this.#asked.flatMap(({ mark }) => (mark === undefined ? [] : [mark.name]))
  }

  again(): void {
    this.#leaving = [...this.#asked, ...this.#leaving]
    this.#asked = NONE
  }

  /** What was done since the last boundary is undone, and its server connection gone. */
  undone(): void {
    this.#asked = NONE
    this.#leaving = NONE
    this.unlisten = false
  }

  /** The server listens to these; `rolledBack`: something since the last boundary was. */
  learn({ channels, marks = [] }: Pick<Answer, 'channels' | 'marks'>, rolledBack: boolean): void {
    let at = 0
    const committed = this.#asked.filter(({ mark }) => {
      return mark === undefined || marks[at++] === mark.value
    })
    const staying = this.#without(committed, rolledBack)
    this.#asked = NONE
    for (const channel of channels) staying.add(channel)
    this.#channels = staying.size === 0 ? undefined : staying
    this.unlisten = channels.length > 0
  }

  #without(leaving: readonly Leaving[], rolledBack: boolean): Set<string> {
    const staying = new Set(this.channels)
    for (const { channel, alone, mark } of leaving) {
      if (rolledBack && !alone && mark === undefined) continue
      if (channel === undefined) staying.clear()
      else staying.delete(channel)
    }
    return staying
  }

  /** Bytes that leave the listening to the shared listener; empty when it is. */
  settle(server: PostgresServerConversation): Buffer {
    if (!this.unlisten) return NOTHING
    this.unlisten = false
    return server.silently('UNLISTEN *')
  }
}

function isDiscardAll(action: Action): boolean {
  return action.kind === 'discard' && action.what === 'all'
}

function writes(text: Buffer): boolean {
  return WRITES.test(text.toString('latin1', 0, HEAD_BYTES))
}
