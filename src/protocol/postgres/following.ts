/**
 * What one client's statements have made of its session, and what becomes of that: settings follow
 * the client, channels go to the shared listener, the rest pins until it is gone. Rule: a statement
 * only raises a doubt; while a doubt is open the server connection is not given back, and the server
 * itself settles it (see `asking.ts`), so what was rolled back never happened.
 *
 *   SET a=1 ──> doubt ──> ask, riding behind the statement ──> answer ──> settings, pins, channels
 */
import type { PinReason, SessionTerms, TransactionStatus } from '../contract.ts'
import {
  ABOUT,
  type Answer,
  askSql,
  converts,
  EVERYTHING,
  type Question,
  readAnswer,
} from './asking.ts'
import { ChannelWatch } from './channel-watch.ts'
import { doubtsOf, lastingReason, reasonsOf, refusedFor } from './doubts.ts'
import { FollowedSettings, type SettingsAtStart } from './followed-settings.ts'
import { InsideTransaction } from './inside-transaction.ts'
import type { Senders } from './senders.ts'
import { type Habits, SequenceWatch } from './sequence-watch.ts'
import type { PostgresServerConversation } from './server-conversation.ts'
import { type Action, actionsOf } from './sql/actions.ts'
import { awsPinReason } from './sql/aws.ts'
import type { Classification } from './sql/classify.ts'
import { digest } from './sql/digest.ts'
import * as E from './sql/effects.ts'

const NOTHING = Buffer.alloc(0)
const NO_REASONS: readonly PinReason[] = []
const NO_PINS: ReadonlyMap<PinReason, string> = new Map()
/** A question that fails so often outside a transaction is not asked again. */
const MOST_FAILURES = 2

export interface FollowingOptions {
  readonly terms: SessionTerms
  /** Who it is, and what it asked for at start. */
  readonly start: SettingsAtStart
  readonly habits: Habits
  readonly senders: Senders
}

export class Following {
  /** Made when first needed. */
  #pins: Map<PinReason, string> | undefined
  readonly settings: FollowedSettings
  #terms: SessionTerms
  #listening: ChannelWatch
  readonly sequences: SequenceWatch
  /** Bits of `ABOUT` that are not known and have not been asked for yet. */
  #doubts = 0
  /** Those asked for, while the answer is under way. */
  #asked = 0
  /** What gave rise to the doubts, normalised. */
  #digest = ''
  /** Something went by that was too long to read: the server connection is to be reset. */
  #unread = false
  /** The doubts from before it was sent. */
  #doubtsBefore = 0
  #failures = 0
  #inside = new InsideTransaction()

  constructor(options: FollowingOptions) {
    this.#terms = options.terms
    this.#listening = new ChannelWatch(options.senders, options.terms.process)
    this.settings = new FollowedSettings(options.start)
    this.sequences = new SequenceWatch(options.habits)
    if (options.terms.pinning === 'session') this.#addPin('configured', '')
  }

  /** Why it keeps its server connection, each with what gave rise to that. */
  get pins(): ReadonlyMap<PinReason, string> {
    return this.#pins ?? NO_PINS
  }

  #addPin(reason: PinReason, digest: string): void {
    this.#pins ??= new Map()
    this.#pins.set(reason, digest)
  }

  /** What it listens to, by the shared listener. */
  get channels(): ReadonlySet<string> {
    return this.#listening.channels
  }

  /** True when every statement has to be read, because it may end or clear something. */
  get alert(): boolean {
    const { temporary } = this.settings
    return this.#unsettled() || temporary || this.channels.size > 0 || this.#terms.pinning === 'aws'
  }

  #unsettled(): boolean {
    return this.#doubts !== 0 || this.#asked !== 0 || this.pins.size > 0
  }

  get holds(): boolean {
    return this.#unsettled() || this.#listening.unlisten
  }

  /** True when nothing distinguishes the session from one that has just begun. */
  get fresh(): boolean {
    const { key, start } = this.settings
    return key === start.settingsKey && !this.holds && this.channels.size === 0
  }

  /** The pins, and what may prove to be one: what would be lost with this server connection. */
  get atRisk(): PinReason[] {
    return [...new Set([...this.pins.keys(), ...reasonsOf(this.#doubts | this.#asked)])]
  }

  /** Session state follows the client; elsewhere it is pinned from the start, or as RDS Proxy does. */
  get follows(): boolean {
    const { pinning } = this.#terms
    return pinning !== 'session' && pinning !== 'aws'
  }

  /** Bytes for a server connection it begins to use: what is notified there is no other's now. */
  parts(server: PostgresServerConversation): Buffer {
    return this.#listening.parts(server)
  }

  /** What would pin is refused. */
  get strict(): boolean {
    return this.#terms.pinning === 'strict'
  }

  /** The reason for which a statement with these effects is refused. */
  refuses(bits: number, text: Buffer): PinReason | undefined {
    return this.strict ? refusedFor(bits, text) : undefined
  }

  /**
   * A statement is about to be sent to `server`. Returns the reason for which it is refused.
   * Bytes to send ahead of it go to `emit`.
   */
  sees(
    server: PostgresServerConversation,
    classification: Classification,
    text: Buffer,
    emit: (bytes: Buffer) => void,
  ): PinReason | undefined {
    const { bits } = classification
    if (bits & E.ADVISORY_LOCK) this.#inside.locks = true
    this.#listening.signs(server, bits, emit)
    if (bits & (E.SET | E.SET_LOCAL)) server.coloured = true
    if (!this.follows) {
      this.#aws(server, classification, text)
      return undefined
    }
    const refused = this.refuses(bits, text)
    if (refused !== undefined) return refused
    if (this.sequences.sees(server, bits, emit)) this.#pin(server, 'sequence', text)
    const lasting = lastingReason(bits)
    if (lasting !== undefined) {
      this.#pin(server, lasting, text)
      server.spoilt = true
    }
    const doubtful = ((this.#doubts | this.#asked) & ABOUT.CHANNELS) !== 0
    const shown = this.#listening.sees(server, bits, text, emit, doubtful)
    const held = bits & (E.DROP | E.CLOSE) ? this.atRisk : NO_REASONS
    const about = doubtsOf(bits, held, this.#terms.verify)
    const made = this.settings.temporary && !classification.readOnly ? ABOUT.TEMPORARY : 0
    this.#doubt(server, (shown ? about | ABOUT.CHANNELS : about) | made, text)
    if (bits & (E.SET | E.DISCARD | E.LISTEN)) {
      // What is under way may have begun a transaction.
      const alone =
        server.status === 'idle' && server.ledger.readyOwed === 0 && classification.statements === 1
      const actions = actionsOf(text)
      for (const action of actions) this.#touch(server, action, alone)
      this.#listening.leaves(
        server,
        actions,
        { alone, single: classification.statements === 1 },
        emit,
      )
    }
    return undefined
  }

  #aws(server: PostgresServerConversation, classification: Classification, text: Buffer): void {
    if (this.#terms.pinning !== 'aws') return
    const reason = awsPinReason(classification, text.length)
    if (reason === undefined) return
    this.#pin(server, reason, text)
    if (reason === 'listen') server.notifications = true
  }

  #doubt(server: PostgresServerConversation, about: number, text: Buffer): void {
    if (about === 0) return
    this.#raise(server, about)
    if (about === EVERYTHING) this.settings.touchAll(false)
    this.#digest = digest(text)
    server.dirty = true
  }

  #raise(server: PostgresServerConversation, about: number): void {
    if (about === 0) return
    this.#doubts |= about
    this.#inside.doubts(server, about)
  }

  #pin(server: PostgresServerConversation, reason: PinReason, text: Buffer): void {
    if (!this.pins.has(reason)) {
      this.#addPin(reason, digest(text))
      this.#inside.pins(server, reason)
    }
    server.dirty = true
  }

  #touch(server: PostgresServerConversation, action: Action, alone: boolean): void {
    this.#raise(server, this.settings.touch(action, alone))
    if (action.kind !== 'discard') return
    if (action.what === 'sequences' || (action.what === 'all' && alone)) this.#forgetSequences()
  }

  /** The server reported a new value of this setting: was somebody seen to set it? */
  reported(server: PostgresServerConversation, name: string): void {
    if (!this.follows || !this.settings.surprises(name)) return
    this.#raise(server, ABOUT.SETTINGS | ABOUT.SOURCES)
    server.dirty = true
  }

  /** A text too long to read is about to be sent: it may have done anything. */
  unread(server: PostgresServerConversation): void {
    server.coloured = true
    server.dirty = true
    if (!this.follows) return
    this.#unread = true
    this.#doubtsBefore = this.#doubts
    this.#raise(server, this.settings.touchAll(false) | EVERYTHING)
  }

  /** The text too long to read that was sent last was lost before the server had all of it. */
  unsent(): void {
    if (!this.#unread) return
    this.#unread = false
    this.#doubts = this.#doubtsBefore
  }

  /** A statement too long to keep for another server connection is prepared on this one, or none is. */
  keepsLarge(server: PostgresServerConversation, there: boolean): void {
    this.#know('large-statement', there)
    if (there) server.dirty = true
  }

  /** Never a second ask before the answer to the first. */
  get mayAsk(): boolean {
    return this.#doubts !== 0 && this.#asked === 0
  }

  /** Bytes that ask what is in doubt; the answer comes back here. */
  ask(server: PostgresServerConversation): Buffer {
    const names = this.settings.take()
    // What was made behind a changed search path may have been made in the temporary schema.
    if (names.includes('search_path')) this.#doubts |= ABOUT.TEMPORARY
    const marks = this.#listening.asks()
    const question: Question = {
      about: this.#doubts,
      names,
      marks,
      raw: converts(server.parameters, names),
    }
    this.#asked = question.about
    this.#doubts = 0
    this.#inside.asks(question.about)
    return server.silently(askSql(question), (row, status) => {
      const told = row !== undefined && status === 'idle'
      this.#asked = 0
      this.#inside.answered(told)
      this.settings.taken(!told, server.rolledBack)
      if (told) this.#learn(server, readAnswer(question, row), question)
      else this.#again(question, status)
    })
  }

  #again({ about }: Question, status: TransactionStatus | undefined): void {
    this.#doubts |= about
    this.#listening.again()
    if (status !== 'idle') return
    if (++this.#failures < MOST_FAILURES) {
      // It may have been a name that this user must not ask for; what it has set itself is listed.
      if (about & ABOUT.SETTINGS && this.settings.narrow()) this.#doubts |= ABOUT.SOURCES
      return
    }
    // It will not be told: then the state may be there, and only keeping the connection is right.
    for (const reason of reasonsOf(this.#doubts)) this.#addPin(reason, this.#digest)
    this.#doubts = 0
    this.#failures = 0
    this.settings.giveUp()
  }

  #learn(server: PostgresServerConversation, answer: Answer, { about, names }: Question): void {
    this.#failures = 0
    if (about & ABOUT.TEMPORARY) this.#know('temporary', answer.temporary)
    if (about & ABOUT.CURSORS) this.#know('cursor-with-hold', answer.cursors)
    if (about & ABOUT.LOCKS) this.#know('advisory-lock', answer.locks)
    if (about & ABOUT.CHANNELS) this.#listening.learn(answer, server.rolledBack)
    if (!(about & (ABOUT.SETTINGS | ABOUT.SOURCES))) return
    const { settings } = this
    if (server.rolledBack && names.length > 0 && answer.sources === undefined) {
      // Some of these may never have been set: a value alone does not tell.
      this.#doubts |= ABOUT.SETTINGS | ABOUT.SOURCES
      this.#inside.remains(ABOUT.SETTINGS | ABOUT.SOURCES)
      for (const name of names) settings.surprises(name)
      return
    }
    this.#know('settings', settings.nameless)
    settings.learn(names, answer)
    server.settings = settings.current
    server.settingsKey = settings.key
  }

  #know(reason: PinReason, there: boolean): void {
    if (!there) this.#pins?.delete(reason)
    else if (!this.pins.has(reason)) this.#addPin(reason, this.#digest)
  }

  /** At a boundary outside a transaction: what to send so that everything is known and in its place. */
  settle(server: PostgresServerConversation): Buffer {
    // First, or a channel that was asked for since would go unheard.
    if (this.#doubts !== 0) return this.ask(server)
    if (this.#listening.unlisten) return this.#listening.settle(server)
    server.coloured = false
    server.rolledBack = false
    const { hasty } = this.settings
    this.#inside.over()
    if (server.quietError === undefined) server.dirty = this.pins.size > 0 || this.#unread || hasty
    if (this.pins.size === 0) this.#unread = false
    return NOTHING
  }

  /**
   * The server connection is lost. False when something of the session is lost with it; otherwise
   * the session is as it was at the last boundary.
   *
   * @param undone the transaction at hand is, and all that was done in it
   */
  survives(undone: boolean): boolean {
    const inside = this.#inside
    if ([...this.pins.keys()].some((reason) => !(undone && inside.pinned.has(reason)))) return false
    const open = this.#doubts | this.#asked
    if (open !== 0 && (!undone || inside.locks || inside.before(open))) return false
    for (const reason of inside.pinned) this.#pins?.delete(reason)
    this.#doubts = 0
    this.#asked = 0
    this.#unread = false
    this.#failures = 0
    inside.over()
    this.settings.undone()
    this.#listening.undone()
    return true
  }

  /** As after `DISCARD ALL` outside a transaction. */
  startAnew(): void {
    this.settings.nameless = false
    if (!this.follows) return
    this.#forgetSequences()
    this.#pins?.delete('sql-prepare')
  }

  #forgetSequences(): void {
    this.sequences.forget()
    this.#pins?.delete('sequence')
  }
}
