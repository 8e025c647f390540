/**
 * Reads the answers to rides on one server connection: looks at headers, gives each client its bytes
 * in runs, and finds where one answer ends and the next begins. Rule: every ride is one request with
 * one ReadyForQuery, and outside a transaction; a server that says anything else is not trusted.
 */
import { WeirError } from '../../core/errors.ts'
import { BACKEND, HEADER, STATUS } from '../../wire/postgres/codes.ts'
import { ProtocolError } from '../../wire/postgres/protocol-error.ts'
import { readErrorFields, readParameterStatus } from '../../wire/postgres/read.ts'
import type { RideReader, RideStep } from '../ride.ts'
import { inClientWords } from './errands.ts'
import { errorFrom } from './refusal.ts'
import { shapeOf } from './result-shape.ts'
import type { Passenger, RideBooks } from './ride-books.ts'

const NOTHING = Buffer.alloc(0)
/** Messages that are read whole may be this long. */
const READ_WHOLE_BYTES = 4 * 1_048_576
const READY_BYTES = 6
/** See `replies.ts`. */
const PLAN_CHECK = 'RevalidateCachedQuery'

export class PostgresRideReader implements RideReader {
  bytes: Buffer = NOTHING
  error: WeirError | undefined
  sign: string | undefined
  first: Passenger | undefined
  readonly server: RideBooks
  #buffer: Buffer = NOTHING
  #pos = 0
  /** What lies between this and `#pos` is for the client. */
  #run = 0
  /** Bytes of the message at hand that have not passed yet. */
  #left = 0
  /** What a read left over: the beginning of a message that is read whole. */
  #rest: Buffer = NOTHING
  /** The answer at hand is swallowed to its end, and its request put back. */
  #again = false

  constructor(server: RideBooks) {
    this.server = server
  }

  get midMessage(): boolean {
    return this.#left > 0
  }

  get atEnd(): boolean {
    return this.#left === 0 && this.#rest.length === 0 && this.#pos === this.#buffer.length
  }

  push(chunk: Buffer): void {
    const rest = this.#rest
    this.#buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    this.#rest = NOTHING
    this.#pos = 0
    this.#run = 0
  }

  next(): RideStep {
    try {
      return this.#next()
    } catch (error) {
      if (error instanceof ProtocolError) return this.#broken(error.message)
      throw error
    }
  }

  #next(): RideStep {
    const buffer = this.#buffer
    const end = buffer.length
    for (;;) {
      if (this.#left > 0) {
        const n = Math.min(this.#left, end - this.#pos)
        this.#pos += n
        this.#left -= n
        if (this.#again) this.#run = this.#pos
        if (this.#left > 0) break
      }
      const pos = this.#pos
      if (end - pos < HEADER) break
      const total = buffer.readUInt32BE(pos + 1) + 1
      if (total <= 4 || total > 0x4000_0000) return this.#broken('a message of impossible length')
      switch (buffer[pos]) {
        case BACKEND.DATA_ROW:
        case BACKEND.BIND_COMPLETE:
        case BACKEND.COMMAND_COMPLETE:
        case BACKEND.NO_DATA:
        case BACKEND.EMPTY_QUERY_RESPONSE:
          if (this.first === undefined) return this.#broken('an answer that nobody waits for')
          this.#left = total
          continue
        case BACKEND.NOTICE_RESPONSE:
          this.#left = total
          continue
        case BACKEND.READY_FOR_QUERY: {
          if (total !== READY_BYTES) return this.#broken('a ReadyForQuery of wrong length')
          if (end - pos < READY_BYTES) return this.#wait()
          return this.#ready(buffer[pos + HEADER]!)
        }
      }
      if (total > READ_WHOLE_BYTES) return this.#broken('a message of impossible length')
      if (end - pos < total) return this.#wait()
      const step = this.#whole(buffer[pos]!, total)
      if (step !== undefined) return step
    }
    return end - this.#pos > 0 && this.#left === 0 ? this.#wait() : this.#forward()
  }

  /** Gives out what has passed. */
  #forward(): RideStep {
    if (this.#run === this.#pos) return 'starved'
    this.#give()
    return 'forward'
  }

  #give(): void {
    const { length } = this.#buffer
    this.bytes =
      this.#run === 0 && this.#pos === length
        ? this.#buffer
        : this.#buffer.subarray(this.#run, this.#pos)
    this.#run = this.#pos
    // Between answers there may be a notice that is for nobody.
    if (this.first === undefined) this.bytes = NOTHING
    else this.first.gave = true
  }

  /** The message at hand has to be here whole. */
  #wait(): RideStep {
    if (this.#run < this.#pos) return this.#forward()
    this.#rest = Buffer.from(this.#buffer.subarray(this.#pos))
    this.#pos = this.#buffer.length
    this.#run = this.#pos
    return 'starved'
  }

  #ready(status: number): RideStep {
    if (this.first === undefined) return this.#broken('an unexpected ReadyForQuery')
    if (status !== STATUS.IDLE) return this.#broken('a transaction that nobody has begun')
    this.#pos += READY_BYTES
    if (this.#again) {
      this.#again = false
      this.#run = this.#pos
      return 'again'
    }
    this.#give()
    return 'answered'
  }

  /** A message that is here whole. A step: come again after it. */
  #whole(type: number, total: number): RideStep | undefined {
    const { first } = this
    switch (type) {
      case BACKEND.PARSE_COMPLETE:
      case BACKEND.CLOSE_COMPLETE:
        if (first === undefined) break
        // What came ahead is given out first, and this one read again: it must be booked only once.
        if (first.skip > 0 && this.#run < this.#pos) return this.#forward()
        first.accepted(type === BACKEND.PARSE_COMPLETE)
        if (first.skip > 0) {
          if (--first.skip === 0) first.placed()
          return this.#swallow(total)
        }
        return this.#pass(total)
      case BACKEND.ROW_DESCRIPTION:
        if (first === undefined) break
        if (first.notesShape) first.noteShape(shapeOf(this.#body(total)))
        return this.#pass(total)
      case BACKEND.ERROR_RESPONSE:
        return this.#errorResponse(total)
      case BACKEND.PARAMETER_STATUS: {
        const { name, value } = readParameterStatus(this.#body(total))
        this.server.parameters.set(name, value)
        return first === undefined ? this.#swallow(total) : this.#pass(total)
      }
      case BACKEND.NOTIFICATION_RESPONSE:
        return this.#swallow(total)
    }
    return this.#broken(
      `an unexpected message of type ${JSON.stringify(String.fromCharCode(type))}`,
    )
  }

  #body(total: number): Buffer {
    return this.#buffer.subarray(this.#pos + HEADER, this.#pos + total)
  }

  #pass(total: number): undefined {
    this.#pos += total
    if (this.#again) this.#run = this.#pos
  }

  #swallow(total: number): RideStep | undefined {
    if (this.#run < this.#pos) return this.#forward()
    this.#pos += total
    this.#run = this.#pos
    return undefined
  }

  #errorResponse(total: number): RideStep | undefined {
    const fields = readErrorFields(this.#body(total))
    this.sign = fields.code
    const { first, server } = this
    if (fields.severity === 'FATAL' || fields.severity === 'PANIC') {
      if (this.#run < this.#pos) return this.#forward()
      this.error = errorFrom('WEIR_SERVER_LOST', fields)
      return 'broken'
    }
    if (first === undefined) return this.#broken('an error that nobody waits for')
    const planned = fields.code === '0A000' && fields.routine === PLAN_CHECK
    if (planned) server.prepared.outdated()
    const ahead = first.skip > 0
    first.failed()
    first.skip = 0
    const { statement, clientName } = first
    const given = first.gave || this.#run < this.#pos
    if (!given && statement !== undefined && (ahead || planned || fields.code === '26000')) {
      // What the client prepared is gone or has changed: the ordinary way mends that.
      if (fields.code === '26000') server.prepared.dropped(statement)
      this.#again = true
      return this.#swallow(total)
    }
    const told = statement && inClientWords(fields, { statement, clientName: clientName! })
    if (told === undefined) return this.#pass(total)
    if (this.#run < this.#pos) {
      // Comes again for this message; what `failed` books it books once.
      return this.#forward()
    }
    this.#pos += total
    this.#run = this.#pos
    this.bytes = told
    first.gave = true
    return 'forward'
  }

  #broken(what: string): RideStep {
    if (this.#run < this.#pos) return this.#forward()
    this.error ??= new WeirError('WEIR_SERVER_PROTOCOL', `the server sent ${what}`, {
      sqlstate: '08P01',
    })
    return 'broken'
  }
}
