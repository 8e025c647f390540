/** How one client hears: between transactions, ahead of its own answer, not for ever, not when it left. */
import { beforeEach, describe, expect, it } from 'vitest'
import { WeirError } from '../../../src/core/errors.ts'
import type { Subscribed, Subscriber } from '../../../src/session/channels.ts'
import type { Rooms } from '../../../src/session/rooms.ts'
import {
  commandComplete,
  dataRow,
  notificationResponse,
  readyForQuery,
  rowDescription,
} from '../../../src/wire/postgres/backend.ts'
import { query } from '../../../src/wire/postgres/frontend.ts'
import { asLines } from '../../support/message-text.ts'
import { PaperHouse, ScriptedPool } from '../../support/paper-house.ts'

/** One client, one server connection, and a hub that does what the test says. */
class Table {
  readonly subscribed: { channel: string; done: Subscribed }[] = []
  readonly unsubscribed: string[] = []
  readonly barriers: (() => void)[] = []
  client: Subscriber | undefined
  left = false
  readonly #hub: Rooms['hub'] = {
    subscribe: (subscriber, channel, done) => {
      this.client = subscriber
      this.subscribed.push({ channel, done })
      if (this.willing) done()
    },
    unsubscribe: (_subscriber, channel) => this.unsubscribed.push(channel),
    leave: () => {
      this.left = true
    },
    barrier: (_subscriber, done) => this.barriers.push(done),
  }
  willing = true
  readonly #pool = new ScriptedPool(
    () => {},
    () => 'C',
    (id) => `S${id}`,
  )
  readonly house = new PaperHouse({ hub: this.#hub, notificationBytes: 2_000 }, this.#pool)
  #said: Buffer[] = []
  #asked: Buffer[] = []
  readonly #node = this.house.server((bytes) => this.#asked.push(Buffer.from(bytes)))
  readonly #me = this.house.client((bytes) => this.#said.push(Buffer.from(bytes)))
  readonly session = this.#me.session
  readonly link = this.#me.link

  constructor() {
    this.#pool.add(this.#node.server)
  }

  says(text: string): void {
    this.link.deliver(query(text))
  }

  answers(...messages: Buffer[]): void {
    this.#node.link.deliver(Buffer.concat(messages))
  }

  /** The server tells which channels it listens to, then stops. */
  tellsChannels(...channels: string[]): void {
    const json = channels.length === 0 ? null : JSON.stringify(channels)
    this.answers(
      rowDescription([{ name: 'c', typeOid: 114 }]),
      dataRow([json]),
      commandComplete('SELECT 1'),
      readyForQuery('I'),
    )
    if (channels.length > 0) this.answers(commandComplete('UNLISTEN'), readyForQuery('I'))
  }

  listens(channel: string): void {
    this.says(`listen ${channel}`)
    this.answers(commandComplete('LISTEN'), readyForQuery('I'))
    this.tellsChannels(channel)
    this.heard()
  }

  notifies(channel: string, payload: string): void {
    this.client!.notify(channel, notificationResponse(7, channel, payload))
    this.house.turn.flush()
  }

  /** What the client was told since the last call. */
  heard(): string[] {
    this.house.turn.flush()
    return asLines(Buffer.concat(this.#said.splice(0)), 'server').lines
  }

  /** What the server was asked since. */
  asked(): string[] {
    this.house.turn.flush()
    return asLines(Buffer.concat(this.#asked.splice(0)), 'client').lines
  }
}

let table: Table

beforeEach(() => {
  table = new Table()
})

describe('A client that listens', () => {
  it('waits with its LISTEN until the channel is listened to, and with all that follows', () => {
    table.willing = false
    table.says('listen news')
    table.says('select 1')
    expect(table.asked()).toEqual([])
    table.subscribed[0]!.done()
    expect(table.asked()[0]).toContain('listen news')
  })

  it('is told why it cannot, and goes on', () => {
    table.willing = false
    table.says('listen news')
    table.says('select 1')
    table.subscribed[0]!.done(new WeirError('X', 'not here', { sqlstate: '25006' }))
    expect(table.heard().join()).toMatch(/25006 "not here".*ReadyForQuery/)
    expect(table.asked()[0]).toContain('select 1')
  })

  it('may cancel while it waits', () => {
    table.willing = false
    table.says('listen news')
    void table.session.cancel()
    expect(table.heard().join()).toMatch(/57014/)
    expect(table.unsubscribed).toEqual(['news'])
    table.says('select 1')
    expect(table.asked()[0]).toContain('select 1')
  })

  it('is forgotten when it leaves while it waits', () => {
    table.willing = false
    table.says('listen news')
    table.link.hangUp()
    expect(table.left).toBe(true)
    expect(table.session.state).toBe('closed')
  })

  it('hears at once when it is idle, and only what it listens to', () => {
    table.listens('news')
    table.notifies('news', '1')
    table.notifies('other', '2')
    expect(table.heard()).toEqual(['NotificationResponse 7 "news" "1"'])
    expect(table.house.counters).toMatchObject({ listening: 1, notificationsDelivered: 1 })
  })

  it('gives a channel up when its transaction never happened', () => {
    table.says('begin')
    table.answers(commandComplete('BEGIN'), readyForQuery('T'))
    table.says('listen news')
    table.answers(commandComplete('LISTEN'), readyForQuery('T'))
    table.says('rollback')
    table.answers(commandComplete('ROLLBACK'), readyForQuery('I'))
    table.tellsChannels()
    expect(table.unsubscribed).toEqual(['news'])
    expect([...table.session.channels]).toEqual([])
  })

  it('has left a channel although an older question is still to be answered', () => {
    table.says('listen news')
    table.answers(commandComplete('LISTEN'), readyForQuery('I'))
    // The question about the LISTEN is on its way.
    table.says('unlisten news')
    table.answers(rowDescription([{ name: 'c', typeOid: 114 }]), dataRow(['["news"]']))
    table.answers(commandComplete('SELECT 1'), readyForQuery('I'))
    table.answers(commandComplete('UNLISTEN'), readyForQuery('I'))
    table.tellsChannels()
    expect([...table.session.channels]).toEqual([])
    expect(table.unsubscribed).toEqual(['news'])
    expect(table.session.state).toBe('idle')
  })

  it('keeps a channel whose UNLISTEN was rolled back, and not one whose UNLISTEN was committed', () => {
    table.listens('news')
    table.asked()
    const unlisten = (end: string, mark: string | null): void => {
      table.says('begin')
      table.answers(commandComplete('BEGIN'), readyForQuery('T'))
      table.says('unlisten news')
      const value = /SET weir\.left_\d+ = '([^']+)'/.exec(table.asked().join('\n'))![1]!
      table.answers(commandComplete('SET'), readyForQuery('T'))
      table.answers(commandComplete('UNLISTEN'), readyForQuery('T'))
      table.says(end)
      table.answers(commandComplete(end.toUpperCase()), readyForQuery('I'))
      // It is told what came before the end of a transaction that leaves a channel.
      for (const done of table.barriers.splice(0)) done()
      table.answers(rowDescription([{ name: 'c', typeOid: 114 }]))
      table.answers(dataRow([null, mark ?? value]), commandComplete('SELECT 1'), readyForQuery('I'))
    }
    unlisten('rollback', 'an older one')
    expect([...table.session.channels]).toEqual(['news'])
    unlisten('commit', null)
    expect([...table.session.channels]).toEqual([])
  })

  it('hears after the end of its transaction what came during it', () => {
    table.listens('news')
    table.says('begin')
    table.answers(commandComplete('BEGIN'), readyForQuery('T'))
    table.heard()
    table.notifies('news', '1')
    expect(table.heard()).toEqual([])
    table.says('commit')
    table.answers(commandComplete('COMMIT'), readyForQuery('I'))
    expect(table.heard()).toEqual([
      'CommandComplete "COMMIT"',
      'ReadyForQuery I',
      'NotificationResponse 7 "news" "1"',
    ])
  })

  it('hears what it notified itself of before its answer ends', () => {
    table.listens('news')
    table.says(`notify news, 'mine'`)
    table.answers(commandComplete('NOTIFY'), readyForQuery('I'))
    expect(table.heard()).toEqual(['CommandComplete "NOTIFY"'])
    table.notifies('news', 'mine')
    table.barriers[0]!()
    expect(table.heard()).toEqual(['NotificationResponse 7 "news" "mine"', 'ReadyForQuery I'])
    table.says('select 1')
    table.answers(commandComplete('SELECT 1'), readyForQuery('I'))
    expect(table.heard()).toEqual(['CommandComplete "SELECT 1"', 'ReadyForQuery I'])
    expect(table.barriers).toHaveLength(1)
  })

  it('that leaves before its answer ends leaves its server connection usable', () => {
    table.listens('news')
    table.says(`notify news, 'mine'`)
    table.answers(commandComplete('NOTIFY'), readyForQuery('I'))
    table.link.hangUp()
    table.barriers[0]!()
    expect(table.session.state).toBe('closed')
  })

  it('is told that something may be missing when it is idle', () => {
    table.listens('news')
    table.client!.missed(new WeirError('X', 'the server went away'))
    expect(table.heard().join()).toMatch(/NoticeResponse WARNING 01000/)
  })

  it('is closed when more waits than may', () => {
    table.listens('news')
    table.link.congested = true
    for (let i = 0; i < 20; i++) table.notifies('news', 'x'.repeat(200))
    expect(table.session.state).toBe('closed')
    expect(table.heard().join()).toMatch(/FATAL 53400/)
    expect(table.house.counters.closed.snapshot()).toEqual({ 'notifications-overflow': 1 })
    expect(table.left).toBe(true)
    expect(table.house.counters.listening).toBe(0)
  })

  it('hears what waited when it reads again', () => {
    table.listens('news')
    table.link.congested = true
    table.notifies('news', '1')
    table.notifies('news', '2')
    expect(table.heard()).toEqual([])
    table.link.congested = false
    table.link.receiver.drained()
    expect(table.heard()).toHaveLength(2)
  })
})
