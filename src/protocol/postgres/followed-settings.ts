/**
 * The settings of one client, as the server last told them, and which of them may have changed since.
 * Rule: only names are taken from statements; values come from the server alone.
 */
import { ABOUT, type Answer } from './asking.ts'
import { isIdentity, setSql, settingsKeyOf } from './settings.ts'
import { type Action, actionsIn, actionsOf } from './sql/actions.ts'
import { type WovenText, weave } from './woven-text.ts'

/** With more names than this in doubt at once, the session is held as if one could not be read. */
const MOST_NAMES = 200

const NO_NAMES: readonly string[] = []

/** Set for the transaction at hand, however it is said; outside of one that means nothing. */
const OF_TRANSACTIONS: ReadonlySet<string> = new Set([
  'transaction_deferrable',
  'transaction_isolation',
  'transaction_read_only',
])

export interface SettingsAtStart {
  readonly user: string
  readonly settings: ReadonlyMap<string, string>
  readonly settingsKey: string
}

export class FollowedSettings {
  current: ReadonlyMap<string, string>
  key: string
  readonly start: SettingsAtStart
  /** One was set whose name is nowhere to be read, so nobody can ask for it. */
  nameless = false
  /** What is created may be temporary without saying so. */
  temporary: boolean
  /** Its statement timeout is so short that it could strike whoever brings other settings next. */
  hasty: boolean
  /** All were reset since; when that is known to have lasted there is none without a name. */
  #resetting = false
  #resetAsked = false
  /** Made when first needed. */
  #names: Set<string> | undefined
  #asked = NO_NAMES

  constructor(start: SettingsAtStart) {
    this.start = start
    this.current = start.settings
    this.key = start.settingsKey
    this.temporary = namesTemporary(start.settings)
    this.hasty = isHasty(start.settings)
  }

  /**
   * A statement does this. Returns what is in doubt besides (bits of `ABOUT`).
   *
   * @param alone outside a transaction, where nothing can take it back
   */
  touch(action: Action, alone: boolean): number {
    switch (action.kind) {
      case 'set':
        if (!action.local && !OF_TRANSACTIONS.has(action.name)) this.#name(action.name)
        return 0
      case 'reset':
        this.#name(action.name)
        return ABOUT.SOURCES
      case 'set-unknown':
        this.nameless = true
        this.#resetting = false
        this.#resetAsked = false
        return ABOUT.SOURCES
      case 'reset-all':
        return this.touchAll(alone)
      case 'discard':
        return action.what === 'all' ? this.touchAll(alone) : 0
      default:
        return 0
    }
  }

  /** Any of them may have changed; `alone`: and those without a name are gone, unless that fails. */
  touchAll(alone: boolean): number {
    for (const name of this.current.keys()) this.#add(name)
    // Their values are on the way, from before they were reset.
    for (const name of this.#asked) this.#add(name)
    if (alone) this.#resetting = true
    return ABOUT.SETTINGS | ABOUT.SOURCES
  }

  /** False when a statement was seen to set it, and its value will be asked for anyway. */
  surprises(name: string): boolean {
    if (this.#names?.has(name) || this.#asked.includes(name)) return false
    this.#add(name)
    return true
  }

  #name(name: string): void {
    const names = this.#add(name)
    // Becoming another user ends the role.
    if (name === 'session_authorization') names.add('role')
    if (names.size > MOST_NAMES) this.nameless = true
  }

  #add(name: string): Set<string> {
    this.#names ??= new Set()
    return this.#names.add(name)
  }

  /** The names in doubt, to be asked for now. */
  take(): readonly string[] {
    this.#asked = this.#names === undefined ? NO_NAMES : [...this.#names]
    this.#names = undefined
    this.#resetAsked = this.#resetting
    this.#resetting = false
    return this.#asked
  }

  /**
   * The answer has come, or never will: then they are in doubt `again`. `rolledBack`: something was,
   * or failed, since the last boundary.
   */
  taken(again: boolean, rolledBack = false): void {
    if (again) for (const name of this.#asked) this.#add(name)
    this.#asked = NO_NAMES
    if (this.#resetAsked && again) this.#resetting = true
    else if (this.#resetAsked && !rolledBack) this.nameless = false
    this.#resetAsked = false
  }

  /** Asks by name only for what is listed nowhere and what is known; true when that leaves any out. */
  narrow(): boolean {
    let narrower = false
    for (const name of this.#names ?? NO_NAMES) {
      if (name.includes('.') || isIdentity(name) || this.current.has(name)) continue
      narrower = true
      this.#names?.delete(name)
    }
    return narrower
  }

  /** What was set since the last boundary is undone, and its server connection gone. */
  undone(): void {
    this.#names = undefined
    this.#asked = NO_NAMES
    this.nameless = false
    this.#resetting = false
    this.#resetAsked = false
  }

  /** They will not be told: nothing is asked any more. */
  giveUp(): void {
    this.#names = undefined
  }

  learn(names: readonly string[], { values, sources }: Answer): void {
    const { start } = this
    const next = new Map(this.current)
    names.forEach((name, i) => {
      const value = values[i] ?? null
      const kept = start.settings.has(name) || sources === undefined
      if (value !== null && (kept || this.#isSet(name, value, sources))) next.set(name, value)
      else next.delete(name)
    })
    for (const [name, value] of sources ?? []) next.set(name, value)
    // An answer from before a reset may have told of more than anybody asked for by name.
    for (const name of sources === undefined ? [] : next.keys()) {
      if (!isIdentity(name) && !start.settings.has(name) && !this.#isSet(name, '', sources!)) {
        next.delete(name)
      }
    }
    const key = settingsKeyOf(next)
    this.current = key === start.settingsKey ? start.settings : next
    this.key = key
    this.temporary = namesTemporary(next)
    this.hasty = isHasty(next)
  }

  /** Whether a setting still has a value of the session's own. */
  #isSet(name: string, value: string, sources: ReadonlyMap<string, string>): boolean {
    if (name === 'role') return value !== 'none'
    if (name === 'session_authorization') return value !== this.start.user
    // One that was made up in the session stays known to it, if only as an empty string.
    return name.includes('.') || sources.has(name)
  }

  /**
   * SQL that brings back what the client asked for at start, behind a RESET of it; `''` for none.
   *
   * @param text one statement
   */
  restoring(text: Buffer): string {
    return this.start.settings.size === 0 ? '' : this.#restoring(actionsOf(text))
  }

  /**
   * `text` with that behind each of its statements, where it obeys the transaction it stands in and
   * a later statement has the last word; undefined when nothing is to be brought back.
   */
  restored(text: Buffer): WovenText | undefined {
    if (this.start.settings.size === 0) return undefined
    return weave(text, (tokens) => this.#restoring(actionsIn(text, tokens)))
  }

  #restoring(actions: readonly Action[]): string {
    const { settings } = this.start
    if (actions.some(isDiscardAll)) {
      return setSql(settings)
    }
    const all = actions.some(({ kind }) => kind === 'reset-all')
    const names = new Set(actions.map((action) => (action.kind === 'reset' ? action.name : '')))
    // Who is oneself again has the role again that was asked for at start.
    if (names.has('session_authorization')) names.add('role')
    // RESET ALL leaves alone who the session acts as.
    return setSql([...settings].filter(([name]) => names.has(name) || (all && !isIdentity(name))))
  }
}

function isDiscardAll(action: Action): boolean {
  return action.kind === 'discard' && action.what === 'all'
}

/** Milliseconds that a query of ours needs at the very most. */
const HASTE_MS = 100

function isHasty(settings: ReadonlyMap<string, string>): boolean {
  return ['statement_timeout', 'transaction_timeout'].some((name) => {
    const [, ms] = /^(\d+)(ms)?$/.exec(settings.get(name) ?? '') ?? []
    return ms !== undefined && Number(ms) > 0 && Number(ms) < HASTE_MS
  })
}

function namesTemporary(settings: ReadonlyMap<string, string>): boolean {
  return settings.get('search_path')?.includes('pg_temp') === true
}
