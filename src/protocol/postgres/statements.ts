/**
 * Protocol-level prepared statements, one object per distinct text and parameter types. Clients keep
 * their own names for them, server connections keep ours. Rule: our names carry a prefix no client
 * uses by accident, and a name is never given to two texts.
 */
import type { RideCost } from '../ride.ts'
import { type Classification, classify } from './sql/classify.ts'

/** Server-side names are this and a number. */
export const NAME_PREFIX = 'weir:'

export interface Statement {
  /** Its name on server connections. */
  readonly serverName: string
  readonly text: Buffer
  /** Parameter types as in the Parse message: Int16 count, Int32 each. */
  readonly types: Buffer
  readonly classification: Classification
  /** Others of the same realm use it too. */
  readonly shared: boolean
  /** Epoch of `Shapes` at which a server has last accepted it; -1 for never. */
  provenAt: number
  /** What it has cost on shared server connections, or that it never rides there; see `client-ride.ts`. */
  rides?: RideCost | 'never'
  /** Its text was not kept: it cannot be brought to another server connection. */
  readonly opaque?: true
  /** Prepared by SQL: `text` is what stands behind the name, `classification` is of this body. */
  readonly body?: Buffer
}

/** A text that names another statement, as the client wrote it. */
export interface Face {
  readonly text: Buffer
  readonly types: Buffer
}

/** The PREPARE that makes a statement prepared by SQL. */
export function prepareSql({ serverName, text }: Statement): Buffer {
  return Buffer.concat([Buffer.from(`PREPARE "${serverName}"`), text])
}

/**
 * Counts the times that tables changed: a command said so, or a server found that a statement no
 * longer returns what it returned when it was prepared. Whatever was prepared before, on whichever
 * server connection, is prepared again before its next use, because a client that prepares a text
 * anew must not meet the old plan of another.
 */
export interface Shapes {
  epoch: number
}

const NOTHING = Buffer.alloc(0)
const NO_TYPES = Buffer.alloc(2)
/** Stands for the types of a statement prepared by SQL, which its text tells. */
const SQL = Buffer.from('SQL')

/** Special date and time literals, resolved when a text is parsed (datetime.c, datetktbl). */
const MOMENT = /'\s*(now|today|tomorrow|yesterday)\b/i
/** Longer texts are not shared between clients: looking them up costs more than it saves. */
const SHARED_TEXT_BYTES = 16_384

export class Statements {
  /** Shared with the books of all server connections. */
  readonly shapes: Shapes = { epoch: 0 }
  #byText = new Map<string, Statement>()
  #next = 1
  #limit: number
  /** Stands where a name has to be taken, whatever by: an empty text is accepted in every state. */
  readonly standIn: Statement = this.#called('taken', '')
  /** Does nothing, and fails where any command would: in a failed transaction. */
  readonly idle: Statement = this.#called('idle', 'UNLISTEN "weir"')

  /** `limit`: how many distinct statements are remembered at once. */
  constructor(limit = 5_000) {
    this.#limit = limit
  }

  get size(): number {
    return this.#byText.size
  }

  /**
   * The statement of this text and these types in this realm: the server reads literals while it
   * parses, so under other settings the same text is another statement. Both are copied; the
   * arguments may be reused.
   */
  intern(text: Buffer, types: Buffer, realm: string): Statement {
    if (text.length > SHARED_TEXT_BYTES) return this.#make(text, types, false)
    const key = keyOf(text, types, realm)
    return this.#byText.get(key) ?? this.#remember(key, this.#make(text, types, !isMoment(text)))
  }

  /**
   * As `intern`, of a statement prepared by SQL.
   *
   * @param tail what stands behind its name: types in parentheses, AS and the body
   * @param body where in `tail` the body begins
   */
  internSql(tail: Buffer, body: number, realm: string): Statement {
    if (tail.length > SHARED_TEXT_BYTES) return this.ownSql(tail, body, false)
    const key = keyOf(tail, SQL, realm)
    return this.#byText.get(key) ?? this.#remember(key, this.ownSql(tail, body, !isMoment(tail)))
  }

  ownSql(tail: Buffer, body: number, shared = false): Statement {
    const made = this.#make(tail, NO_TYPES, shared)
    const own = made.text.subarray(body)
    return { ...made, classification: classify(own), body: own }
  }

  /** The same text and types in another realm. */
  again(statement: Statement, realm: string): Statement {
    const { text, types, body } = statement
    if (body === undefined) return this.intern(text, types, realm)
    const key = keyOf(text, SQL, realm)
    return this.#byText.get(key) ?? this.#remember(key, { ...this.twin(statement), shared: true })
  }

  /** The same for one client alone. */
  twin(statement: Statement): Statement {
    const serverName = `${NAME_PREFIX}${this.#next++}`
    return { ...statement, serverName, shared: false, provenAt: -1 }
  }

  #remember(key: string, made: Statement): Statement {
    // A literal that means the moment of its Parse: so each Parse has to be its own.
    if (!made.shared) return made
    if (this.#byText.size >= this.#limit) {
      // Oldest first. Whoever holds a forgotten statement goes on using it; a new client of the
      // same text gets a new name, which costs one more Parse and nothing else.
      const oldest = this.#byText.keys().next()
      if (!oldest.done) this.#byText.delete(oldest.value)
    }
    this.#byText.set(key, made)
    return made
  }

  /** The statement of this text and these types in this realm if it is remembered. */
  find(text: Buffer, types: Buffer, realm: string): Statement | undefined {
    if (text.length > SHARED_TEXT_BYTES) return undefined
    return this.#byText.get(keyOf(text, types, realm))
  }

  /** A statement for one client alone, whose settings are its own by now. */
  own(text: Buffer, types: Buffer): Statement {
    return this.#make(text, types, false)
  }

  /** Stands for a statement too long to keep, which its server alone knows, under `name`. */
  opaque(name: string): Statement {
    return { ...this.#make(NOTHING, NOTHING, false), serverName: name, opaque: true }
  }

  #called(name: string, text: string): Statement {
    const bytes = Buffer.from(text)
    const classification = classify(NOTHING)
    const serverName = NAME_PREFIX + name
    return { serverName, text: bytes, types: NO_TYPES, classification, shared: false, provenAt: -1 }
  }

  #make(text: Buffer, types: Buffer, shared: boolean): Statement {
    const ownText = Buffer.from(text)
    return {
      serverName: `${NAME_PREFIX}${this.#next++}`,
      text: ownText,
      types: Buffer.from(types),
      classification: classify(ownText),
      shared,
      provenAt: -1,
    }
  }
}

function isMoment(text: Buffer): boolean {
  return MOMENT.test(text.toString('latin1'))
}

function keyOf(text: Buffer, types: Buffer, realm: string): string {
  return `${realm}\0${types.toString('latin1')}\0${text.toString('latin1')}`
}

/**
 * Whether a server connection has a statement. `asked`: the client at hand has asked for it in an
 * earlier batch and has no answer yet; whatever comes of that comes of its use.
 */
export type Presence = 'ready' | 'absent' | 'unsure' | 'asked'

const CONFIRMED = -1
const UNSURE = -2

/** The statements prepared on one server connection, least recently used first when it is full. */
export class PreparedBook {
  /**
   * By statement: `CONFIRMED`, the batch in which its Parse was sent and not answered yet, or
   * `UNSURE` when an error left open whether the server has it.
   */
  #held = new Map<Statement, number>()
  /** Closed to make room, and the server has not said yet that it is gone. */
  #leaving = new Set<Statement>()
  /** Those whose Parse under way is the client's own. */
  #asked = new Set<Statement>()
  /** How the results of those look that were described here since they were parsed. */
  #looks = new Map<Statement, string>()
  #limit: number
  #shapes: Shapes
  /** Everything held was prepared at this epoch of `#shapes`, or is unsure. */
  #epoch: number
  /** What the server's unnamed statement is; undefined when it has none. */
  unnamed: Statement | 'unknown' | undefined
  /** The batch in which we made it so, ahead of what the client sent; -1 when the client did. */
  unnamedFrom = -1

  constructor(limit: number, shapes: Shapes = { epoch: 0 }) {
    this.#limit = limit
    this.#shapes = shapes
    this.#epoch = shapes.epoch
  }

  get size(): number {
    return this.#held.size
  }

  /**
   * `unsure`: nobody knows whether it is there; its Parse may be under way in an earlier batch,
   * which can fail without this one failing too. Marks the statement as used.
   */
  use(statement: Statement, batch: number): Presence {
    if (this.#epoch !== this.#shapes.epoch) this.#doubtAll()
    const state = this.#held.get(statement)
    if (state === undefined) return this.#leaving.has(statement) ? 'unsure' : 'absent'
    if (this.#held.size >= this.#limit) {
      this.#held.delete(statement)
      this.#held.set(statement, state)
    }
    if (state === CONFIRMED || state === batch) return 'ready'
    return state >= 0 && this.#asked.has(statement) ? 'asked' : 'unsure'
  }

  /** The shape of its results as described here; undefined when that is not known. */
  look(statement: Statement): string | undefined {
    return this.#looks.get(statement)
  }

  looked(statement: Statement, shape: string): void {
    if (this.#held.has(statement)) this.#looks.set(statement, shape)
  }

  /** Results of statements may have changed their types. */
  outdated(): void {
    this.#shapes.epoch++
  }

  #doubtAll(): void {
    this.#epoch = this.#shapes.epoch
    for (const [statement, state] of this.#held) {
      if (state === CONFIRMED) this.#held.set(statement, UNSURE)
    }
  }

  /** Books a Parse sent in `batch`. */
  add(statement: Statement, batch: number): void {
    this.#held.set(statement, batch)
    this.#looks.delete(statement)
    this.#leaving.delete(statement)
    this.#asked.delete(statement)
  }

  /** The Parse just booked is one the client itself sent. */
  asked(statement: Statement): void {
    this.#asked.add(statement)
  }

  /** A statement to close because there are more than the limit; `but` stays. */
  evict(but: Statement): Statement | undefined {
    if (this.#held.size <= this.#limit) return undefined
    for (const [oldest, state] of this.#held) {
      if (oldest === but || state >= 0) continue
      this.dropped(oldest)
      this.#leaving.add(oldest)
      return oldest
    }
    return undefined
  }

  /** The Parse sent in `batch` was answered; a later one still under way has the last word. */
  confirm(statement: Statement, batch: number): void {
    const state = this.#held.get(statement) ?? UNSURE
    if (state < 0 || state === batch) {
      this.#held.set(statement, CONFIRMED)
      this.#asked.delete(statement)
    }
    statement.provenAt = this.#epoch
  }

  /** The Parse sent in `batch` never took effect. `before`: how it stood until then. */
  undo(statement: Statement, batch: number, before: Presence): void {
    if (this.#held.get(statement) !== batch) return
    this.#asked.delete(statement)
    if (before === 'absent') this.#held.delete(statement)
    else this.#held.set(statement, UNSURE)
  }

  /** Somebody else's text may lie under its name. */
  doubt(statement: Statement): void {
    this.#held.set(statement, UNSURE)
  }

  /** A DEALLOCATE of the client took it away. */
  dropped(statement: Statement): void {
    this.#held.delete(statement)
    this.#looks.delete(statement)
  }

  /** The Close that made room was carried out. */
  closed(statement: Statement): void {
    this.#leaving.delete(statement)
  }

  /** The Close that made room was skipped. */
  kept(statement: Statement): void {
    if (this.#leaving.delete(statement)) this.#held.set(statement, UNSURE)
  }

  /** The server has dropped all it knew; what is under way was sent behind that. */
  clear(): void {
    for (const [statement, state] of this.#held) if (state < 0) this.dropped(statement)
  }
}
