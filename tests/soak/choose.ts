/**
 * What a random client does next. Rule: errors are chosen on purpose as often as they teach something,
 * what keeps a server connection is let go of soon, and the same seed and model give the same choice.
 */
import { hasRows } from './expect.ts'
import type { Model } from './model.ts'
import { ROLE, ROLES, SETTINGS } from './settings-table.ts'
import type { Group, Message, Statement, Text } from './statements.ts'

export type Random = () => number

export interface Choosing {
  readonly random: Random
  /** Number of the client: its values, tags and keys are its own. */
  readonly from: number
  /** Different each time. */
  readonly next: () => number
  /** Statements that are also prepared by SQL. */
  readonly prepareSql: boolean
  readonly sequences: boolean
}

const NAMES = ['p0', 'p1', 'p2', 'p3']
const CURSORS = ['k0', 'k1']
const SAVEPOINTS = ['a', 'b']

type Weighted<T> = readonly (readonly [weight: number, make: () => T])[]

export class Choice {
  #o: Choosing
  #model: Model

  constructor(model: Model, options: Choosing) {
    this.#model = model
    this.#o = options
  }

  #below(n: number): number {
    return Math.floor(this.#o.random() * n)
  }

  #chance(p: number): boolean {
    return this.#o.random() < p
  }

  #of<T>(list: readonly T[]): T {
    return list[this.#below(list.length)]!
  }

  #weighted<T>(list: Weighted<T>): T {
    let at = this.#o.random() * list.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, make] of list) {
      at -= weight
      if (at < 0) return make()
    }
    return list[0]![1]()
  }

  group(): Group {
    return this.#weighted<Group>([
      [50, () => this.#simple()],
      [40, () => this.#batch()],
      [5, () => ({ how: 'pipeline', groups: this.#pipeline() })],
      [0.25, () => this.#leave()],
    ])
  }

  #pipeline(): Group[] {
    return Array.from({ length: 2 + this.#below(3) }, () =>
      this.#chance(0.5) ? this.#simple(true) : this.#batch(true),
    )
  }

  #leave(): Group {
    const sending = this.#chance(0.7)
      ? this.#chance(0.5)
        ? this.#simple()
        : this.#batch()
      : undefined
    return {
      how: 'leave',
      politely: this.#chance(0.3),
      cut: this.#chance(0.3) ? this.#o.random() : 1,
      ...(sending === undefined ? {} : { sending }),
    }
  }

  #simple(shared = false): Group {
    const lone = !this.#chance(0.1)
    if (lone) return { how: 'simple', statements: [this.#statement(!shared)] }
    const statements = Array.from({ length: 2 + this.#below(3) }, () => this.#statement(false))
    return { how: 'simple', statements }
  }

  /** `alone`: the only one of its query. */
  #statement(alone: boolean): Statement {
    const model = this.#model
    if (model.status === 'E' && this.#chance(0.7)) return this.#transaction()
    if (model.status === 'T' && this.#chance(0.12)) return this.#transaction()
    if (model.holding && this.#chance(0.12)) return this.#letGo(alone)
    return this.#weighted<Statement>([
      [30, () => this.#look()],
      [14, () => this.#set()],
      [3, () => this.#reset()],
      [3, () => this.#actAs()],
      [6, () => this.#transaction()],
      [2, () => this.#wrong()],
      [3, () => this.#own()],
      [alone ? 0.7 : 0, () => this.#discard()],
      [alone && this.#o.sequences ? 2 : 0, () => this.#sequence()],
      [this.#o.prepareSql ? 3 : 0, () => this.#prepareSql()],
    ])
  }

  #look(): Statement {
    return this.#weighted<Statement>([
      [
        8,
        () => ({
          do: 'show',
          name: this.#of(SETTINGS.filter(({ custom }) => custom !== true)).name,
        }),
      ],
      [6, () => ({ do: 'settings', names: SETTINGS.map(({ name }) => name) })],
      [6, () => ({ do: 'settings', names: [this.#of(SETTINGS).name, this.#of(SETTINGS).name] })],
      [4, () => ({ do: 'who' })],
      [8, () => ({ do: 'whose' })],
      [3, () => ({ do: 'mine' })],
      [2, () => ({ do: 'offset' })],
      [2, () => ({ do: 'literal', text: `l${this.#below(30)}` })],
      [1, () => ({ do: 'isolation' })],
      [1, () => ({ do: 'day' })],
      [1, () => ({ do: 'backslash' })],
      [2, () => ({ do: 'tally', key: this.#o.from })],
      [1, () => ({ do: 'scratch' })],
      [0.5, () => ({ do: 'locks' })],
      [0.5, () => ({ do: 'fetch', cursor: this.#of(CURSORS) })],
    ])
  }

  #set(): Statement {
    const { name, values } = this.#of(SETTINGS)
    const { from, next } = this.#o
    const to = typeof values === 'function' ? values(from, next()) : this.#of(values)
    const local = this.#chance(0.3)
    const by = this.#weighted<'set' | 'session' | 'config' | 'zone'>([
      [5, () => (name === 'timezone' ? 'zone' : 'set')],
      [1, () => (local ? 'set' : 'session')],
      [3, () => 'config'],
    ])
    return { do: 'set', name, to, local, by }
  }

  #reset(): Statement {
    if (this.#chance(0.25)) return { do: 'reset-all' }
    const { name } = this.#of(SETTINGS)
    if (this.#chance(0.5)) return { do: 'reset', name, by: 'reset' }
    return { do: 'reset', name, by: name === 'timezone' ? 'zone' : 'default' }
  }

  #actAs(): Statement {
    const local = this.#chance(0.2)
    const startRole = this.#model.start[ROLE] !== 'none'
    return this.#weighted<Statement>([
      [5, () => ({ do: 'role', to: this.#of(ROLES), local })],
      [2, () => ({ do: 'role', to: 'none', local })],
      [2, () => ({ do: 'reset-role' })],
      // RESET ROLE then gives back what the new user could never have set.
      [startRole ? 0 : 0.6, () => ({ do: 'authorize', to: this.#of(ROLES), local })],
      [1.5, () => ({ do: 'authorize', to: undefined, local: false })],
    ])
  }

  #transaction(): Statement {
    const { status, depth, savepoints } = this.#model
    const savepoint = (): string =>
      savepoints.length > 0 && !this.#chance(0.05) ? this.#of(savepoints) : this.#of(SAVEPOINTS)
    const chain = status !== 'I' && this.#chance(0.1)
    const deep = depth > 0 ? 6 : 0.2
    if (status === 'I' && this.#chance(0.95)) return { do: 'begin' }
    return this.#weighted<Statement>([
      [4, () => ({ do: 'commit', chain })],
      [4, () => ({ do: 'rollback', chain })],
      [status === 'T' ? 6 - depth : 0.2, () => ({ do: 'savepoint', name: this.#of(SAVEPOINTS) })],
      [deep, () => ({ do: 'rollback-to', name: savepoint() })],
      [status === 'E' ? 0.2 : deep / 2, () => ({ do: 'release', name: savepoint() })],
    ])
  }

  #wrong(): Statement {
    return this.#weighted<Statement>([
      [3, () => ({ do: 'divide' })],
      [1, () => ({ do: 'syntax' })],
      [1, () => ({ do: 'set-wrong', sql: `set work_mem = 'much'`, code: '22023' })],
      [1, () => ({ do: 'set-wrong', sql: 'set nonsense = 1', code: '42704' })],
      [
        1,
        () => ({
          do: 'set-wrong',
          sql: `select set_config('timezone', 'Mars/Up', false)`,
          code: '22023',
        }),
      ],
      [1, () => ({ do: 'set-wrong', sql: 'set role nobody_at_all', code: '22023' })],
    ])
  }

  #key(): number {
    return this.#o.from * 10 + this.#below(3)
  }

  /** What only this server connection can have. */
  #own(): Statement {
    const { from, next } = this.#o
    const dropped = this.#model.status === 'T' && this.#chance(0.4)
    return this.#weighted<Statement>([
      [3, () => ({ do: 'temp', tag: `m${from}-${next()}`, dropped })],
      [2, () => ({ do: 'declare', cursor: this.#of(CURSORS), tag: `k${from}-${next()}` })],
      [2, () => ({ do: 'lock', key: this.#key() })],
      [1, () => ({ do: 'try-lock', key: this.#key() })],
      [0.5, () => ({ do: 'unlock', key: this.#key() })],
    ])
  }

  #letGo(alone: boolean): Statement {
    const { state, cursors, locks, preparedSql, nameless } = this.#model
    const [cursor] = cursors.keys()
    const [key] = locks.keys()
    return this.#weighted<Statement>([
      [0.05, () => ({ do: 'unlock-all' })],
      [state.temporary ? 3 : 0, () => ({ do: 'drop-temp' })],
      [state.temporary ? 1 : 0, () => ({ do: 'discard-temp' })],
      [cursor === undefined ? 0 : 3, () => ({ do: 'close', cursor: cursor! })],
      [key === undefined ? 0 : 3, () => ({ do: 'unlock', key: key! })],
      [key === undefined ? 0 : 1, () => ({ do: 'unlock-all' })],
      [nameless ? 3 : 0, () => ({ do: 'reset-all' })],
      [preparedSql ? 2 : 0, () => ({ do: 'deallocate-all' })],
      [alone ? 1 : 0, () => ({ do: 'discard-all' })],
    ])
  }

  #discard(): Statement {
    return this.#weighted<Statement>([
      [3, () => ({ do: 'discard-all' })],
      [1, () => ({ do: 'discard-temp' })],
      [1, () => ({ do: 'discard-plans' })],
    ])
  }

  #sequence(): Statement {
    return this.#weighted<Statement>([
      [3, () => ({ do: 'nextval' })],
      [2, () => ({ do: 'currval' })],
      [1, () => ({ do: 'lastval' })],
      [1, () => ({ do: 'discard-sequences' })],
    ])
  }

  #prepareSql(): Statement {
    const name = this.#of(NAMES)
    return this.#weighted<Statement>([
      [2, () => ({ do: 'prepare', name, statement: this.#reading() })],
      [4, () => ({ do: 'execute', name })],
      [1, () => ({ do: 'deallocate', name })],
      [0.2, () => ({ do: 'deallocate-all' })],
    ])
  }

  #reading(): Statement {
    return this.#weighted<Statement>([
      [3, () => ({ do: 'whose' })],
      [1, () => ({ do: 'who' })],
      [1, () => ({ do: 'mine' })],
      [1, () => ({ do: 'offset' })],
      [2, () => ({ do: 'literal', text: `l${this.#below(30)}` })],
      [1, () => ({ do: 'settings', names: [this.#of(SETTINGS).name] })],
    ])
  }

  #batch(shared = false): Group {
    const messages: Message[] = []
    const runs = this.#chance(0.75) ? 1 : 2 + this.#below(3)
    for (let i = 0; i < runs; i++) {
      if (this.#chance(0.45) && this.#nameable(shared)) this.#named(messages, shared)
      else this.#unnamed(messages, runs === 1 && !shared)
      if (this.#chance(0.03)) messages.push({ send: 'flush' })
    }
    return { how: 'batch', messages }
  }

  #unnamed(messages: Message[], alone: boolean): void {
    const again = this.#chance(0.05)
    const text: Text = { is: 'statement', statement: this.#statement(alone) }
    if (!again) messages.push({ send: 'parse', name: '', text })
    // What was parsed before may depend on the settings it was parsed under.
    else
      messages.push({
        send: 'parse',
        name: '',
        text: { is: 'statement', statement: { do: 'who' } },
      })
    const { do: what } = text.statement
    const described = this.#chance(0.5) && what !== 'fetch' && what !== 'execute'
    messages.push({ send: 'run', name: '', described, values: [] })
    if (again) messages.push({ send: 'run', name: '', described: false, values: [] })
  }

  /** In a pipeline nobody knows yet what an error ahead will have kept from being prepared. */
  #nameable(shared: boolean): boolean {
    return !shared || this.#model.named.size > 0
  }

  #named(messages: Message[], shared: boolean): void {
    const { named } = this.#model
    const name = this.#of(shared ? [...named.keys()] : NAMES)
    const parsed = messages.findLast((m) => m.send === 'parse' && m.name === name)
    const known = parsed?.send === 'parse' ? parsed.text : named.get(name)
    let text = known
    if (known !== undefined && !shared && this.#chance(0.06)) {
      messages.push({ send: 'close', name })
      text = undefined
    }
    if (!shared && ((text === undefined && !this.#chance(0.02)) || this.#chance(0.01))) {
      text = this.#text()
      messages.push({ send: 'parse', name, text })
    }
    // In a transaction that has failed nothing can be prepared on another server connection.
    const rows = text?.is !== 'statement' || hasRows(text.statement)
    if (rows && this.#chance(0.05)) messages.push({ send: 'describe', name })
    // The text may have been refused, or another one taken for it: any values will do.
    const values = known !== undefined && text !== known ? undefined : text
    messages.push({
      send: 'run',
      name,
      described: this.#chance(0.4),
      values: this.#values(values ?? text),
    })
  }

  #text(): Text {
    // EXECUTE can run what PREPARE refuses: a RESET that nobody sees, a BEGIN that no server survives.
    const utilities = this.#o.prepareSql ? 0 : 1
    return this.#weighted<Text>([
      [6, () => ({ is: 'statement', statement: this.#reading() })],
      [2 * utilities, () => ({ is: 'statement', statement: this.#set() })],
      [0.5 * utilities, () => ({ is: 'statement', statement: this.#transaction() })],
      [0.5 * utilities, () => ({ is: 'statement', statement: this.#reset() })],
      [utilities, () => ({ is: 'statement', statement: this.#actAs() })],
      [1, () => ({ is: 'set-config' })],
      [1, () => ({ is: 'current-setting' })],
    ])
  }

  #values(text: Text | undefined): string[] {
    if (text === undefined || text.is === 'statement') return []
    if (text.is === 'current-setting') return [this.#of(SETTINGS).name]
    const s = this.#set()
    return s.do === 'set' ? [s.name, s.to, String(s.local)] : []
  }
}
