/**
 * What a session of Postgres has that transactions undo: settings, a temporary table. Rule: as in
 * guc.c, a setting has a value of the session and perhaps one of the transaction that hides it; a
 * savepoint keeps a copy, and going back to it puts the copy back.
 */
import { AUTH, INDEX, LOGIN, ROLE, SETTINGS } from './settings-table.ts'

export interface Temporary {
  readonly tag: string
  readonly owner: string
  readonly dropped: boolean
}

export class State {
  session: string[]
  local: (string | undefined)[]
  temporary: Temporary | undefined
  /** Its row in the table that everybody writes to. */
  tally: number

  constructor(session: readonly string[], local: readonly (string | undefined)[] = [], tally = 0) {
    this.tally = tally
    this.session = [...session]
    this.local = [...local]
  }

  copy(): State {
    const copy = new State(this.session, this.local, this.tally)
    copy.temporary = this.temporary
    return copy
  }

  get(index: number): string {
    return this.local[index] ?? this.session[index]!
  }

  named(name: string): string {
    return this.get(INDEX.get(name)!)
  }

  set(index: number, value: string, local: boolean): void {
    if (local) {
      this.local[index] = value
      return
    }
    this.session[index] = value
    this.local[index] = undefined
  }

  commit(): void {
    this.local.length = 0
    if (this.temporary?.dropped) this.temporary = undefined
  }

  get user(): string {
    const role = this.get(ROLE)
    return role === 'none' ? this.get(AUTH) : role
  }

  get superuser(): boolean {
    return this.user === LOGIN
  }

  /** In the order of `REPORTED`. */
  reports(): string[] {
    const values: string[] = []
    SETTINGS.forEach(({ reported }, i) => {
      if (reported !== undefined) values.push(this.get(i))
    })
    values.push(this.get(AUTH), this.superuser ? 'on' : 'off')
    return values
  }
}

/** `DateStyle` takes a style, an order of day and month, or both; the other one stays. */
export function mergedDateStyle(before: string, given: string): string {
  const [style, order] = before.split(', ') as [string, string]
  const words = given.split(', ')
  if (words.length === 2) return given
  return words[0] === 'DMY' || words[0] === 'MDY'
    ? `${style}, ${words[0]}`
    : `${words[0]}, ${order}`
}
