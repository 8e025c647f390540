/**
 * What a client's bytes ask for after login. Looks at headers, reads whole only what changes pooling
 * (Query, Parse, Bind's names, Describe, Close), and writes what is owed into the ledger of the
 * server connection it is attached to. Rule: `need-server` consumes nothing, so a request that never
 * got a server connection was never sent anywhere.
 */
import type { WeirError } from '../../core/errors.ts'
import { readyForQuery } from '../../wire/postgres/backend.ts'
import { FRONTEND, HEADER } from '../../wire/postgres/codes.ts'
import { ProtocolError } from '../../wire/postgres/protocol-error.ts'
import type {
  ClientConversation,
  ClientStep,
  PinReason,
  ServerConversation,
  ServerLoss,
} from '../contract.ts'
import type { RideSource } from '../ride.ts'
import { alone } from './alone.ts'
import type { ClientConversationOptions } from './client-conversation-options.ts'
import { ClientRides } from './client-ride.ts'
import { ClientStatements } from './client-statements.ts'
import { Desk, type Verdict } from './desk.ts'
import { Discarding } from './discarding.ts'
import { ExtendedQueries } from './extended-query.ts'
import { Following } from './following.ts'
import { isCopyMessage, limitOf } from './frontend-rules.ts'
import { isBooked, lose } from './losing.ts'
import { failedTransaction, type LostTransaction } from './lost-transaction.ts'
import { errorBytesOf, fatalBytes, junkFound } from './refusal.ts'
import type { RideCosts } from './ride-costs.ts'
import { PostgresServerConversation } from './server-conversation.ts'
import { isSettable, meaningKeyOf } from './settings.ts'
import { settingsAhead } from './settings-ahead.ts'
import { SimpleQueries } from './simple-query.ts'

const NOTHING = Buffer.alloc(0)
/** So often in a row one request is sent again because its server was lost. */
const MOST_TRIES = 3

export class PostgresClientConversation implements ClientConversation {
  bytes: Buffer = NOTHING
  #desk: Desk
  #following: Following
  #statements: ClientStatements
  #simple: SimpleQueries
  #extended: ExtendedQueries
  #realm: string
  /** The settings that `#statements` reckons with. */
  #realmOf: string
  #server: PostgresServerConversation | undefined
  #discarding: Discarding
  #readyAfterDrop = false
  /** Of the message at hand. */
  #type = 0
  /** Its server connection is gone, and the client has not rolled it back yet. */
  #lost: LostTransaction | undefined
  #reads: boolean
  #tries = 0
  #rideCosts: RideCosts
  #rides: ClientRides | undefined

  constructor(options: ClientConversationOptions) {
    this.#realm = options.realm
    this.#realmOf = options.start.settingsKey
    this.#reads = options.terms.retryReads === true
    this.#following = new Following(options)
    this.#statements = new ClientStatements(options.statements, options.meaning)
    this.#desk = new Desk(this.#statements, this.#following, options.inspectBytes)
    this.#simple = new SimpleQueries(this.#desk)
    this.#extended = new ExtendedQueries(this.#desk)
    this.#discarding = new Discarding(this.#desk, this.#extended.portals)
    this.#rideCosts = options.rideCosts
  }

  get requests(): number {
    return this.#desk.requests
  }

  get waitingBytes(): number {
    return this.#desk.in.waiting
  }

  get leftBytes(): number {
    return this.#desk.left
  }

  get atMessageEnd(): boolean {
    return this.#desk.left === 0 || this.#desk.drop
  }

  get pins(): ReadonlyMap<PinReason, string> {
    return this.#following.pins
  }

  get holds(): boolean {
    return this.#following.holds
  }

  get atRisk(): readonly PinReason[] {
    return this.#following.atRisk
  }

  get settingsKey(): string {
    return this.#following.settings.key
  }

  get wants(): ServerConversation | undefined {
    return this.#desk.wants
  }

  get subscription(): string {
    return this.#desk.subscription
  }

  get channels(): ReadonlySet<string> {
    return this.#following.channels
  }

  push(chunk: Buffer): void {
    this.#desk.in.push(chunk)
  }

  keep(): void {
    this.#desk.in.keep()
  }

  get rides(): RideSource {
    this.#rides ??= new ClientRides(this.#desk, this.#rideCosts, () => this.#rests())
    return this.#rides
  }

  #rests(): boolean {
    const { rests, following } = this.#desk
    if (!rests || this.#server !== undefined || this.#lost !== undefined) return false
    if (this.#discarding.active || following.alert || following.holds) return false
    return this.#reads && this.#realmOf === following.settings.key
  }

  attach(server: ServerConversation): Buffer {
    if (!(server instanceof PostgresServerConversation)) throw new Error('BUG: foreign server')
    this.#server = server
    this.#desk.isLent(server)
    server.onDeallocated = () => this.#statements.names.deallocated()
    server.onReported = (name) => this.#reported(server, name.toLowerCase())
    const following = this.#following
    if (following.pins.has('configured')) {
      server.notifications = true
      server.dirty = true
    }
    const parted = following.parts(server)
    const ahead = settingsAhead(server, following.settings)
    return ahead.length === 0 ? parted : Buffer.concat([parted, ...ahead])
  }

  detach(): void {
    this.#desk.looking = false
    const server = this.#server
    if (server === undefined) return
    server.onDeallocated = undefined
    server.onReported = undefined
    server.notifications = false
    this.#server = undefined
  }

  #reported(server: PostgresServerConversation, name: string): void {
    if (isSettable(name)) this.#following.reported(server, name)
  }

  settle(): Buffer {
    const server = this.#server
    if (server === undefined) return NOTHING
    this.#tries = 0
    if (server.secondTry.due) return this.#again(server)
    const following = this.#following
    if (following.follows && following.pins.has('large-statement')) {
      following.keepsLarge(server, this.#statements.keepsLarge)
    }
    const bytes = following.settle(server)
    if (bytes.length > 0) return bytes
    this.#desk.subscribesTo(following.channels)
    const { settings } = following
    if (this.#realmOf !== settings.key) {
      this.#realmOf = settings.key
      this.#statements.realm = this.#realm + meaningKeyOf(settings.current)
    }
    return bytes
  }

  /** The batch just refused once more, its statement prepared anew. */
  #again(server: PostgresServerConversation): Buffer {
    const { in: cursor, requests } = this.#desk
    server.secondTry.plays()
    cursor.unread(server.kept.take())
    const pieces: Buffer[] = []
    while (this.#next() === 'forward') pieces.push(Buffer.from(this.bytes))
    this.#desk.requests = requests
    return Buffer.concat(pieces)
  }

  next(): ClientStep {
    try {
      return this.#desk.junk === undefined ? this.#next() : this.#broken(this.#desk.junk)
    } catch (error) {
      if (error instanceof ProtocolError) return this.#broken(error.message)
      throw error
    }
  }

  #next(): ClientStep {
    const desk = this.#desk
    const cursor = desk.in
    for (;;) {
      if (!desk.toServer.empty) {
        this.bytes = desk.toServer.take()
        return 'forward'
      }
      if (!desk.toClient.empty) {
        this.bytes = desk.toClient.take()
        return 'answer'
      }
      if (desk.left > 0) {
        const n = Math.min(desk.left, cursor.available)
        cursor.pos += n
        desk.left -= n
        if (desk.drop) cursor.dropRun()
        if (desk.left > 0) break
        if (desk.drop) this.#dropped()
        continue
      }
      if (cursor.available < HEADER) break
      const type = cursor.buffer[cursor.pos]!
      const length = cursor.buffer.readUInt32BE(cursor.pos + 1)
      const limit = limitOf(type)
      if (limit === 0) return this.#broken(`invalid frontend message type ${type}`)
      if (length < 4 || length > limit) return this.#broken('invalid message length')
      const step = this.#discarding.active
        ? this.#discard(type, length + 1)
        : this.#message(type, length + 1)
      if (step === 'wait') break
      if ((step === 'subscribe' || step === 'yield') && cursor.hasRun) return this.#forwardRun()
      // Whoever goes on without `failRequest` has seen to it.
      if (step === 'subscribe') desk.subscribes(desk.subscription)
      if (step !== undefined) return step
    }
    return cursor.hasRun ? this.#forwardRun() : this.#starved()
  }

  /** Nothing more to read. What Weir owes and nobody else will trigger is given out now. */
  #starved(): ClientStep {
    const server = this.#server
    if (server === undefined || !server.ledger.onlyFakes) return 'starved'
    if (server.next() !== 'forward') return 'starved'
    this.bytes = server.bytes
    return 'answer'
  }

  /** What has passed goes first: the server may have the beginning of its last message already. */
  #broken(message: string): ClientStep {
    this.#desk.junk = message
    const ahead = this.#server && this.#desk.takePassed()
    this.bytes = ahead ?? fatalBytes(junkFound(message))
    return ahead === undefined ? 'broken' : 'forward'
  }

  #message(type: number, total: number): ClientStep | 'wait' | undefined {
    const server = this.#server
    this.#type = type
    if (type === FRONTEND.TERMINATE) return this.#desk.in.hasRun ? this.#forwardRun() : 'goodbye'
    if (server === undefined) {
      return this.#lost === undefined
        ? this.#alone(type, total)
        : this.#inLost(this.#lost, type, total)
    }
    if (server.ledger.copyIn && !isCopyMessage(type)) {
      // The server refuses it by itself and owes nothing more for it.
      this.#desk.left = total
      return undefined
    }
    return this.#attached(server, type, total)
  }

  #attached(server: PostgresServerConversation, type: number, total: number): Verdict {
    if (this.#desk.isTurnOver(server, type)) return 'yield'
    switch (type) {
      case FRONTEND.QUERY:
        this.#extended.reset()
        return this.#simple.query(server, total)
      case FRONTEND.PARSE:
        return this.#extended.parse(server, total)
      case FRONTEND.BIND:
        return this.#extended.bind(server, total)
      case FRONTEND.DESCRIBE:
      case FRONTEND.CLOSE:
        return this.#extended.target(server, type, total)
      case FRONTEND.EXECUTE:
        return this.#extended.execute(server, total)
      case FRONTEND.SYNC:
        return this.#extended.sync(server, total)
      case FRONTEND.FUNCTION_CALL:
        this.#desk.calls(server)
        break
      case FRONTEND.COPY_DONE:
      case FRONTEND.COPY_FAIL:
        server.ledger.copyEnded()
        break
    }
    this.#desk.left = total
    return undefined
  }

  /** What can be done without a server connection; everything else asks for one. */
  #alone(type: number, total: number): ClientStep | 'wait' | undefined {
    const outcome = alone(this.#desk, type, total)
    if (typeof outcome === 'string') return outcome
    if (outcome.answer !== undefined) this.#desk.toClient.push(outcome.answer)
    this.#skip(total, outcome.ready)
    return undefined
  }

  /** A message of a transaction whose server connection is gone. */
  #inLost(lost: LostTransaction, type: number, total: number): 'wait' | undefined {
    const step = lost.answer(type, total, this.#discarding)
    if (lost.ended) this.#lost = undefined
    if (step === 'skip' || step === 'skip-ready') this.#skip(total, step === 'skip-ready')
    return step === 'wait' ? 'wait' : undefined
  }

  #forwardRun(): ClientStep {
    this.bytes = this.#desk.in.takeRun()
    return 'forward'
  }

  /** Leaves a message out; the client is told ReadyForQuery after it when `ready`. */
  #skip(total: number, ready: boolean): void {
    this.#desk.drop = true
    this.#readyAfterDrop = ready
    this.#desk.left = total
  }

  #dropped(): void {
    this.#desk.drop = false
    const status = this.#lost === undefined ? 'I' : 'E'
    if (this.#readyAfterDrop) this.#desk.toClient.push(readyForQuery(status))
    this.#readyAfterDrop = false
  }

  #discard(type: number, total: number): ClientStep | 'wait' | undefined {
    if (type === FRONTEND.TERMINATE) return 'goodbye'
    const ends = this.#discarding.message(type, total)
    if (ends === 'wait') return 'wait'
    if (ends && this.#discarding.opened) this.#lost ??= failedTransaction(this.#desk)
    this.#skip(total, ends)
    return undefined
  }

  failRequest(error: WeirError): void {
    this.#desk.unsubscribes(this.#desk.subscription)
    if (this.#server !== undefined) {
      // The channel of a LISTEN cannot be had: it fails where it stands.
      this.#desk.refusal = errorBytesOf(error, 'ERROR')
      return
    }
    this.#tries = 0
    const { in: cursor } = this.#desk
    this.#discarding.refused(cursor.buffer[cursor.pos])
    this.#desk.toClient.push(errorBytesOf(error, 'ERROR'))
  }

  serverLost(error: WeirError): ServerLoss {
    const server = this.#server
    if (server === undefined) return { outcome: undefined, goesOn: true, bytes: NOTHING }
    const desk = this.#desk
    const half = !this.atMessageEnd
    const flows = desk.statements.flows()
    const lost = lose({
      desk,
      server,
      half: half && isBooked(this.#type),
      binds: this.#extended.binds,
      // The rest of half a message is still to come, and to be left out: nothing may stand before it.
      mayTry: !half && this.#tries < MOST_TRIES,
      reads: this.#reads,
      error,
    })
    this.#extended.reset()
    desk.toServer.clear()
    desk.in.dropRun()
    // Nobody wants the rest of what the client was still sending.
    if (half) desk.drop = true
    if (lost.discards) this.#discarding.rest(flows)
    this.#lost = lost.transaction
    if (lost.again === undefined) this.#tries = 0
    else {
      this.#tries++
      desk.in.unread(lost.again)
    }
    return lost
  }
}
