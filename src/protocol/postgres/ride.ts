/**
 * One request on its ride: what is sent for it on the server connection it boards, and what of its
 * answer is Weir's own. Rule: it boards only where its statement means what the client prepared, and
 * what it puts on the server is booked there at once.
 */
import { FRONTEND, HEADER } from '../../wire/postgres/codes.ts'
import { close, parse } from '../../wire/postgres/frontend.ts'
import type { RideCost, RideReader } from '../ride.ts'
import type { ClientStatements } from './client-statements.ts'
import type { Passenger } from './ride-books.ts'
import type { RideBytes } from './ride-bytes.ts'
import { PostgresRideReader } from './ride-reader.ts'
import { PostgresServerConversation } from './server-conversation.ts'
import type { Statement } from './statements.ts'

export interface PostgresRideOptions {
  readonly bytes: RideBytes
  readonly statements: ClientStatements
  readonly cost: RideCost
  readonly kind: 'query' | 'unnamed' | 'named'
  readonly statement?: Statement | undefined
  /** Of the statement, as the client calls it. */
  readonly name?: string
  /** Of a named one: where its name ends in the request. */
  readonly nameEnd?: number
  readonly describes?: boolean
}

export class PostgresRide implements Passenger {
  readonly cost: RideCost
  gave = false
  skip = 0
  #options: PostgresRideOptions
  #server: PostgresServerConversation | undefined
  #evicted: Statement | undefined
  /** The Parse of its unnamed statement was accepted. */
  #parsed = false
  left = false

  constructor(options: PostgresRideOptions) {
    this.#options = options
    this.cost = options.cost
  }

  get statement(): Statement | undefined {
    return this.#options.kind === 'named' ? this.#options.statement : undefined
  }

  get clientName(): string | undefined {
    return this.#options.name
  }

  board(reader: RideReader): Buffer | undefined {
    const server = reader instanceof PostgresRideReader ? reader.server : undefined
    if (!(server instanceof PostgresServerConversation)) throw new Error('BUG: foreign server')
    const { kind, bytes, statements } = this.#options
    this.#server = server
    if (kind === 'named') return this.#boardNamed(server)
    // Either takes the unnamed statement away, or puts another there.
    server.prepared.unnamed = 'unknown'
    if (kind === 'unnamed') statements.adoptShared(this.#options.statement!)
    else statements.loseUnnamed()
    return bytes.request
  }

  #boardNamed(server: PostgresServerConversation): Buffer | undefined {
    const { statements, statement, name, describes } = this.#options
    const { prepared, ledger } = server
    const named = statements.names.current(server, name!)
    if (named?.statement !== statement) return undefined
    const presence = prepared.use(statement!, ledger.batch)
    if (presence === 'asked') return undefined
    // What is prepared anew may have another shape now than what was known of it here.
    const shape = presence === 'ready' ? prepared.look(statement!) : undefined
    if (!describes && named!.told !== undefined && shape !== named!.told) return undefined
    return presence === 'ready' ? this.#renamed(0) : this.#placed(server, presence === 'unsure')
  }

  /** With its Parse ahead, and whatever has to make room for it. */
  #placed(server: PostgresServerConversation, closeFirst: boolean): Buffer {
    const statement = this.#options.statement!
    const { prepared, ledger } = server
    const ahead = [parse(statement.serverName, statement.text, statement.types)]
    this.skip = 1
    if (closeFirst) {
      ahead.unshift(close('S', statement.serverName))
      this.skip++
    }
    prepared.add(statement, ledger.batch)
    this.#evicted = prepared.evict(statement)
    if (this.#evicted !== undefined) {
      ahead.push(close('S', this.#evicted.serverName))
      this.skip++
    }
    server.injected++
    let bytes = 0
    for (const piece of ahead) bytes += piece.length
    const all = this.#renamed(bytes)
    let at = 0
    for (const piece of ahead) at += piece.copy(all, at)
    return all
  }

  /** The request with the server's name of the statement, behind room for `ahead` bytes. */
  #renamed(ahead: number): Buffer {
    const { bytes, statement, nameEnd } = this.#options
    const { request } = bytes
    const name = statement!.serverName
    const nameStart = HEADER + 1
    const grows = name.length - (nameEnd! - nameStart)
    const total = ahead + request.length + grows
    const out = bytes.space(total)
    const bindLength = request.readUInt32BE(1) + grows
    let at = ahead
    out[at++] = FRONTEND.BIND
    out[at++] = bindLength >>> 24
    out[at++] = bindLength >>> 16
    out[at++] = bindLength >>> 8
    out[at++] = bindLength
    out[at++] = 0
    for (let i = 0; i < name.length; i++) out[at++] = name.charCodeAt(i)
    request.copy(out, at, nameEnd!)
    return bytes.written(total)
  }

  accepted(parsed: boolean): void {
    if (!parsed) return
    this.#parsed = true
    const { kind, statement } = this.#options
    if (kind === 'named') this.#server!.prepared.confirm(statement!, this.#server!.ledger.batch)
  }

  placed(): void {
    if (this.#evicted !== undefined) this.#server!.prepared.closed(this.#evicted)
    this.#evicted = undefined
  }

  failed(): void {
    const { kind, statement, statements } = this.#options
    if (kind === 'unnamed' && !this.#parsed && !this.left) statements.loseUnnamed()
    if (kind !== 'named' || this.skip === 0) return
    const { prepared } = this.#server!
    prepared.doubt(statement!)
    if (this.#evicted !== undefined) prepared.kept(this.#evicted)
  }

  get notesShape(): boolean {
    const { kind, describes, statements, name, statement } = this.#options
    if (kind !== 'named' || !describes || this.left) return false
    const named = statements.names.get(name!)
    if (named?.statement !== statement) return false
    return named!.told === undefined || named!.told !== this.#server!.prepared.look(statement!)
  }

  noteShape(shape: string): void {
    const { statements, name, statement } = this.#options
    const named = statements.names.get(name!)
    if (named?.statement === statement) named!.told = shape
    this.#server!.prepared.looked(statement!, shape)
  }
}
