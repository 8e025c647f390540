/**
 * A scenario is what one client says, message by message, and the points where it waits. Rule: it
 * says nothing of what should come back; that is whatever Postgres itself answers.
 */
import { FRONTEND, HEADER } from '../../../src/wire/postgres/codes.ts'
import { cstringLength, frame, putCString } from '../../../src/wire/postgres/compose.ts'
import { query } from '../../../src/wire/postgres/frontend.ts'
import type { RawClientOptions } from '../../support/raw-client.ts'

/** Waits until `times` more messages of this letter came than earlier waits have seen. */
export interface Wait {
  readonly letter: string
  readonly times: number
}

export type Step = Buffer | Wait

export interface Scenario extends Omit<RawClientOptions, 'port'> {
  readonly name: string
  readonly steps: readonly Step[]
  /** SQL run on a connection of its own before every play. */
  readonly setup?: string
  /** The login is what is compared: error messages by SQLSTATE and text alone. */
  readonly refused?: boolean
  /** Differs for this reason, which people are told of; it is a failure when it no longer does. */
  readonly known?: string
  /** With `known`: whether it differs hangs on which server connection comes by. */
  readonly sometimes?: boolean
  /** Errors that Weir gives in the server's stead name no line of its source: not compared. */
  readonly sourceless?: boolean
  /** Too many or too large bytes to be sent one by one. */
  readonly large?: boolean
}

/** ReadyForQuery, the usual place to wait. */
export const Z: Wait = { letter: 'Z', times: 1 }

export const ready = (times: number): Wait => ({ letter: 'Z', times })
export const see = (letter: string, times = 1): Wait => ({ letter, times })

/** A simple query and its ReadyForQuery. */
export const ask = (text: string): Step[] => [query(text), Z]

/** A scenario of simple queries, each awaited. */
export function queries(name: string, texts: readonly string[], setup?: string): Scenario {
  const steps = texts.flatMap(ask)
  return setup === undefined ? { name, steps } : { name, steps, setup }
}

export interface Binding {
  readonly portal?: string
  readonly statement?: string
  readonly values?: readonly (string | Buffer | null)[]
  /** 0 text, 1 binary; none, one for all, or one each. */
  readonly formats?: readonly number[]
  readonly results?: readonly number[]
}

/** Bind with everything it can have. */
export function bindTo(binding: Binding): Buffer {
  const { portal = '', statement = '', values = [], formats = [], results = [] } = binding
  const raw = values.map((v) => (typeof v === 'string' ? Buffer.from(v, 'utf8') : v))
  let length = cstringLength(portal) + cstringLength(statement)
  length += 2 + 2 * formats.length + 2 + 2 + 2 * results.length
  for (const value of raw) length += 4 + (value?.length ?? 0)
  const message = frame(FRONTEND.BIND, length)
  let at = putCString(message, HEADER, portal)
  at = putCString(message, at, statement)
  at = putShorts(message, at, formats)
  at = message.writeUInt16BE(raw.length, at)
  for (const value of raw) {
    at = message.writeInt32BE(value === null ? -1 : value.length, at)
    if (value !== null) {
      message.set(value, at)
      at += value.length
    }
  }
  putShorts(message, at, results)
  return message
}

/** FunctionCall with arguments and result in one format. */
export function call(oid: number, values: readonly (Buffer | null)[], format: 0 | 1): Buffer {
  let length = 4 + 4 + 2 + 2
  for (const value of values) length += 4 + (value?.length ?? 0)
  const message = frame(FRONTEND.FUNCTION_CALL, length)
  let at = message.writeUInt32BE(oid, HEADER)
  at = putShorts(message, at, [format])
  at = message.writeUInt16BE(values.length, at)
  for (const value of values) {
    at = message.writeInt32BE(value === null ? -1 : value.length, at)
    if (value !== null) {
      message.set(value, at)
      at += value.length
    }
  }
  message.writeInt16BE(format, at)
  return message
}

export function int4(n: number): Buffer {
  const value = Buffer.alloc(4)
  value.writeInt32BE(n)
  return value
}

function putShorts(message: Buffer, at: number, numbers: readonly number[]): number {
  let to = message.writeUInt16BE(numbers.length, at)
  for (const n of numbers) to = message.writeInt16BE(n, to)
  return to
}
