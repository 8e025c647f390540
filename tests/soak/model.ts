/**
 * A session of Postgres as it would be with a server of its own: what each statement must be
 * answered. Rule: nothing here knows of Weir, and played straight to a server it must be right too.
 */
import { AUTH, HOUSED, INDEX, LOGIN, ROLE, ROLES, SCHEMAS, SETTINGS } from './settings-table.ts'
import { mergedDateStyle, State } from './state.ts'
import { CURSOR_ROWS, type Statement, type Text } from './statements.ts'

/** What a statement is answered: an error, or a tag and, where it has a result, rows. */
export type Outcome =
  | { readonly error: string }
  | { readonly tag: string; readonly rows?: string[] }

/** Rows that nobody can know beforehand; the second is what nextval gives. */
export const ANY_ROW = '*'
export const TICKET_ROW = '#'

interface Cursor {
  readonly tag: string
  fetched: number
  /** How deep in savepoints it was declared; -1: in a transaction that has committed. */
  depth: number
}

const OFFSETS: Readonly<Record<string, string>> = {
  UTC: '0',
  'Asia/Tokyo': '32400',
  'America/Caracas': '-14400',
  'Asia/Kolkata': '19800',
  'Africa/Lagos': '3600',
}
const NO_TICKET: Outcome = { error: '55000' }

const failed = (error: string): Outcome => ({ error })
const one = (row: string): Outcome => ({ tag: 'SELECT 1', rows: [row] })

export class Model {
  state: State
  /** What the client asked for at start, and the rest of the defaults. */
  readonly start: readonly string[]
  explicit = false
  failed = false
  #base: State | undefined
  #saved: { readonly name: string; readonly state: State }[] = []
  #isolation = ''
  /** standard_conforming_strings when the text at hand was read. */
  #lexing = ''
  readonly cursors = new Map<string, Cursor>()
  readonly locks = new Map<number, number>()
  /** Prepared statements, by the protocol and by SQL: they share their names. */
  readonly named = new Map<string, Text>()
  /** Some were prepared by SQL. */
  preparedSql = false
  /** Something was set whose name came with Bind. */
  nameless = false
  /** What nextval gave last; `fresh`: in the transaction at hand. */
  ticket: { readonly value: string; fresh: boolean } | undefined

  constructor(start: readonly string[]) {
    this.start = start
    this.state = new State(start)
  }

  get status(): 'I' | 'T' | 'E' {
    if (!this.explicit) return 'I'
    return this.failed ? 'E' : 'T'
  }

  get depth(): number {
    return this.#saved.length
  }

  get savepoints(): readonly string[] {
    return this.#saved.map(({ name }) => name)
  }

  /** It has what makes a session keep its server connection. */
  get holding(): boolean {
    const { temporary } = this.state
    return (
      temporary !== undefined || this.cursors.size > 0 || this.locks.size > 0 || this.preparedSql
    )
  }

  /** A statement is about to run; outside of a transaction that begins one. */
  begin(): void {
    if (this.#base !== undefined) return
    this.#base = this.state.copy()
    this.#isolation = this.state.named('default_transaction_isolation')
    if (this.ticket !== undefined) this.ticket.fresh = false
  }

  /** A text is read, whole, before anything in it runs. */
  read(): void {
    this.#lexing = this.state.named('standard_conforming_strings')
  }

  /** The end of a query or a batch. */
  finish(): void {
    if (!this.explicit) this.#commit()
  }

  #commit(): void {
    if (this.#base === undefined) return
    this.state.commit()
    this.#over()
    for (const cursor of this.cursors.values()) cursor.depth = -1
  }

  #rollback(): void {
    if (this.#base === undefined) return
    this.state = this.#base
    this.#dropCursors(0)
    this.#over()
  }

  #over(): void {
    this.#base = undefined
    this.#saved = []
    this.explicit = false
    this.failed = false
    if (this.ticket !== undefined) this.ticket.fresh = false
  }

  #dropCursors(depth: number): void {
    for (const [name, cursor] of this.cursors) if (cursor.depth >= depth) this.cursors.delete(name)
  }

  /** An error came: everything up to the last savepoint is undone at once. */
  fail(): void {
    if (!this.explicit) {
      this.#rollback()
      return
    }
    if (this.failed) return
    this.failed = true
    this.state = (this.#saved.at(-1)?.state ?? this.#base!).copy()
    this.#dropCursors(this.depth)
  }

  /** The temporary table is there for who the session acts as. */
  get mayRead(): boolean {
    const { temporary, superuser, user } = this.state
    return temporary === undefined || superuser || temporary.owner === user
  }

  /** currval and lastval may be refused: the ticket was drawn in another transaction. */
  get mayForget(): boolean {
    return this.ticket !== undefined && !this.ticket.fresh
  }

  /** True for what may still run in a transaction that has failed. */
  static ends(s: Statement): boolean {
    return s.do === 'commit' || s.do === 'rollback' || s.do === 'rollback-to'
  }

  /** The error of analysing a statement: its tables have to be there. */
  analyse(s: Statement): string | undefined {
    if (s.do === 'whose') return this.#whose() === undefined ? '42P01' : undefined
    if (s.do === 'scratch') return this.state.temporary === undefined ? '42P01' : undefined
    return undefined
  }

  #whose(): string | undefined {
    for (const part of this.state.named('search_path').split(', ')) {
      if (part === 'public' || SCHEMAS.includes(part)) return part
      if (part === '"$user"' && HOUSED.has(this.state.user)) return this.state.user
    }
    return undefined
  }

  /** Runs a statement, `begin` having been called. */
  run(s: Statement): Outcome {
    if (this.failed && !Model.ends(s)) return failed('25P02')
    const { state } = this
    switch (s.do) {
      case 'set':
        return this.#set(s)
      case 'set-wrong':
        return failed(s.code)
      case 'reset':
        return this.#reset(s)
      case 'reset-all':
        if (!this.explicit) this.nameless = false
        SETTINGS.forEach((_, i) => {
          state.set(i, this.start[i]!, false)
        })
        return { tag: 'RESET' }
      case 'role':
        return this.#role(s.to, s.local, 'SET')
      case 'reset-role':
        return this.#role(this.start[ROLE]!, false, 'RESET')
      case 'authorize':
        state.set(AUTH, s.to ?? this.start[AUTH]!, s.local)
        state.set(ROLE, s.to === undefined ? this.start[ROLE]! : 'none', s.local)
        return { tag: 'SET' }
      case 'show':
        return { tag: 'SHOW', rows: [state.named(s.name)] }
      case 'settings':
        return one(s.names.map((name) => state.named(name)).join('|'))
      case 'isolation':
        return { tag: 'SHOW', rows: [this.#isolation] }
      case 'who':
        return one(`${state.user}|${state.get(AUTH)}`)
      case 'whose': {
        const whose = this.#whose()
        return whose === undefined ? failed('42P01') : one(whose)
      }
      case 'mine':
        return one(state.superuser ? ROLES.join(',') : state.user)
      case 'divide':
        return failed('22012')
      case 'syntax':
        return failed('42601')
      case 'offset':
        return one(OFFSETS[state.named('timezone')] ?? ANY_ROW)
      case 'day':
        return one(state.named('datestyle').endsWith('DMY') ? '2024-02-01' : '2024-01-02')
      case 'backslash':
        return one(this.#lexing === 'on' ? '4' : '3')
      case 'literal':
        return one(s.text)
      case 'tally':
        return { tag: 'INSERT 0 1', rows: [String(++state.tally)] }
      default:
        return this.#transact(s) ?? this.#keep(s) ?? failed('unknown')
    }
  }

  #set(s: Extract<Statement, { do: 'set' }>): Outcome {
    const { state } = this
    const index = INDEX.get(s.name)!
    if (SETTINGS[index]!.superuser === true && !state.superuser) return failed('42501')
    const value = s.name === 'datestyle' ? mergedDateStyle(state.get(index), s.to) : s.to
    state.set(index, value, s.local)
    return s.by === 'config' ? one(value) : { tag: 'SET' }
  }

  #reset(s: Extract<Statement, { do: 'reset' }>): Outcome {
    const index = INDEX.get(s.name)!
    if (SETTINGS[index]!.superuser === true && !this.state.superuser) return failed('42501')
    this.state.set(index, this.start[index]!, false)
    return { tag: s.by === 'reset' ? 'RESET' : 'SET' }
  }

  #role(to: string, local: boolean, tag: string): Outcome {
    const auth = this.state.get(AUTH)
    if (to !== 'none' && auth !== LOGIN && auth !== to) return failed('42501')
    this.state.set(ROLE, to, local)
    return { tag }
  }

  #transact(s: Statement): Outcome | undefined {
    switch (s.do) {
      case 'begin':
        this.explicit = true
        if (s.isolation !== undefined) this.#isolation = s.isolation
        return { tag: 'BEGIN' }
      case 'commit':
      case 'rollback': {
        if (s.chain && !this.explicit) return failed('25P01')
        const isolation = this.#isolation
        const commits = s.do === 'commit' && !this.failed
        if (commits) this.#commit()
        else this.#rollback()
        if (s.chain) {
          this.begin()
          this.explicit = true
          this.#isolation = isolation
        }
        return { tag: commits ? 'COMMIT' : 'ROLLBACK' }
      }
      case 'savepoint':
        if (!this.explicit) return failed('25P01')
        this.#saved.push({ name: s.name, state: this.state.copy() })
        return { tag: 'SAVEPOINT' }
      case 'rollback-to':
      case 'release': {
        if (!this.explicit) return failed('25P01')
        const at = this.#saved.findLastIndex(({ name }) => name === s.name)
        if (at < 0) return failed('3B001')
        if (s.do === 'release') {
          this.#saved.length = at
          for (const cursor of this.cursors.values()) cursor.depth = Math.min(cursor.depth, at)
          return { tag: 'RELEASE' }
        }
        this.#saved.length = at + 1
        this.state = this.#saved[at]!.state.copy()
        this.#dropCursors(at + 1)
        this.failed = false
        return { tag: 'ROLLBACK' }
      }
      default:
        return undefined
    }
  }

  /** What keeps a session on its server connection, and what ends that. */
  #keep(s: Statement): Outcome | undefined {
    const { state, cursors, locks } = this
    const { temporary } = state
    switch (s.do) {
      case 'temp':
        if (temporary !== undefined) return failed('42P07')
        state.temporary = { tag: s.tag, owner: state.user, dropped: s.dropped }
        return { tag: 'SELECT 1' }
      case 'scratch':
      case 'drop-temp':
        if (temporary === undefined) return failed('42P01')
        if (!this.mayRead) return failed('42501')
        if (s.do === 'scratch') return one(temporary.tag)
        state.temporary = undefined
        return { tag: 'DROP TABLE' }
      case 'discard-temp':
        state.temporary = undefined
        return { tag: 'DISCARD TEMP' }
      case 'discard-plans':
        return { tag: 'DISCARD PLANS' }
      case 'discard-sequences':
        this.ticket = undefined
        return { tag: 'DISCARD SEQUENCES' }
      case 'discard-all':
        if (this.explicit) return failed('25001')
        this.state = new State(this.start, [], state.tally)
        this.cursors.clear()
        this.locks.clear()
        this.named.clear()
        this.preparedSql = false
        this.nameless = false
        this.ticket = undefined
        return { tag: 'DISCARD ALL' }
      case 'declare':
        if (cursors.has(s.cursor)) return failed('42P03')
        cursors.set(s.cursor, { tag: s.tag, fetched: 0, depth: this.depth })
        return { tag: 'DECLARE CURSOR' }
      case 'fetch': {
        const cursor = cursors.get(s.cursor)
        if (cursor === undefined) return failed('34000')
        if (cursor.fetched >= CURSOR_ROWS) return { tag: 'FETCH 0', rows: [] }
        cursor.fetched++
        return { tag: 'FETCH 1', rows: [cursor.tag] }
      }
      case 'close':
        return cursors.delete(s.cursor) ? { tag: 'CLOSE CURSOR' } : failed('34000')
      case 'lock':
      case 'try-lock':
        locks.set(s.key, (locks.get(s.key) ?? 0) + 1)
        return one(s.do === 'lock' ? '' : 't')
      case 'unlock': {
        const held = locks.get(s.key) ?? 0
        if (held > 1) locks.set(s.key, held - 1)
        else locks.delete(s.key)
        return one(held > 0 ? 't' : 'f')
      }
      case 'unlock-all':
        locks.clear()
        return one('')
      case 'locks':
        return one(String(locks.size))
      case 'nextval':
        return one(TICKET_ROW)
      case 'currval':
      case 'lastval':
        return this.ticket === undefined ? NO_TICKET : one(this.ticket.value)
      default:
        return this.#prepare(s)
    }
  }

  /** Statements prepared by SQL. */
  #prepare(s: Statement): Outcome | undefined {
    const { named } = this
    switch (s.do) {
      case 'prepare': {
        const error = this.analyse(s.statement)
        if (error !== undefined) return failed(error)
        if (named.has(s.name)) return failed('42P05')
        named.set(s.name, { is: 'statement', statement: s.statement })
        this.preparedSql = true
        return { tag: 'PREPARE' }
      }
      case 'execute': {
        const found = named.get(s.name)
        if (found === undefined) return failed('26000')
        return found.is === 'statement' ? this.run(found.statement) : failed('42601')
      }
      case 'deallocate':
        return named.delete(s.name) ? { tag: 'DEALLOCATE' } : failed('26000')
      case 'deallocate-all':
        named.clear()
        this.preparedSql = false
        return { tag: 'DEALLOCATE ALL' }
      default:
        return undefined
    }
  }
}
