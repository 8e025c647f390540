/**
 * What one client's statements have made of its session, and what becomes of that: settings follow
 * the client, channels go to the shared listener, the rest pins until it is gone. Rule: a statement
 * only raises a doubt; while a doubt is open the server connection is not given back, and the server
 * itself settles it (see `asking.ts`), so what was rolled back never happened.
 *
 *   SET a=1 ──> doubt ──> ask, riding behind the statement ──> answer ──> settings, pins, channels
 */
import type { PinReason, SessionTerms, TransactionStatus } from '../contract.ts'
import { ABOUT, type Answer, askSql, EVERYTHING, type Question, readAnswer } from './asking.ts'
import type { PostgresServerConversation } from './server-conversation.ts'
import { setSql, settingsKeyOf } from './settings.ts'
import { type Action, actionsOf } from './sql/actions.ts'
import { awsPinReason } from './sql/aws.ts'
import type { Classification } from './sql/classify.ts'
import { digest } from './sql/digest.ts'
import * as E from './sql/effects.ts'

const NOTHING = Buffer.alloc(0)

/** Which effects raise which doubts. */
const DOUBTS: readonly (readonly [effects: number, about: number])[] = [
  [E.SET, ABOUT.SETTINGS],
  [E.TEMPORARY, ABOUT.TEMPORARY],
  [E.CURSOR_WITH_HOLD, ABOUT.CURSORS],
  [E.ADVISORY_LOCK, ABOUT.LOCKS],
  [E.LISTEN, ABOUT.CHANNELS],
  [E.DISCARD, EVERYTHING],
]
/** For what a doubt pins when it proves true, or when it cannot be settled. */
const REASONS: readonly (readonly [about: number, reason: PinReason])[] = [
  [ABOUT.TEMPORARY, 'temporary'],
  [ABOUT.CURSORS, 'cursor-with-hold'],
  [ABOUT.LOCKS, 'advisory-lock'],
  [ABOUT.SETTINGS | ABOUT.SOURCES, 'settings'],
  [ABOUT.CHANNELS, 'listen'],
]
/** Nothing undoes these, so they pin for good. */
const FOR_GOOD: readonly (readonly [effects: number, reason: PinReason])[] = [
  [E.LOAD, 'load'],
  [E.SEED, 'seed'],
]
/** What `strict` refuses. Letting go of a lock is one of the calls that hold them. */
const REFUSED: readonly (readonly [effects: number, reason: PinReason])[] = [
  [E.TEMPORARY, 'temporary'],
  [E.CURSOR_WITH_HOLD, 'cursor-with-hold'],
  [E.ADVISORY_LOCK, 'advisory-lock'],
  ...FOR_GOOD,
]
/** What may have moved a sequence. */
const MOVES_SEQUENCES = E.SEQUENCE_WRITE | E.INSERT | E.UNSEEN
/** More settings than this in one transaction are asked for as a whole. */
const MOST_NAMES = 200

/** What the sessions of one database and user have been seen to need; shared by them. */
export interface Habits {
  /** One has read currval or lastval in another transaction than it was made in. */
  readsSequences: boolean
}

export interface FollowingOptions {
  readonly terms: SessionTerms
  readonly user: string
  /** What the client asked for at start. */
  readonly settings: ReadonlyMap<string, string>
  readonly settingsKey: string
  readonly habits: Habits
}

export class Following {
  readonly pins = new Map<PinReason, string>()
  readonly channels = new Set<string>()
  settings: ReadonlyMap<string, string>
  settingsKey: string
  /** It has sent a NOTIFY to the server connection it is attached to. */
  notifies = false
  #options: FollowingOptions
  /** Bits of `ABOUT` that are not known and have not been asked for yet. */
  #doubts = 0
  /** Those asked for, while the answer is under way. */
  #asked = 0
  #names = new Set<string>()
  #askedNames: readonly string[] = []
  /** What gave rise to the doubts, normalised. */
  #digest = ''
  /** A setting was changed whose name is nowhere to be read. */
  #nameless = false
  /** Something went by that was too long to read: the server connection is to be reset. */
  #unread = false
  #failures = 0
  /** Channels it has stopped listening to, unless that is rolled back; undefined for all. */
  #leaving: (string | undefined)[] = []
  /** The server connection listens, which is the shared listener's business from now on. */
  #unlisten = false

  constructor(options: FollowingOptions) {
    this.#options = options
    this.settings = options.settings
    this.settingsKey = options.settingsKey
    if (options.terms.pinning === 'session') this.pins.set('configured', '')
  }

  /** True when every statement has to be read, because it may end or clear something. */
  get alert(): boolean {
    return this.#unsettled || this.#options.terms.pinning === 'aws'
  }

  get #unsettled(): boolean {
    return this.#doubts !== 0 || this.#asked !== 0 || this.pins.size > 0
  }

  get holds(): boolean {
    return this.#unsettled || this.#unlisten
  }

  get doubtful(): boolean {
    return this.#doubts !== 0
  }

  /** True when nothing distinguishes the session from one that has just begun. */
  get fresh(): boolean {
    const { settingsKey } = this.#options
    return this.settingsKey === settingsKey && !this.holds && this.channels.size === 0
  }

  /** What the client asked for at start, and the key of that. */
  get startSettings(): ReadonlyMap<string, string> {
    return this.#options.settings
  }

  get startKey(): string {
    return this.#options.settingsKey
  }

  /** Session state follows the client, instead of pinning it. */
  get follows(): boolean {
    return !this.#idle
  }

  /** The reasons for which it would be wrong to go on without this server connection. */
  get atRisk(): PinReason[] {
    const reasons = new Set(this.pins.keys())
    for (const [about, reason] of REASONS) {
      if ((this.#doubts | this.#asked) & about) reasons.add(reason)
    }
    return [...reasons]
  }

  /** Where nothing is followed: pinned from the start, or as RDS Proxy does it. */
  get #idle(): boolean {
    const { pinning } = this.#options.terms
    return pinning === 'session' || pinning === 'aws'
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
    if (bits & E.NOTIFY) this.notifies = true
    if (bits & (E.SET | E.SET_LOCAL)) server.coloured = true
    if (this.#idle) {
      this.#aws(server, classification, text)
      return undefined
    }
    const refused = this.refuses(bits, text)
    if (refused !== undefined) return refused
    this.#sequences(server, bits, text, emit)
    if (bits & E.PREPARE) {
      this.#pin('sql-prepare', text)
      server.dirty = true
    }
    for (const [effects, reason] of FOR_GOOD) {
      if (!(bits & effects)) continue
      this.#pin(reason, text)
      server.spoilt = true
    }
    this.#doubt(server, this.#aboutOf(bits), text)
    if (bits & (E.SET | E.DISCARD | E.LISTEN)) {
      for (const action of actionsOf(text)) this.#touch(action, server.status === 'idle')
    }
    return undefined
  }

  #aws(server: PostgresServerConversation, classification: Classification, text: Buffer): void {
    if (this.#options.terms.pinning !== 'aws') return
    const reason = awsPinReason(classification, text.length)
    if (reason === undefined || this.pins.has(reason)) return
    this.#pin(reason, text)
    server.dirty = true
    if (reason === 'listen') server.notifications = true
  }

  /** The reason for which a statement with these effects would be refused. */
  refuses(bits: number, text: Buffer): PinReason | undefined {
    if (this.#options.terms.pinning !== 'strict') return undefined
    for (const [effects, reason] of REFUSED) if (bits & effects) return reason
    if (!(bits & E.SET)) return undefined
    return actionsOf(text).some(({ kind }) => kind === 'set-unknown') ? 'settings' : undefined
  }

  #aboutOf(bits: number): number {
    let about = 0
    for (const [effects, doubt] of DOUBTS) if (bits & effects) about |= doubt
    if (bits & E.DROP && this.pins.has('temporary')) about |= ABOUT.TEMPORARY
    if (bits & E.CLOSE && this.pins.has('cursor-with-hold')) about |= ABOUT.CURSORS
    if (bits & E.UNSEEN && this.#options.terms.verify) about |= EVERYTHING
    return about
  }

  #doubt(server: PostgresServerConversation, about: number, text: Buffer): void {
    if (about === 0) return
    this.#doubts |= about
    this.#digest = digest(text)
    server.dirty = true
  }

  #pin(reason: PinReason, text: Buffer): void {
    if (!this.pins.has(reason)) this.pins.set(reason, digest(text))
  }

  /** `alone`: outside a transaction, where nothing can take it back. */
  #touch(action: Action, alone: boolean): void {
    switch (action.kind) {
      case 'set':
        if (action.local) break
        this.#names.add(action.name)
        if (action.name === 'session_authorization') this.#names.add('role')
        break
      case 'reset':
        this.#names.add(action.name)
        if (action.name === 'session_authorization') this.#names.add('role')
        this.#doubts |= ABOUT.SOURCES
        break
      case 'unlisten':
        this.#leaving.push(action.channel)
        break
      case 'set-unknown':
        this.#nameless = true
        this.#doubts |= ABOUT.SOURCES
        break
      case 'discard':
        if (action.what === 'sequences' || action.what === 'all') this.pins.delete('sequence')
        if (action.what !== 'all') break
        this.#leaving.push(undefined)
        this.#touchAll(alone)
        break
      case 'reset-all':
        this.#touchAll(alone)
    }
    if (this.#names.size > MOST_NAMES) this.#nameless = true
  }

  #touchAll(alone: boolean): void {
    for (const name of this.settings.keys()) this.#names.add(name)
    this.#doubts |= ABOUT.SETTINGS | ABOUT.SOURCES
    if (alone) this.#nameless = false
  }

  /** The server reported a new value of this setting while nobody was seen to set it. */
  reported(server: PostgresServerConversation, name: string): void {
    if (this.#idle || this.#names.has(name) || this.#askedNames.includes(name)) return
    this.#names.add(name)
    this.#doubts |= ABOUT.SETTINGS | ABOUT.SOURCES
    server.dirty = true
  }

  /** A text too long to read is about to be sent: it may have done anything. */
  unread(server: PostgresServerConversation): void {
    server.coloured = true
    server.dirty = true
    if (this.#idle) return
    this.#unread = true
    this.#touchAll(false)
    this.#doubts |= EVERYTHING
  }

  /**
   * currval and lastval answer for the server connection, so they are asked where this client has
   * moved a sequence and nobody else since; elsewhere the server forgets first, and says so. A
   * client, then all of its kind, that reads them later than it moved them keeps its connection.
   */
  #sequences(
    server: PostgresServerConversation,
    bits: number,
    text: Buffer,
    emit: (bytes: Buffer) => void,
  ): void {
    const moves = (bits & MOVES_SEQUENCES) !== 0
    const { habits } = this.#options
    if (bits & E.SEQUENCE_READ) {
      if (!moves && server.status === 'idle') habits.readsSequences = true
      if (server.sequencesOf !== this && server.sequencesOf !== undefined) {
        emit(server.aside('DISCARD SEQUENCES'))
      }
    }
    if (!moves && !(bits & E.SEQUENCE_READ)) return
    server.sequencesOf = this
    if (moves && habits.readsSequences) {
      this.#pin('sequence', text)
      server.dirty = true
    }
  }

  /** SQL that brings back what the client asked for at start, behind a RESET of it; `''` for none. */
  restoring(text: Buffer): string {
    const { settings } = this.#options
    if (settings.size === 0) return ''
    const actions = actionsOf(text)
    const all = actions.some((a) => a.kind === 'reset-all' || isDiscardAll(a))
    if (all) return setSql(settings)
    const names = new Set(actions.map((a) => (a.kind === 'reset' ? a.name : '')))
    return setSql([...settings].filter(([name]) => names.has(name)))
  }

  /** Bytes that ask what is in doubt; their answer comes back here. */
  ask(server: PostgresServerConversation): Buffer {
    const question: Question = { about: this.#doubts, names: [...this.#names] }
    this.#asked = question.about
    this.#askedNames = question.names
    this.#doubts = 0
    this.#names.clear()
    return server.silently(askSql(question), (row, status) => {
      this.#asked = 0
      this.#askedNames = []
      if (row !== undefined && status === 'idle')
        this.#learn(server, readAnswer(question, row), question)
      else this.#again(question, status)
    })
  }

  /** Never a second ask before the answer to the first. */
  get mayAsk(): boolean {
    return this.#doubts !== 0 && this.#asked === 0
  }

  #again(question: Question, status: TransactionStatus | undefined): void {
    this.#doubts |= question.about
    for (const name of question.names) this.#names.add(name)
    if (status !== 'idle' || ++this.#failures < 2) return
    // It will not be told: then the state may be there, and only keeping the connection is right.
    for (const [about, reason] of REASONS) {
      if (this.#doubts & about) this.pins.set(reason, this.#digest)
    }
    this.#doubts = 0
    this.#failures = 0
    this.#names.clear()
  }

  #learn(server: PostgresServerConversation, answer: Answer, { about, names }: Question): void {
    this.#failures = 0
    if (about & ABOUT.TEMPORARY) this.#know('temporary', answer.temporary)
    if (about & ABOUT.CURSORS) this.#know('cursor-with-hold', answer.cursors)
    if (about & ABOUT.LOCKS) this.#know('advisory-lock', answer.locks)
    if (about & ABOUT.CHANNELS) this.#knowChannels(answer.channels, server.rolledBack)
    if (about & (ABOUT.SETTINGS | ABOUT.SOURCES)) {
      this.#know('settings', this.#nameless)
      this.#knowSettings(server, names, answer)
    }
  }

  #know(reason: PinReason, there: boolean): void {
    if (!there) this.pins.delete(reason)
    else if (!this.pins.has(reason)) this.pins.set(reason, this.#digest)
  }

  #knowChannels(channels: readonly string[], rolledBack: boolean): void {
    for (const channel of rolledBack ? [] : this.#leaving) {
      if (channel === undefined) this.channels.clear()
      else this.channels.delete(channel)
    }
    this.#leaving = []
    for (const channel of channels) this.channels.add(channel)
    this.#unlisten = channels.length > 0
  }

  #knowSettings(
    server: PostgresServerConversation,
    names: readonly string[],
    { values, sources }: Answer,
  ): void {
    const { settings: asked, settingsKey } = this.#options
    const next = new Map(this.settings)
    names.forEach((name, i) => {
      const value = values[i] ?? null
      const gone = !asked.has(name) && sources !== undefined && !this.#isSet(name, value, sources)
      if (value === null || gone) next.delete(name)
      else next.set(name, value)
    })
    for (const [name, value] of sources ?? []) if (!next.has(name)) next.set(name, value)
    const key = settingsKeyOf(next)
    this.settings = key === settingsKey ? asked : next
    this.settingsKey = key
    server.settings = this.settings
    server.settingsKey = key
  }

  /** Whether a setting still has a value of the session's own. */
  #isSet(name: string, value: string | null, sources: ReadonlyMap<string, string>): boolean {
    if (name === 'role') return value !== 'none'
    if (name === 'session_authorization') return value !== this.#options.user
    return name.includes('.') ? value !== '' : sources.has(name)
  }

  /** A statement too long to keep for another server connection is prepared on this one, or none is. */
  keepsLarge(server: PostgresServerConversation, there: boolean): void {
    this.#know('large-statement', there)
    if (there) server.dirty = true
  }

  /** At a boundary outside a transaction: what to send so that everything is known and in its place. */
  settle(server: PostgresServerConversation): Buffer {
    if (this.#unlisten) {
      this.#unlisten = false
      return server.silently('UNLISTEN *')
    }
    if (this.#doubts !== 0) return this.ask(server)
    server.coloured = false
    server.rolledBack = false
    if (server.quietError === undefined) server.dirty = this.pins.size > 0 || this.#unread
    if (this.pins.size === 0) this.#unread = false
    return NOTHING
  }

  /** As after `DISCARD ALL`, where that needs no server. */
  startAnew(): void {
    this.#nameless = false
    this.pins.delete('sequence')
  }
}

function isDiscardAll(action: Action): boolean {
  return action.kind === 'discard' && action.what === 'all'
}
