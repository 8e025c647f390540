/**
 * What the configuration says of single users: how they prove who they are, and how many of them there
 * may be. Rule: whoever is not named gets the general rule, known to us or not, so that the rule tells
 * nothing about who exists.
 */

/** Whether tokens are asked for: never, besides a password, or instead of one. */
export type IamAuth = 'disabled' | 'enabled' | 'required'

/** @typeParam M the words for methods */
export interface UserRule<M extends string> {
  readonly iamAuth: IamAuth
  /** In the order they are offered; not asked for where `iamAuth` is `required`. */
  readonly methods: readonly M[]
  /** Clients of this user at once; undefined: the general limit. */
  readonly maxClients: number | undefined
}

/** A rule as it is written: what it leaves out is as for everybody. */
export interface NamedRule<M extends string> {
  readonly name: string
  readonly iamAuth?: IamAuth | undefined
  readonly methods?: readonly M[] | undefined
  readonly maxClients?: number | undefined
}

export class UserRules<M extends string> {
  #general: UserRule<M>
  #named = new Map<string, UserRule<M>>()

  constructor(general: UserRule<M>, named: readonly NamedRule<M>[]) {
    this.#general = general
    this.replace(general, named)
  }

  /** Takes these in place of all before; of two with one name the later holds. */
  replace(general: UserRule<M>, named: readonly NamedRule<M>[]): void {
    this.#general = general
    this.#named = new Map(
      named.map(({ name, iamAuth, methods, maxClients }) => [
        name,
        {
          iamAuth: iamAuth ?? general.iamAuth,
          methods: methods ?? general.methods,
          maxClients: maxClients ?? general.maxClients,
        },
      ]),
    )
  }

  of(user: string): UserRule<M> {
    return this.#named.get(user) ?? this.#general
  }
}
