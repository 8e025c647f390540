import { beforeEach, describe, expect, it } from 'vitest'
import { OWED } from '../../../src/protocol/postgres/ledger.ts'
import { type Habits, SequenceWatch } from '../../../src/protocol/postgres/sequence-watch.ts'
import { PostgresServerConversation } from '../../../src/protocol/postgres/server-conversation.ts'
import {
  INSERT,
  SEQUENCE_READ,
  SEQUENCE_WRITE,
  UNSEEN,
} from '../../../src/protocol/postgres/sql/effects.ts'

let habits: Habits
let ann: SequenceWatch
let ben: SequenceWatch

beforeEach(() => {
  habits = { readsSequences: false, database: { minds: false } }
  ann = new SequenceWatch(habits)
  ben = new SequenceWatch(habits)
})

function connection(): PostgresServerConversation {
  return new PostgresServerConversation({
    parameters: new Map(),
    cancelKey: undefined,
    preparedLimit: 10,
    initQuery: '',
  })
}

/** What happens when this client sends something with these effects. */
function does(who: SequenceWatch, server: PostgresServerConversation, bits: number) {
  let forgets = false
  const pins = who.sees(server, bits, (bytes) => {
    forgets = bytes.toString('latin1').includes('DISCARD SEQUENCES')
  })
  return { forgets, pins }
}

const NOTHING = { forgets: false, pins: false }
const FORGETS = { forgets: true, pins: false }

describe('While nobody has read a sequence', () => {
  it('whoever moves one costs nothing', () => {
    const server = connection()
    for (const bits of [SEQUENCE_WRITE, INSERT, UNSEEN, 0]) {
      expect(does(ann, server, bits)).toEqual(NOTHING)
      expect(does(ben, server, bits)).toEqual(NOTHING)
    }
  })
})

describe('Whoever reads one', () => {
  it('reads it where it was moved, and the server knows so', () => {
    const server = connection()
    does(ann, server, SEQUENCE_WRITE)
    expect(ann.knowing).toBe(server)
    expect(does(ann, server, SEQUENCE_READ)).toEqual(NOTHING)
  })

  it('makes a server forget what another has moved', () => {
    const server = connection()
    does(ann, server, SEQUENCE_WRITE)
    expect(does(ben, server, SEQUENCE_READ)).toEqual(FORGETS)
    expect(ann.knowing).toBeUndefined()
    expect(does(ann, server, SEQUENCE_READ)).toEqual(FORGETS)
  })

  it('makes a server forget what another has moved before the reader was seen to mind', () => {
    const server = connection()
    does(ann, server, SEQUENCE_WRITE)
    // An INSERT may have moved nothing.
    expect(does(ben, server, INSERT)).toEqual(NOTHING)
    expect(does(ben, server, SEQUENCE_READ)).toEqual(FORGETS)
    expect(does(ben, server, SEQUENCE_READ)).toEqual(NOTHING)
  })

  it('has not made a server forget in a transaction that had failed', () => {
    const server = connection()
    does(ann, server, SEQUENCE_WRITE)
    server.status = 'failed'
    does(ben, server, SEQUENCE_READ)
    server.status = 'idle'
    expect(does(ben, server, SEQUENCE_READ)).toEqual(FORGETS)
  })

  it('has not made a server forget behind an error in the same batch', () => {
    const server = connection()
    does(ann, server, SEQUENCE_WRITE)
    server.ledger.openBatch()
    server.ledger.push(OWED.EXECUTE)
    expect(does(ben, server, SEQUENCE_READ)).toEqual(FORGETS)
    server.ledger.fail()
    expect(ben.knowing).toBeUndefined()
  })

  it('makes others forget before they move one, so that numbers are never mixed', () => {
    const server = connection()
    does(ann, server, SEQUENCE_WRITE | SEQUENCE_READ)
    expect(does(ben, server, INSERT)).toEqual(FORGETS)
    expect(does(ben, server, SEQUENCE_READ)).toEqual(NOTHING)
  })

  it('in a later transaction pins all of its kind from when they move one', () => {
    const server = connection()
    does(ann, server, SEQUENCE_WRITE)
    does(ann, server, SEQUENCE_READ)
    expect(does(ann, server, SEQUENCE_WRITE).pins).toBe(true)
    expect(does(ben, server, INSERT).pins).toBe(true)
    expect(does(ben, server, 0).pins).toBe(false)
  })

  it('in the same transaction pins nobody', () => {
    const server = connection()
    does(ann, server, SEQUENCE_WRITE)
    server.status = 'open'
    does(ann, server, SEQUENCE_READ)
    expect(does(ann, server, SEQUENCE_WRITE).pins).toBe(false)
  })

  it('finds no old number where it moved one before it moved one elsewhere', () => {
    const [first, second] = [connection(), connection()]
    does(ann, first, SEQUENCE_WRITE)
    does(ann, second, SEQUENCE_WRITE)
    expect(ann.knowing).toBe(second)
    does(ben, second, SEQUENCE_WRITE)
    expect(does(ann, first, SEQUENCE_READ)).toEqual(FORGETS)
  })

  it('leaves no old number for what reads one unseen, like the default of a column', () => {
    const [first, second] = [connection(), connection()]
    does(ann, first, SEQUENCE_WRITE | SEQUENCE_READ)
    does(ann, second, INSERT)
    expect(does(ann, first, INSERT)).toEqual(FORGETS)
  })

  it('finds nothing of what it moved before it forgot', () => {
    const server = connection()
    does(ann, server, SEQUENCE_WRITE)
    ann.forget()
    expect(ann.knowing).toBeUndefined()
    expect(does(ann, server, SEQUENCE_READ)).toEqual(FORGETS)
  })
})
