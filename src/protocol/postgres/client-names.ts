/**
 * What one client calls its prepared statements, and which statement of ours stands for each on the
 * server connection at hand. Rule: a statement shared between clients is used only by those to whom
 * its text means the same; whoever's settings are in doubt parses for itself alone.
 */
import type { ErrorFields } from '../../wire/postgres/error-fields.ts'
import type { Undo } from './ledger.ts'
import type { PostgresServerConversation } from './server-conversation.ts'
import type { Face, Presence, Statement, Statements } from './statements.ts'

/** What stands for a face on one server connection now. */
export interface Mask {
  /** To be parsed and bound; absent or not. */
  readonly statement: Statement
  /** How errors of its text are told. */
  readonly retell?: (fields: ErrorFields) => Buffer | undefined
  /** Books what its Execute changes; returns how that is undone and told. */
  readonly executed?: (server: PostgresServerConversation) => Undo
}

/** Goes into the ledger as it is, so that an error can be told in the client's own words. */
export interface Named {
  readonly statement: Statement
  readonly clientName: string
  /** The realm in which `statement` is shared; undefined when it is this client's own. */
  readonly realm: string | undefined
  /** What the client asked for, where something else was prepared for it. */
  readonly face?: Face | undefined
  /** Prepared by SQL: how many characters of the client's text lie before the end of its name. */
  readonly nameEnd?: number
  /** What that is, as it was when its Parse was sent. */
  readonly mask?: Mask | undefined
  /** Its Parse was sent and has not been answered. */
  pending?: boolean
  /** Its Parse turned out to have failed: the client has no such name. */
  gone?: true
  /** It was taken already when this one was sent, and the outcome is not known yet. */
  over?: Named | undefined
  /** What it is now, since a Parse of a name that seemed to be taken was accepted. */
  became?: Named
  /** The shape of its results that the client was told last. */
  told?: string
  /** Stands in for a shared `statement` where that is not to be parsed. */
  twin?: Statement
}

/** What has become of it: undefined when its Parse failed. */
export function outcomeOf(named: Named): Named | undefined {
  if (named.became !== undefined) return outcomeOf(named.became)
  if (named.over !== undefined) return outcomeOf(named.over)
  return named.gone ? undefined : named
}

const NOBODY: readonly Named[] = []

/** Whether settings may differ from those that a client is known to have. */
export function inDoubt(server: PostgresServerConversation): boolean {
  return server.dirty || server.coloured
}

export class ClientNames {
  readonly statements: Statements
  /** Made when first needed: most clients prepare nothing by name. */
  #byName: Map<string, Named> | undefined
  #realm: string
  /** Of the statement that `pick` returned last. */
  presence: Presence = 'absent'

  /** `realm`: equal for clients to whom a text means the same (database, user, settings). */
  constructor(statements: Statements, realm: string) {
    this.statements = statements
    this.#realm = realm
  }

  get size(): number {
    return this.#byName?.size ?? 0
  }

  get realm(): string {
    return this.#realm
  }

  /** The same string for the same realm, so that comparing them costs nothing. */
  set realm(realm: string) {
    if (realm !== this.#realm) this.#realm = realm
  }

  values(): Iterable<Named> {
    return this.#byName?.values() ?? NOBODY
  }

  get(name: string): Named | undefined {
    return this.#byName?.get(name)
  }

  has(name: string): boolean {
    return this.#byName?.has(name) === true
  }

  set(name: string, named: Named): void {
    this.#byName ??= new Map()
    this.#byName.set(name, named)
  }

  delete(name: string): void {
    this.#byName?.delete(name)
  }

  /** The statement of a text for `server`: shared, unless settings are in doubt there. */
  intern(server: PostgresServerConversation, text: Buffer, types: Buffer): Statement {
    if (inDoubt(server)) return this.statements.own(text, types)
    return this.statements.intern(text, types, this.#realm)
  }

  /** A book entry for `statement`, which was made now. */
  entry(clientName: string, statement: Statement): Named {
    return { statement, clientName, realm: statement.shared ? this.#realm : undefined }
  }

  /** As `get`, looked up again in the realm of now unless settings are in doubt. */
  current(server: PostgresServerConversation, name: string): Named | undefined {
    const named = this.#byName?.get(name)
    if (named === undefined) return undefined
    const { realm } = named
    if (realm === undefined || realm === this.#realm || inDoubt(server)) return named
    const { statement } = named
    const again = this.entry(name, this.statements.again(statement, this.#realm))
    const renewed: Named = { ...named, ...again }
    this.set(name, renewed)
    return renewed
  }

  /** What to use for `named` on `server`; `presence` says whether it is there. */
  pick(server: PostgresServerConversation, named: Named): Statement {
    const { prepared, ledger } = server
    const { batch } = ledger
    const { statement } = named
    const presence = prepared.use(statement, batch)
    this.presence = presence
    if (presence === 'ready') return statement
    if (presence === 'asked') {
      if (named.pending === true) {
        this.presence = 'ready'
        return statement
      }
    } else if (named.realm === undefined || !inDoubt(server)) return statement
    // Somebody's Parse of it is under way and may fail, or it would be parsed under other settings.
    named.twin ??= this.statements.twin(statement)
    this.presence = prepared.use(named.twin, batch)
    return named.twin
  }

  /**
   * A PREPARE or Parse of `own` goes out under the server's name of `taken`, whose own may be under
   * way and fail (`open`): then this one is accepted. Returns what to do when it is, and when it is not.
   */
  contest(
    { prepared, ledger }: PostgresServerConversation,
    taken: Named,
    own: Statement,
    open = true,
  ): { readonly accept: () => void; readonly restore: () => void } {
    const { statement, clientName } = taken
    const { batch } = ledger
    const contested: Named = { ...taken, over: taken }
    this.set(clientName, contested)
    if (open) {
      prepared.add(statement, batch)
      prepared.asked(statement)
    }
    const put = (named: Named | undefined): void => {
      if (this.get(clientName) !== contested) return
      if (named === undefined) this.delete(clientName)
      else this.set(clientName, named)
    }
    return {
      accept: () => {
        prepared.doubt(statement)
        contested.became = this.entry(clientName, own)
        put(contested.became)
      },
      restore: () => {
        if (open) prepared.undo(statement, batch, 'unsure')
        put(outcomeOf(taken))
      },
    }
  }

  /** All names are taken away; returns how to put them back. */
  clear(): () => void {
    const before = this.#byName
    this.#byName = undefined
    return () => {
      for (const [name, named] of before ?? []) {
        const outcome = outcomeOf(named)
        if (outcome !== undefined && !this.has(name)) this.set(name, outcome)
      }
    }
  }

  /** The server has said that all are gone which it knew at that time. */
  deallocated(): void {
    for (const [name, { pending }] of this.#byName ?? []) if (!pending) this.delete(name)
  }
}
