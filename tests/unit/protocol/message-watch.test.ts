/** Where messages begin and end, however the bytes are cut. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PostgresMessageWatch } from '../../../src/protocol/postgres/message-watch.ts'
import { errorResponse, readyForQuery } from '../../../src/wire/postgres/backend.ts'
import { copyData, execute, query, terminate } from '../../../src/wire/postgres/frontend.ts'

const message = fc.uint8Array({ maxLength: 40 }).map((body) => copyData(Buffer.from(body)))
const messages = fc.array(message, { minLength: 1, maxLength: 8 })

/** `bytes` in pieces that begin at these offsets. */
function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [0, ...cuts.map((cut) => cut % bytes.length), bytes.length].sort((a, b) => a - b)
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end))
}

describe('A watch over messages', () => {
  it('knows after any piece whether a message is under way, and what has come whole', () => {
    fc.assert(
      fc.property(messages, fc.array(fc.nat(), { maxLength: 10 }), (list, cuts) => {
        const ends = new Set<number>([0])
        let end = 0
        for (const { length } of list) {
          end += length
          ends.add(end)
        }
        const watch = new PostgresMessageWatch('server')
        let at = 0
        for (const piece of pieces(Buffer.concat(list), cuts)) {
          watch.push(piece)
          const before = [...ends].filter((e) => e > at && e <= at + piece.length)
          expect(watch.whole).toBe(before.length === 0 ? 0 : Math.max(...before) - at)
          at += piece.length
          expect(watch.midMessage).toBe(!ends.has(at))
        }
      }),
    )
  })

  it('finds a goodbye wherever it is cut, and nothing behind it counts', () => {
    fc.assert(
      fc.property(messages, fc.array(fc.nat(), { maxLength: 10 }), (list, cuts) => {
        const watch = new PostgresMessageWatch('client')
        const all = Buffer.concat([...list, terminate(), query('select 1')])
        const said = all.length - query('select 1').length
        let at = 0
        for (const piece of pieces(all, cuts)) {
          watch.push(piece)
          at += piece.length
          expect(watch.last === 'goodbye').toBe(at >= said)
        }
        expect(watch.midMessage).toBe(false)
      }),
    )
  })

  it('leaves the goodbye out of what has come whole', () => {
    const watch = new PostgresMessageWatch('client')
    watch.push(Buffer.concat([query('a'), terminate()]))
    expect(watch.whole).toBe(query('a').length)
  })

  it('tells the last word of a server from an Execute, which has the same letter', () => {
    const server = new PostgresMessageWatch('server')
    server.push(errorResponse({ severity: 'FATAL', code: '57P01', message: 'gone' }))
    expect(server.last).toBe('error')
    server.push(readyForQuery('I'))
    expect(server.last).toBe('other')
    const client = new PostgresMessageWatch('client')
    client.push(execute('', 0))
    expect(client.last).toBe('other')
  })

  it('never trusts what follows a length that cannot be', () => {
    const watch = new PostgresMessageWatch('server')
    watch.push(Buffer.from([0x64, 0, 0, 0, 3]))
    watch.push(readyForQuery('I'))
    expect(watch.midMessage).toBe(true)
    expect(watch.whole).toBe(0)
  })
})
