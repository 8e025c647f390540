/**
 * Clients that share server connections, on paper: sessions, lanes and server connections are the
 * real ones; the test plays clients and nodes. Rule: each query is `select '<who>'` and is answered
 * with that, so a swapped answer shows.
 */
import type { WeirError } from '../../src/core/errors.ts'
import type { ServerConnection } from '../../src/server/server-connection.ts'
import type { ClientSession } from '../../src/session/client-session.ts'
import { Lanes } from '../../src/session/lanes.ts'
import { SHARING, type SharingRules } from '../../src/session/rider.ts'
import { commandComplete, dataRow, readyForQuery } from '../../src/wire/postgres/backend.ts'
import { query } from '../../src/wire/postgres/frontend.ts'
import { PaperHouse, type PaperHouseOptions, type PaperLink } from './paper-house.ts'

export interface PaperNode {
  readonly server: ServerConnection
  readonly link: PaperLink
  /** Who was asked for and is not answered yet, in order. */
  readonly asked: string[]
  /** Answers so many of those, in one read. */
  answer(count?: number): void
}

export interface PaperClient {
  readonly session: ClientSession
  readonly link: PaperLink
  /** Values, SQLSTATEs and `closed`, as they came. */
  readonly got: string[]
  ask(text: string): void
}

interface Waiter {
  granted(server: ServerConnection, node: string): void
  refused(error: WeirError): void
}

export class SharingTable {
  readonly house: PaperHouse
  readonly notes: string[] = []
  readonly nodes: PaperNode[] = []
  /** Of the pool. */
  serves = true
  maximum = 1
  readonly #free: ServerConnection[] = []
  readonly #line: Waiter[] = []
  #recall: ((all?: boolean) => void) | undefined

  constructor(rules: Partial<SharingRules> = {}, options: PaperHouseOptions = {}) {
    const table = this
    const pool = {
      get serves() {
        return table.serves
      },
      get short() {
        return table.#line.length > 0
      },
      get maximum() {
        return table.maximum
      },
      set recall(recall: ((all?: boolean) => void) | undefined) {
        table.#recall = recall
      },
      openAhead: () => {},
      tryBorrow: () => table.#take('lane'),
      borrow: (waiter: Waiter) => table.#borrow(waiter),
      release: (server: ServerConnection) => table.#release(server),
    }
    this.house = new PaperHouse(
      {
        retryReads: true,
        note: (text) => this.notes.push(text),
        ...options,
        lanes: ({ clock, home }) =>
          new Lanes({
            rules: { ...SHARING, connections: 1, ...rules },
            clock,
            home,
            router: { current: () => pool } as never,
          }),
      },
      {
        tryBorrow: () => this.#take('client'),
        borrow: (_route, waiter) => this.#borrow(waiter),
        home: () => ({
          release: (server) => this.#release(server),
          discard: (server, reason) => {
            this.notes.push(`S${server.id} is given up`)
            server.destroy(reason)
          },
        }),
      },
    )
  }

  #take(who: string): ServerConnection | undefined {
    const server = this.#free.shift()
    if (server !== undefined) this.notes.push(`${who} takes S${server.id}`)
    return server
  }

  #borrow(waiter: Waiter): { cancel(): void } {
    this.#recall?.()
    const server = this.#take('client')
    if (server !== undefined) waiter.granted(server, 'node-1')
    else this.#line.push(waiter)
    return {
      cancel: () => {
        const at = this.#line.indexOf(waiter)
        if (at >= 0) this.#line.splice(at, 1)
      },
    }
  }

  #release(server: ServerConnection): void {
    this.notes.push(`S${server.id} comes back ${server.condition()}`)
    if (server.condition() === 'broken') return
    const waiter = this.#line.shift()
    if (waiter === undefined) this.#free.push(server)
    else {
      this.notes.push(`client takes S${server.id}`)
      waiter.granted(server, 'node-1')
    }
  }

  /** The pool stops lending, or has everything back. */
  recall(all?: boolean): void {
    this.#recall?.(all)
  }

  node(): PaperNode {
    const asked: string[] = []
    const { server, link } = this.house.server((bytes) => {
      for (let at = 0; at < bytes.length; at += 1 + bytes.readUInt32BE(at + 1)) {
        const text = bytes.toString('latin1', at + 5, at + bytes.readUInt32BE(at + 1))
        asked.push(/'(.*)'/.exec(text)?.[1] ?? text)
      }
    })
    const node: PaperNode = {
      server,
      link,
      asked,
      answer: (count = 1) =>
        link.deliver(Buffer.concat(asked.splice(0, count).map((who) => answerTo(who)))),
    }
    this.nodes.push(node)
    this.#free.push(server)
    return node
  }

  client(): PaperClient {
    const got: string[] = []
    let rest: Buffer = Buffer.alloc(0)
    const { session, link } = this.house.client((bytes) => {
      rest = Buffer.concat([rest, bytes])
      while (rest.length >= 5 && rest.length > rest.readUInt32BE(1)) {
        const frame = rest.subarray(0, 1 + rest.readUInt32BE(1))
        rest = rest.subarray(frame.length)
        const letter = String.fromCharCode(frame[0]!)
        if (letter === 'D') got.push(frame.toString('latin1', 11))
        if (letter === 'E') got.push(/\0C(.{5})\0/.exec(frame.toString('latin1'))![1]!)
        if (letter === 'Z') got.push('Z')
      }
    })
    return { session, link, got, ask: (text) => link.deliver(query(text)) }
  }
}

export function answerTo(who: string): Buffer {
  return Buffer.concat([dataRow([who]), commandComplete('SELECT 1'), readyForQuery('I')])
}
