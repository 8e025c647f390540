/** A replication session between two links that can be full, and its books. */
import { beforeEach, describe, expect, it } from 'vitest'
import type { AuditEvent } from '../../../src/core/audit.ts'
import type { ServerConnection } from '../../../src/server/server-connection.ts'
import type { ReplicationSession } from '../../../src/session/replication-session.ts'
import { copyData, terminate } from '../../../src/wire/postgres/frontend.ts'
import { PaperHouse, type PaperLink } from '../../support/paper-house.ts'

const MESSAGE = copyData(Buffer.from('some of it'))

let house: PaperHouse
let server: { server: ServerConnection; link: PaperLink }
let client: { session: ReplicationSession; link: PaperLink }
let given: string[]
let told: AuditEvent[]

beforeEach(() => {
  given = []
  told = []
  house = new PaperHouse(
    { audit: { closed: undefined, wants: () => true, tell: (event) => told.push(event) } },
    {
      tryBorrow: () => undefined,
      borrow: () => ({ cancel: () => {} }),
      home: () => ({
        release: () => given.push('released'),
        discard: (back, reason) => {
          given.push(`discarded while ${back.closed ? 'closed' : 'open'}`)
          back.destroy(reason)
        },
      }),
    },
  )
  server = house.server(() => {}, {}, true)
  client = house.replicationClient(() => {}, server.server)
})

describe('A replication session', () => {
  it('does not read a client whose server cannot take more, until it can', () => {
    expect(client.link.paused).toBe(false)
    server.link.congested = true
    client.link.deliver(MESSAGE)
    expect(client.link.paused).toBe(true)
    server.link.congested = false
    server.link.receiver.drained()
    expect(client.link.paused).toBe(false)
  })

  it('does not read a server whose client cannot take more, until it can', () => {
    expect(server.link.paused).toBe(false)
    client.link.congested = true
    server.link.deliver(MESSAGE)
    expect(server.link.paused).toBe(true)
    expect(client.link.paused).toBe(false)
    client.link.congested = false
    client.link.receiver.drained()
    expect(server.link.paused).toBe(false)
  })

  it('is looked after no more once it has left, though its client has not taken all', () => {
    server.link.deliver(MESSAGE.subarray(0, 7))
    client.session.shutDown('draining')
    client.link.congested = true
    server.link.deliver(MESSAGE.subarray(7))
    expect([client.session.state, house.slow.size]).toEqual(['closed', 0])
  })

  it('is pinned, counted, and seen where it is', () => {
    expect([...client.session.pins]).toEqual(['replication'])
    expect(told).toEqual([expect.objectContaining({ kind: 'pin', reason: 'replication' })])
    expect(client.session.state).toBe('leased')
    expect(client.session.leasedNode).toBe('node-1')
    expect(house.sessions.size).toBe(1)
    const { counters } = house
    expect(counters.pins.snapshot()).toEqual({ replication: 1 })
    expect([counters.clients, counters.established]).toEqual([1, 1])
    client.link.deliver(terminate())
    expect(house.sessions.size).toBe(0)
    expect([counters.clients, counters.established]).toEqual([0, 1])
    expect(counters.closed.snapshot()).toEqual({ 'client-quit': 1 })
    expect(counters.bytesFromClients).toBe(terminate().length)
  })

  it('gives its server connection up, once, and never back', () => {
    client.link.hangUp()
    client.session.close('draining')
    server.link.hangUp()
    expect(given).toEqual(['discarded while closed'])
  })

  it('has no idle timeout', () => {
    const idle = new PaperHouse(
      { timeouts: { idleMs: 1_000 } },
      {
        tryBorrow: () => undefined,
        borrow: () => ({ cancel: () => {} }),
        home: () => ({ release: () => {}, discard: () => {} }),
      },
    )
    const own = idle.server(() => {}, {}, true)
    const { session } = idle.replicationClient(() => {}, own.server)
    expect(idle.wheel.armed).toBe(0)
    expect(session.state).toBe('leased')
  })
})
