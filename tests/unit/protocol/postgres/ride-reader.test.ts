/** The answers to rides on one server connection, read apart in whatever pieces they come. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Passenger, RideBooks } from '../../../../src/protocol/postgres/ride-books.ts'
import { PostgresRideReader } from '../../../../src/protocol/postgres/ride-reader.ts'
import { PreparedBook, Statements } from '../../../../src/protocol/postgres/statements.ts'
import type { RideStep } from '../../../../src/protocol/ride.ts'
import {
  bindComplete,
  closeComplete,
  commandComplete,
  dataRow,
  errorResponse,
  noticeResponse,
  notificationResponse,
  parameterStatus,
  parseComplete,
  readyForQuery,
  rowDescription,
} from '../../../../src/wire/postgres/backend.ts'

const statements = new Statements()
const STATEMENT = statements.intern(Buffer.from('select a from t'), Buffer.alloc(2), 'realm')
const COLUMN = {
  name: 'a',
  tableOid: 0,
  columnId: 0,
  typeOid: 23,
  typeLength: 4,
  typeModifier: -1,
  format: 0,
} as never

interface Case {
  /** Ahead: `p` a ParseComplete and `c` a CloseComplete to Weir's own, `n` a notice to the client. */
  readonly ahead: string
  readonly body: readonly Buffer[]
  /** It has a named statement. */
  readonly named: boolean
}

class Rider implements Passenger {
  cost = { known: false, ms: 0, bytes: 0, strikes: 0, restsUntil: 0 }
  gave = false
  left = false
  skip: number
  statement
  clientName
  notesShape = false
  got: Buffer[] = []
  notes: string[] = []

  constructor(ahead: number, named: boolean) {
    this.skip = ahead
    this.statement = named ? STATEMENT : undefined
    this.clientName = named ? 'mine' : undefined
  }

  board = () => undefined
  accepted = (parsed: boolean): void => {
    this.notes.push(parsed ? 'parsed' : 'closed')
  }
  placed = (): void => {
    this.notes.push('placed')
  }
  failed = (): void => {
    if (this.notes.at(-1) !== 'failed') this.notes.push('failed')
  }
  noteShape = (): void => {}
}

function books(): RideBooks {
  return { prepared: new PreparedBook(100), parameters: new Map() }
}

interface Told {
  readonly bytes: string
  readonly notes: readonly string[]
  readonly ends: RideStep
}

/** What each rider gets when `bytes` arrive cut at `cuts`, and how it ends. */
function read(
  cases: readonly Case[],
  bytes: Buffer,
  cuts: readonly number[],
): { told: Told[]; error: string | undefined; parameters: [string, string][] } {
  const server = books()
  const reader = new PostgresRideReader(server)
  const riders = cases.map(({ ahead, named }) => new Rider(ahead.replaceAll('n', '').length, named))
  const ends: RideStep[] = []
  let at = 0
  reader.first = riders[0]
  const next = (step: RideStep): void => {
    ends.push(step)
    reader.first = riders[++at]
  }
  const edges = [...new Set([...cuts, bytes.length])].sort((a, b) => a - b)
  let from = 0
  feed: for (const edge of edges) {
    const chunk = Buffer.from(bytes.subarray(from, edge))
    from = edge
    if (chunk.length === 0) continue
    reader.push(chunk)
    for (;;) {
      const step = reader.next()
      if (step === 'forward' || step === 'answered') {
        riders[at]?.got.push(Buffer.from(reader.bytes))
      }
      if (step === 'starved') break
      if (step === 'broken') break feed
      if (step !== 'forward') next(step)
    }
    // Memory that is read into is used again.
    chunk.fill(0xff)
  }
  const told = riders.map((rider, i) => ({
    bytes: Buffer.concat(rider.got).toString('hex'),
    notes: rider.notes,
    ends: ends[i] ?? 'starved',
  }))
  return { told, error: reader.error?.message, parameters: [...server.parameters] }
}

const error = (code: string, routine = 'x', severity = 'ERROR'): Buffer =>
  errorResponse({ severity, code, message: 'no', routine } as never)
const notice = noticeResponse({ severity: 'NOTICE', code: '00000', message: 'hear' } as never)

const bodyMessage = fc.oneof(
  fc.string({ maxLength: 40 }).map((text) => dataRow([text])),
  fc.constant(bindComplete()),
  fc.constant(rowDescription([COLUMN])),
  fc.constant(commandComplete('SELECT 1')),
  fc.constant(notice),
  fc.constant(parameterStatus('TimeZone', 'UTC')),
  fc.constant(notificationResponse(1, 'x', 'y')),
  fc.constantFrom('22012', '26000', '0A000').map((code) => error(code)),
)
const oneCase: fc.Arbitrary<Case> = fc.record({
  ahead: fc.constantFrom('', '', 'p', 'cp', 'pc', 'cpc', 'np', 'cnp', 'npnc'),
  body: fc.array(bodyMessage, { maxLength: 5 }),
  named: fc.boolean(),
})

function answerOf({ ahead, body }: Case): Buffer {
  const own = [...ahead].map((one) => {
    if (one === 'n') return notice
    return one === 'p' ? parseComplete() : closeComplete()
  })
  return Buffer.concat([...own, ...body, readyForQuery('I')])
}

describe('whatever the pieces are', () => {
  it('each client is told the same as when all comes at once', () => {
    fc.assert(
      fc.property(
        fc.array(oneCase, { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat({ max: 600 }), { maxLength: 12 }),
        (cases, cuts) => {
          const bytes = Buffer.concat(cases.map(answerOf))
          const within = cuts.filter((cut) => cut < bytes.length)
          const everywhere = Array.from({ length: bytes.length }, (_, i) => i)
          const whole = read(cases, bytes, [])
          expect(whole.error).toBeUndefined()
          // `again` is for answers of which nothing was given, and a piece may have been given.
          if (whole.told.some(({ ends }) => ends === 'again')) return
          expect(read(cases, bytes, within)).toEqual(whole)
          expect(read(cases, bytes, everywhere)).toEqual(whole)
        },
      ),
    )
  })

  it('bytes that mean nothing break the connection, and nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), oneCase, (bytes, one) => {
        const got = read([one], Buffer.concat([answerOf(one), Buffer.from(bytes)]), [3, 50])
        expect(['answered', 'again']).toContain(got.told[0]!.ends)
      }),
    )
  })

  it('an answer with one byte changed is given out or breaks the connection', () => {
    fc.assert(
      fc.property(oneCase, fc.nat(), fc.nat({ max: 255 }), (one, where, byte) => {
        const bytes = answerOf(one)
        bytes[where % bytes.length] = byte
        expect(() => read([one], bytes, [7])).not.toThrow()
      }),
    )
  })
})

describe('what Weir itself sent ahead', () => {
  const answer = Buffer.concat([bindComplete(), commandComplete('SELECT 0'), readyForQuery('I')])

  it('is no news to the client', () => {
    const { told } = read(
      [{ ahead: 'cpc', body: [], named: true }],
      Buffer.concat([closeComplete(), parseComplete(), closeComplete(), answer]),
      [],
    )
    expect(told[0]).toEqual({
      bytes: answer.toString('hex'),
      notes: ['closed', 'parsed', 'closed', 'placed'],
      ends: 'answered',
    })
  })

  it('is no news to the client when a notice comes ahead of it, in one read', () => {
    const { told } = read(
      [{ ahead: 'p', body: [], named: true }],
      Buffer.concat([notice, parseComplete(), answer]),
      [],
    )
    expect(told[0]).toEqual({
      bytes: Buffer.concat([notice, answer]).toString('hex'),
      notes: ['parsed', 'placed'],
      ends: 'answered',
    })
  })

  it('has failed: the request is put back, and its answer swallowed', () => {
    const { told } = read(
      [
        { ahead: 'p', body: [], named: true },
        { ahead: '', body: [], named: false },
      ],
      Buffer.concat([error('42P01'), readyForQuery('I'), answer]),
      [],
    )
    expect(told[0]).toEqual({ bytes: '', notes: ['failed'], ends: 'again' })
    expect(told[1]!.bytes).toBe(answer.toString('hex'))
  })
})

describe('an error', () => {
  it.each([
    ['26000', 'x'],
    ['0A000', 'RevalidateCachedQuery'],
  ])(
    'that says the statement is gone or has changed (%s) puts the request back',
    (code, routine) => {
      const bytes = Buffer.concat([error(code, routine), readyForQuery('I')])
      expect(read([{ ahead: '', body: [], named: true }], bytes, []).told[0]!.ends).toBe('again')
      // Of a statement of the client's own text it is the answer.
      const { told } = read([{ ahead: '', body: [], named: false }], bytes, [])
      expect(told[0]).toEqual({
        bytes: bytes.toString('hex'),
        notes: ['failed'],
        ends: 'answered',
      })
    },
  )

  it('is told when something was given before', () => {
    const bytes = Buffer.concat([bindComplete(), error('26000'), readyForQuery('I')])
    const { told } = read([{ ahead: '', body: [], named: true }], bytes, [])
    expect(told[0]!.ends).toBe('answered')
  })

  it('that is the last word of the server breaks the connection, and is not told as it is', () => {
    const bytes = error('57P01', 'x', 'FATAL')
    const got = read([{ ahead: '', body: [], named: false }], bytes, [])
    expect(got.told[0]).toEqual({ bytes: '', notes: [], ends: 'starved' })
    expect(got.error).toBe('no')
  })
})

it.each([
  ['a transaction that nobody has begun', readyForQuery('T')],
  ['an unexpected message of type "G"', Buffer.from('4700000007000000', 'hex')],
])('breaks the connection: %s', (what, bytes) => {
  const got = read([{ ahead: '', body: [], named: false }], bytes, [])
  expect(got.error).toBe(`the server sent ${what}`)
})

it.each([
  ['an unexpected ReadyForQuery', readyForQuery('I')],
  ['an error that nobody waits for', error('22012')],
  ['an answer that nobody waits for', dataRow(['1'])],
])('breaks the connection when nobody rides: %s', (what, bytes) => {
  expect(read([], bytes, []).error).toBe(`the server sent ${what}`)
})

it('a parameter that changes between two answers is booked', () => {
  expect(read([], parameterStatus('TimeZone', 'UTC'), [2]).parameters).toEqual([
    ['TimeZone', 'UTC'],
  ])
})
