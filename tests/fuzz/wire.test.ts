import fc from 'fast-check'
import { serialize } from 'pg-protocol'
import { Parser } from 'pg-protocol/dist/parser'
import { describe, expect, it } from 'vitest'
import * as backend from '../../src/wire/postgres/backend.ts'
import { HEADER, PROTOCOL_3_2 } from '../../src/wire/postgres/codes.ts'
import { OPTIONAL_FIELDS, SEVERITIES } from '../../src/wire/postgres/error-fields.ts'
import * as frontend from '../../src/wire/postgres/frontend.ts'
import { ProtocolError } from '../../src/wire/postgres/protocol-error.ts'
import * as read from '../../src/wire/postgres/read.ts'
import { readFirstPacket } from '../../src/wire/postgres/startup.ts'
import { byteLength, decode, encodeInto } from '../../src/wire/postgres/text.ts'

const RUNS = { numRuns: 1_000 }
const LIMIT = 10_004

const text = fc.string({ unit: 'grapheme' }).map((s) => s.replaceAll('\0', ''))
const ascii = fc.string({ unit: 'grapheme-ascii', maxLength: 40 })
const bytes = fc.uint8Array({ maxLength: 400 }).map((b) => Buffer.from(b))
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
const oids = fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { maxLength: 20 })
const secret = fc.uint8Array({ minLength: 4, maxLength: 256 }).map((b) => Buffer.from(b))
const kind = fc.constantFrom<'S' | 'P'>('S', 'P')
const fields = fc.record(
  {
    severity: fc.constantFrom(...SEVERITIES),
    code: fc.string({ unit: fc.constantFrom(...'0123456789ABCDEFP'), minLength: 5, maxLength: 5 }),
    message: text,
    ...Object.fromEntries(OPTIONAL_FIELDS.map(([name]) => [name, text])),
  },
  { requiredKeys: ['severity', 'code', 'message'] },
)

/** Bodies that look like messages: letters, NULs and small integers rather than pure noise. */
const likely = fc
  .array(
    fc.oneof(
      ascii.map((s) => Buffer.from(`${s}\0`)),
      fc.constantFrom('S', 'P', 'C', 'M', '\0', '\0\0', '\0\0\0\x0a').map((s) => Buffer.from(s)),
      fc.uint8Array({ maxLength: 8 }).map((b) => Buffer.from(b)),
    ),
    { maxLength: 12 },
  )
  .map((parts) => Buffer.concat(parts))

function body(message: Buffer): Buffer {
  expect(message.readInt32BE(1)).toBe(message.length - 1)
  return message.subarray(HEADER)
}

function understood(message: Buffer): unknown {
  let seen: unknown
  new Parser().parse(message, (m) => {
    seen = m
  })
  return seen
}

describe('what is built is read back', () => {
  it('Parse', () => {
    fc.assert(
      fc.property(text, text, oids, (name, sql, types) => {
        const message = frontend.parse(name, sql, types)
        const seen = read.readParse(body(message))
        expect(seen.name).toBe(name)
        expect(seen.text.toString()).toBe(sql)
        expect(frontend.parse(seen.name, seen.text, seen.types)).toEqual(message)
        const small = types.map((oid) => oid | 0)
        if (name.length <= 63) {
          expect(message).toEqual(serialize.parse({ name, text: sql, types: small }))
        }
      }),
      RUNS,
    )
  })

  it('Bind, Describe, Close, Execute and Query', () => {
    fc.assert(
      fc.property(text, text, kind, int32, (one, two, what, rows) => {
        const bound = read.readBindNames(body(frontend.bind(one, two)))
        expect(bound).toMatchObject({ portal: one, statement: two })
        const theirs = serialize.bind({ portal: one, statement: two, values: ['x', null] })
        expect(read.readBindNames(body(theirs))).toEqual(bound)
        expect(read.readTarget(body(frontend.describe(what, one)))).toEqual({
          kind: what,
          name: one,
        })
        expect(frontend.close(what, one)).toEqual(serialize.close({ type: what, name: one }))
        expect(read.readExecute(body(frontend.execute(one, rows)))).toEqual({
          portal: one,
          maxRows: rows,
        })
        expect(read.readQuery(body(frontend.query(one))).toString()).toBe(one)
      }),
      RUNS,
    )
  })

  it('startup packets', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text), { maxLength: 10 }), bytes, (params, more) => {
        const named = params.filter(([name]) => name !== '')
        const packet = frontend.startupMessage(PROTOCOL_3_2, named)
        expect(readFirstPacket(Buffer.concat([packet, more]), LIMIT)).toEqual({
          kind: 'startup',
          length: packet.length,
          major: 3,
          minor: 2,
          params: new Map(named),
        })
      }),
      RUNS,
    )
  })

  it('cancel keys and requests', () => {
    fc.assert(
      fc.property(int32, secret, (pid, key) => {
        expect(read.readBackendKeyData(body(backend.backendKeyData(pid, key)))).toEqual({
          pid,
          secret: key,
        })
        const request = frontend.cancelRequest(pid, key)
        expect(readFirstPacket(request, LIMIT)).toEqual({
          kind: 'cancel',
          length: request.length,
          pid,
          secret: key,
        })
      }),
      RUNS,
    )
  })

  it('errors, also by another driver', () => {
    fc.assert(
      fc.property(fields, (error) => {
        const message = backend.errorResponse(error)
        expect(read.readErrorFields(body(message))).toEqual(error)
        expect(read.sqlstateOf(body(message))).toBe(error.code)
        expect(understood(message)).toMatchObject(error)
      }),
      RUNS,
    )
  })

  it('rows, by another driver', () => {
    const row = fc.array(fc.option(text), { maxLength: 12 })
    fc.assert(
      fc.property(row, (values) => {
        expect(understood(backend.dataRow(values))).toMatchObject({ fields: values })
      }),
      RUNS,
    )
  })

  it('any bytes through a string and back', () => {
    fc.assert(
      fc.property(bytes, (input) => {
        const s = decode(input, 0, input.length)
        const out = Buffer.alloc(byteLength(s))
        expect(encodeInto(out, 0, s)).toBe(out.length)
        expect(out).toEqual(input)
      }),
      RUNS,
    )
  })
})

describe('whatever bytes come', () => {
  const readers: [string, (body: Buffer) => unknown][] = [
    ['readErrorFields', read.readErrorFields],
    ['sqlstateOf', read.sqlstateOf],
    ['readParameterStatus', read.readParameterStatus],
    ['readBackendKeyData', read.readBackendKeyData],
    ['readAuthentication', read.readAuthentication],
    ['readNegotiateProtocolVersion', read.readNegotiateProtocolVersion],
    ['readCommandTag', read.readCommandTag],
    ['readQuery', read.readQuery],
    ['readPassword', read.readPassword],
    ['readSaslInitialResponse', read.readSaslInitialResponse],
    ['readParse', read.readParse],
    ['readBindNames', read.readBindNames],
    ['readTarget', read.readTarget],
    ['readExecute', read.readExecute],
  ]
  it.each(readers)('%s throws nothing but ProtocolError', (_name, reader) => {
    fc.assert(
      fc.property(fc.oneof(bytes, likely), (input) => {
        try {
          reader(input)
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError)
        }
      }),
      RUNS,
    )
  })

  it.each(readers)('%s never sees what stands behind the frame', (_name, reader) => {
    const outcome = (input: Buffer): unknown => {
      try {
        return reader(input)
      } catch (error) {
        return (error as Error).message
      }
    }
    fc.assert(
      fc.property(likely, bytes, (input, behind) => {
        const inside = Buffer.concat([input, behind]).subarray(0, input.length)
        expect(outcome(inside)).toEqual(outcome(Buffer.from(input)))
      }),
      RUNS,
    )
  })

  it('the first packet is always something, and never longer than what is there', () => {
    const first = fc
      .tuple(fc.integer({ min: 0, max: 60 }), fc.oneof(bytes, likely))
      .map(([length, rest]) => Buffer.concat([Buffer.from([0, 0, 0, length]), rest]))
    fc.assert(
      fc.property(fc.oneof(bytes, first), fc.nat(LIMIT), (input, limit) => {
        const seen = readFirstPacket(input, limit)
        if ('length' in seen) {
          expect(seen.length).toBeLessThanOrEqual(Math.min(input.length, limit))
        }
      }),
      RUNS,
    )
  })

  it('the first packet comes out the same however it was torn', () => {
    fc.assert(
      fc.property(fc.oneof(bytes, likely), (input) => {
        const whole = readFirstPacket(input, LIMIT)
        for (let n = 0; n < input.length; n++) {
          const part = readFirstPacket(input.subarray(0, n), LIMIT)
          if (part.kind !== 'incomplete') expect(part).toEqual(whole)
        }
      }),
      { numRuns: 200 },
    )
  })
})
