/**
 * Finds the request of a client that may ride on a shared server connection: one plain Query, or one
 * batch `[Parse] Bind [Describe] Execute Sync` of a statement that provably only reads. Rule: what is
 * not recognised in one look, whole in one read, takes the ordinary way.
 */
import type { WeirError } from '../../core/errors.ts'
import { readyForQuery } from '../../wire/postgres/backend.ts'
import { FRONTEND, HEADER } from '../../wire/postgres/codes.ts'
import { ProtocolError } from '../../wire/postgres/protocol-error.ts'
import { readParse } from '../../wire/postgres/read.ts'
import type { RideLoss, RideSource } from '../ride.ts'
import type { Desk } from './desk.ts'
import { answerLost } from './lost-errors.ts'
import { errorBytesOf } from './refusal.ts'
import { PostgresRide } from './ride.ts'
import { RideBytes } from './ride-bytes.ts'
import { mayRide, type RideCosts, unknownCost } from './ride-costs.ts'
import type { Statement } from './statements.ts'

const NOTHING = Buffer.alloc(0)
/** Longer requests do not ride: they are no small ones. */
const MOST_BYTES = 8_192
const DESCRIBE_PORTAL_BYTES = 7
const EXECUTE_ALL_BYTES = 10
const SYNC_BYTES = 5
const PORTAL = 0x50 // P

/** Of one client. */
export class ClientRides implements RideSource {
  #desk: Desk
  #costs: RideCosts
  #bytes = new RideBytes()
  #last: PostgresRide | undefined

  #rests: () => boolean

  /** `rests`: nothing is going on in the session, and nothing distinguishes it that has to be watched. */
  constructor(desk: Desk, costs: RideCosts, rests: () => boolean) {
    this.#desk = desk
    this.#costs = costs
    this.#rests = rests
  }

  find(chunk: Buffer): PostgresRide | undefined {
    const ride = this.#rests() ? this.#find(chunk) : undefined
    this.#last = ride
    return ride
  }

  rode(): void {
    this.#desk.requests++
  }

  /** The request is read again, as if it had just arrived. */
  putBack(): void {
    if (this.#last !== undefined) this.#last.left = true
    this.#desk.in.unread(this.#bytes.request)
  }

  lost(error: WeirError, torn: boolean): RideLoss {
    if (!torn && !this.#last!.gave) {
      this.putBack()
      return { outcome: 'retried', bytes: NOTHING }
    }
    this.#desk.requests++
    if (torn) return { outcome: 'torn', bytes: NOTHING }
    const bytes = [errorBytesOf(answerLost(error), 'ERROR'), readyForQuery('I')]
    return { outcome: 'partial', bytes: Buffer.concat(bytes) }
  }

  #find(chunk: Buffer): PostgresRide | undefined {
    const { length } = chunk
    if (length <= HEADER || length > MOST_BYTES) return undefined
    const total = chunk.readUInt32BE(1) + 1
    switch (chunk[0]) {
      case FRONTEND.QUERY:
        return total === length && chunk[total - 1] === 0 ? this.#query(chunk) : undefined
      case FRONTEND.BIND:
        return this.#bind(chunk, 0, undefined)
      case FRONTEND.PARSE:
        // Named ones are prepared once; that is no ride.
        return total < length && chunk[HEADER] === 0 ? this.#parse(chunk, total) : undefined
    }
    return undefined
  }

  #query(chunk: Buffer): PostgresRide | undefined {
    const cost = this.#costs.find(chunk, HEADER, chunk.length - 1)
    if (cost === undefined) return undefined
    this.#bytes.keep(chunk)
    return new PostgresRide({
      bytes: this.#bytes,
      statements: this.#desk.statements,
      cost,
      kind: 'query',
    })
  }

  #parse(chunk: Buffer, total: number): PostgresRide | undefined {
    if (chunk[total] !== FRONTEND.BIND || chunk.length < total + HEADER) return undefined
    const read = readsWhole(chunk.subarray(HEADER, total))
    if (read === undefined) return undefined
    const { text, types } = read
    const { statements } = this.#desk
    const statement = statements.names.statements.intern(text, types, statements.names.realm)
    return this.#bind(chunk, total, statement)
  }

  /** The Bind at `at`, and what belongs behind it. `parsed`: by the same batch. */
  #bind(chunk: Buffer, at: number, parsed: Statement | undefined): PostgresRide | undefined {
    const { length } = chunk
    const bindEnd = at + 1 + chunk.readUInt32BE(at + 1)
    // The unnamed portal; then the name of the statement.
    if (bindEnd >= length || chunk[at + HEADER] !== 0) return undefined
    const describes = chunk[bindEnd] === FRONTEND.DESCRIBE
    if (!endsPlainly(chunk, describes ? bindEnd : -1, bindEnd)) return undefined
    const nameStart = at + HEADER + 1
    let nameEnd = nameStart
    while (nameEnd < bindEnd && chunk[nameEnd] !== 0) nameEnd++
    if (nameEnd >= bindEnd) return undefined
    const { statements } = this.#desk
    const name = statements.nameIn(chunk, nameStart, nameEnd)
    if ((name === '') !== (parsed !== undefined)) return undefined
    const statement = parsed ?? statements.plain(name)
    const cost = statement && costOf(statement)
    if (cost === undefined) return undefined
    this.#bytes.keep(chunk)
    return new PostgresRide({
      bytes: this.#bytes,
      statements,
      cost,
      kind: parsed === undefined ? 'named' : 'unnamed',
      statement,
      name,
      nameEnd,
      describes,
    })
  }
}

/** The Parse with this body, unless it is malformed: then the ordinary way says so. */
function readsWhole(body: Buffer): ReturnType<typeof readParse> | undefined {
  try {
    return readParse(body)
  } catch (error) {
    if (error instanceof ProtocolError) return undefined
    throw error
  }
}

/** What is read behind the Bind: [Describe of the unnamed portal] Execute of all its rows, Sync. */
function endsPlainly(chunk: Buffer, describe: number, bindEnd: number): boolean {
  const { length } = chunk
  let at = bindEnd
  if (describe >= 0) {
    if (length < at + DESCRIBE_PORTAL_BYTES || chunk.readUInt32BE(at + 1) !== 6) return false
    if (chunk[at + HEADER] !== PORTAL || chunk[at + HEADER + 1] !== 0) return false
    at += DESCRIBE_PORTAL_BYTES
  }
  if (length !== at + EXECUTE_ALL_BYTES + SYNC_BYTES || chunk[at] !== FRONTEND.EXECUTE) return false
  if (chunk.readUInt32BE(at + 1) !== 9 || chunk[at + HEADER] !== 0) return false
  if (chunk.readUInt32BE(at + HEADER + 1) !== 0) return false
  at += EXECUTE_ALL_BYTES
  return chunk[at] === FRONTEND.SYNC && chunk.readUInt32BE(at + 1) === 4
}

function costOf(statement: Statement): PostgresRide['cost'] | undefined {
  if (statement.rides === undefined) {
    statement.rides = mayRide(statement.classification) ? unknownCost() : 'never'
  }
  return statement.rides === 'never' ? undefined : statement.rides
}
