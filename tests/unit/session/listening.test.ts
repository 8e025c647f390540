/** The shared listener: one server connection for many clients, whatever comes and goes meanwhile. */
import { beforeEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../../../src/core/clock.ts'
import { WeirError } from '../../../src/core/errors.ts'
import { silentLog } from '../../../src/core/log.ts'
import { TimerWheel } from '../../../src/core/timer-wheel.ts'
import type { Route, RouteWaiter } from '../../../src/endpoint/router.ts'
import { MARKS } from '../../../src/protocol/postgres/senders.ts'
import type { ServerConnection } from '../../../src/server/server-connection.ts'
import type { Subscriber } from '../../../src/session/channels.ts'
import { ListenerHub } from '../../../src/session/listening.ts'
import {
  commandComplete,
  errorResponse,
  notificationResponse,
  readyForQuery,
} from '../../../src/wire/postgres/backend.ts'
import { PaperHouse, type PaperLink } from '../../support/paper-house.ts'

type Waiter = RouteWaiter<ServerConnection>

/** The hub, a router that does what the test says, and servers whose queries are kept as text. */
class Table {
  readonly clock = new FakeClock()
  readonly wheel = new TimerWheel(100, () => this.clock.monotonic())
  readonly counters = {
    listeners: 0,
    listenedChannels: 0,
    listenersLost: 0,
    notificationsReceived: 0,
  }
  readonly log: string[] = []
  readonly borrows: { route: Route<ServerConnection>; waiter: Waiter; cancelled: boolean }[] = []
  readonly back: { server: ServerConnection; how: string }[] = []
  readonly said: string[] = []
  readonly house = new PaperHouse({}, {
    tryBorrow: () => undefined,
    borrow: () => ({ cancel: () => {} }),
    home: () => this.#home,
  } as never)
  readonly hub = new ListenerHub({
    protocol: this.house.protocol,
    router: {
      borrow: (route, waiter) => {
        const entry = { route, waiter, cancelled: false }
        this.borrows.push(entry)
        if (this.refusal !== undefined) waiter.refused(this.refusal)
        return {
          cancel: () => {
            entry.cancelled = true
          },
        }
      },
    },
    clock: this.clock,
    wheel: this.wheel,
    log: {
      ...silentLog,
      warn: (_fields, text) => this.log.push(text),
      info: (_fields, text) => this.log.push(text),
    },
    counters: this.counters,
    home: () => this.#home,
  })
  /** Borrows are refused at once while this is set. */
  refusal: WeirError | undefined
  server!: ServerConnection
  link!: PaperLink
  #home = {
    release: (server: ServerConnection) => this.back.push({ server, how: 'released' }),
    discard: (server: ServerConnection) => this.back.push({ server, how: 'discarded' }),
  }

  /** Lends a fresh server connection to the newest borrower. */
  grant(): void {
    const { server, link } = this.house.server((bytes) => {
      this.said.push(bytes.toString('utf8', 5, bytes.length - 1))
    })
    this.server = server
    this.link = link
    this.borrows.at(-1)!.waiter.granted(server, 'node-1')
    this.house.turn.flush()
  }

  /** The server carries out what it was asked last. */
  answer(): void {
    this.link.deliver(Buffer.concat([commandComplete('LISTEN'), readyForQuery('I')]))
  }

  refuse(code: string, message: string): void {
    const error = errorResponse({ severity: 'ERROR', code, message })
    this.link.deliver(Buffer.concat([error, readyForQuery('I')]))
  }

  notify(channel: string, payload: string, pid = 900): void {
    this.link.deliver(notificationResponse(pid, channel, payload))
  }

  /** Queries since the last call. */
  sql(): string[] {
    this.house.turn.flush()
    return this.said.splice(0).map((text) => text.replace(`LISTEN "${MARKS}";`, ''))
  }

  pass(ms: number): void {
    this.clock.advance(ms)
    this.wheel.turn()
    this.house.turn.flush()
  }
}

class Listening implements Subscriber {
  readonly route: Subscriber['route']
  readonly dialect: string
  readonly heard: string[] = []
  /** Ends of subscriptions, by channel. */
  readonly ends: string[] = []
  readonly misses: string[] = []
  #hub: ListenerHub

  constructor(
    hub: ListenerHub,
    about: { endpoint?: string; database?: string; user?: string; dialect?: string } = {},
  ) {
    const { endpoint = 'writer', database = 'app', user = 'weir', dialect = '' } = about
    const kind = endpoint === 'writer' || endpoint === 'main' ? 'writer' : 'reader'
    const rule = { name: endpoint, kind } as Subscriber['route']['endpoint']['rule']
    this.#hub = hub
    this.dialect = dialect
    this.route = { endpoint: { rule, turns: {} as never, gate: {} as never }, database, user }
  }

  listen(channel: string): this {
    this.#hub.subscribe(this, channel, (error) => {
      this.ends.push(
        error === undefined ? channel : `${channel}: ${error.sqlstate} ${error.message}`,
      )
    })
    return this
  }

  notify(channel: string, message: Buffer): void {
    this.heard.push(
      `${channel} ${message.toString('utf8', 10 + channel.length, message.length - 1)}`,
    )
  }

  missed(error: WeirError): void {
    this.misses.push(error.message)
  }
}

let table: Table
const client = (about = {}) => new Listening(table.hub, about)

beforeEach(() => {
  table = new Table()
})

/** A client that listens to these, and the server does. */
function listening(...channels: string[]): Listening {
  const one = client()
  for (const channel of channels) one.listen(channel)
  table.grant()
  table.answer()
  if (table.server.conversation.owing) table.answer()
  table.sql()
  return one
}

describe('The shared listener', () => {
  it('borrows one server connection for all, and says when the server listens', () => {
    const [a, b] = [client().listen('jobs'), client().listen('jobs')]
    expect(table.borrows).toHaveLength(1)
    expect(table.borrows[0]!.route).toMatchObject({
      database: 'app',
      user: 'weir',
      purpose: 'listen',
    })
    table.grant()
    expect(table.sql()).toEqual(['LISTEN "jobs"'])
    expect([a.ends, b.ends]).toEqual([[], []])
    table.answer()
    expect([a.ends, b.ends]).toEqual([['jobs'], ['jobs']])
    // Who comes later costs the server nothing, and need not wait.
    expect(client().listen('jobs').ends).toEqual(['jobs'])
    expect(table.sql()).toEqual([])
    expect(table.counters.listeners).toBe(1)
  })

  it('brings a notification to each who listens to its channel, in order', () => {
    const a = listening('jobs', 'news')
    const b = client().listen('jobs')
    table.notify('jobs', '1')
    table.notify('news', '2')
    table.notify('jobs', '3')
    table.notify('nobody', '4')
    expect(a.heard).toEqual(['jobs 1', 'news 2', 'jobs 3'])
    expect(b.heard).toEqual(['jobs 1', 'jobs 3'])
    expect(table.counters.notificationsReceived).toBe(4)
  })

  it('asks for what was wanted meanwhile in one request', () => {
    const a = client().listen('one')
    table.grant()
    a.listen('two').listen('three')
    expect(table.sql()).toEqual(['LISTEN "one"'])
    table.answer()
    expect(table.sql()).toEqual(['LISTEN "two";LISTEN "three"'])
    table.answer()
    expect(a.ends).toEqual(['one', 'two', 'three'])
  })

  it('stops listening when the last one leaves a channel', () => {
    const a = listening('jobs', 'news')
    const b = client().listen('jobs')
    table.hub.unsubscribe(a, 'jobs')
    expect(table.sql()).toEqual([])
    table.hub.unsubscribe(b, 'jobs')
    expect(table.sql()).toEqual(['UNLISTEN "jobs"'])
    table.answer()
    table.notify('news', '1')
    expect(a.heard).toEqual(['news 1'])
  })

  it('listens in the end when somebody comes while it is being given up', () => {
    const a = listening('jobs')
    table.hub.unsubscribe(a, 'jobs')
    expect(table.sql()).toEqual(['UNLISTEN "jobs"'])
    const b = client().listen('jobs')
    expect(b.ends).toEqual([])
    table.answer()
    expect(table.sql()).toEqual(['LISTEN "jobs"'])
    expect(b.ends).toEqual([])
    table.answer()
    expect(b.ends).toEqual(['jobs'])
  })

  it('stops in the end when the only one leaves before it listens', () => {
    const a = client().listen('jobs')
    table.grant()
    table.hub.unsubscribe(a, 'jobs')
    table.answer()
    expect(table.sql()).toEqual(['LISTEN "jobs"', 'UNLISTEN "jobs"'])
    expect(a.ends).toEqual([])
  })

  it('asks nothing when somebody leaves and comes back during another request', () => {
    const a = listening('jobs')
    a.listen('other')
    table.hub.unsubscribe(a, 'jobs')
    a.listen('jobs')
    expect(a.ends).toEqual(['jobs', 'jobs'])
    table.answer()
    expect(table.sql()).toEqual(['LISTEN "other"'])
  })

  it('tells when everything sent before has been handed out', () => {
    const a = listening('jobs')
    const order: string[] = []
    table.hub.barrier(a, () => order.push(`first, heard ${a.heard.length}`))
    table.hub.barrier(a, () => order.push(`second, heard ${a.heard.length}`))
    expect(table.sql()).toEqual([''])
    table.notify('jobs', '1')
    table.answer()
    // The second came when the first request was on its way, so another is needed.
    expect(order).toEqual(['first, heard 1'])
    expect(table.sql()).toEqual([''])
    table.answer()
    expect(order).toEqual(['first, heard 1', 'second, heard 1'])
    expect(table.sql()).toEqual([])
  })

  it('keeps nobody waiting for what cannot be heard', () => {
    const a = listening('jobs')
    const order: string[] = []
    table.hub.barrier(a, () => order.push('asked'))
    table.hub.barrier(a, () => order.push('not asked'))
    table.link.hangUp()
    table.hub.barrier(a, () => order.push('gone'))
    table.hub.barrier(client(), () => order.push('a stranger'))
    expect(order).toEqual(['asked', 'not asked', 'gone', 'a stranger'])
  })

  it('keeps apart what may not be mixed: endpoints, databases and ways of reading text', () => {
    client().listen('jobs')
    client({ endpoint: 'main', user: 'other' }).listen('jobs')
    expect(table.borrows).toHaveLength(1)
    client({ endpoint: 'reader' }).listen('jobs')
    client({ database: 'shop' }).listen('jobs')
    client({ dialect: 'LATIN1' }).listen('jobs')
    expect(table.borrows).toHaveLength(4)
  })
})

describe('A listener nobody needs any more', () => {
  it('gives its server connection back after a while, to be reset', () => {
    const a = listening('jobs')
    table.hub.unsubscribe(a, 'jobs')
    expect(table.sql()).toEqual(['UNLISTEN "jobs"'])
    table.answer()
    table.pass(4_000)
    expect(table.back).toEqual([])
    table.pass(2_000)
    expect(table.back).toEqual([{ server: table.server, how: 'released' }])
    expect(table.server.condition()).toBe('dirty')
    expect(table.counters.listeners).toBe(0)
    a.listen('jobs')
    expect(table.borrows).toHaveLength(2)
  })

  it('keeps it when somebody comes in time', () => {
    const a = listening('jobs')
    table.hub.leave(a)
    table.answer()
    table.pass(4_000)
    const b = client().listen('jobs')
    table.answer()
    table.pass(60_000)
    expect(b.ends).toEqual(['jobs'])
    expect(table.back).toEqual([])
    expect(table.borrows).toHaveLength(1)
  })

  it('gives up its wait for one', () => {
    const a = client().listen('jobs')
    table.hub.leave(a)
    expect(table.borrows[0]!.cancelled).toBe(true)
    expect(a.ends).toEqual([])
    client().listen('jobs')
    expect(table.borrows).toHaveLength(2)
  })

  it('gives everything back when the hub closes', () => {
    const a = listening('jobs')
    table.hub.close()
    expect(table.back).toEqual([{ server: table.server, how: 'released' }])
    table.hub.leave(a)
    expect(table.back).toHaveLength(1)
  })
})

describe('A listener whose server connection is lost', () => {
  it('borrows another and listens to everything again', () => {
    const a = listening('jobs', 'news')
    table.pass(2_000)
    table.link.hangUp()
    expect(table.back).toEqual([{ server: table.server, how: 'discarded' }])
    expect(table.borrows).toHaveLength(2)
    table.grant()
    expect(table.sql()).toEqual(['LISTEN "jobs";LISTEN "news"'])
    table.answer()
    table.notify('news', '1')
    expect(a.heard).toEqual(['news 1'])
    expect(a.misses).toHaveLength(1)
    expect(table.log).toHaveLength(2)
    expect(table.counters).toMatchObject({ listeners: 1, listenersLost: 1 })
  })

  it('tells whoever came meanwhile when the server listens', () => {
    listening('jobs')
    table.pass(2_000)
    table.link.hangUp()
    const b = client().listen('jobs')
    expect(b.ends).toEqual([])
    table.grant()
    table.answer()
    expect(b.ends).toEqual(['jobs'])
  })

  it('goes on elsewhere at once, but not again and again without a pause', () => {
    listening('jobs')
    table.link.hangUp()
    expect(table.borrows).toHaveLength(2)
    table.grant()
    table.answer()
    table.link.hangUp()
    expect(table.borrows).toHaveLength(2)
    table.pass(1_200)
    expect(table.borrows).toHaveLength(3)
  })

  it('lets it go when nobody listens any more', () => {
    const a = listening('jobs')
    table.hub.leave(a)
    table.link.hangUp()
    table.pass(60_000)
    expect(table.borrows).toHaveLength(1)
    expect(table.log).toEqual([])
  })

  it('keeps who listened when no other can be had, and tries until one can', () => {
    const a = listening('jobs')
    table.pass(2_000)
    table.refusal = new WeirError('WEIR_BORROW_FAILED', 'nobody serves', { sqlstate: '08001' })
    table.link.hangUp()
    const b = client({ user: 'other' }).listen('jobs')
    table.pass(1_200)
    expect(b.ends).toEqual(['jobs: 08001 nobody serves'])
    expect(a.ends).toEqual(['jobs'])
    table.pass(1_200)
    table.refusal = undefined
    table.pass(1_200)
    table.grant()
    table.answer()
    table.notify('jobs', '1')
    expect(a.heard).toEqual(['jobs 1'])
    expect(b.heard).toEqual([])
    expect(table.log).toHaveLength(2)
  })

  it('tries with another user when its own can no longer log in', () => {
    listening('jobs')
    client({ user: 'other' }).listen('jobs')
    table.pass(2_000)
    table.refusal = new WeirError('WEIR_OPEN_REFUSED', 'no such role', { sqlstate: '28000' })
    table.link.hangUp()
    table.refusal = undefined
    table.pass(1_200)
    expect(table.borrows.at(-1)!.route.user).toBe('other')
  })
})

describe('A server that will not listen', () => {
  it('is quoted to the client, and the connection serves others', () => {
    const a = client().listen('jobs')
    table.grant()
    table.refuse('25006', 'cannot execute LISTEN during recovery')
    expect(a.ends).toEqual(['jobs: 25006 cannot execute LISTEN during recovery'])
    a.listen('more')
    table.answer()
    expect(a.ends[1]).toBe('more')
    expect(table.borrows).toHaveLength(1)
  })

  it('to one name of many still listens to the others', () => {
    const a = client().listen('first')
    table.grant()
    for (const name of ['a', 'b', 'bad', 'c']) a.listen(name)
    table.answer()
    for (let tries = 0; tries < 20 && table.server.conversation.owing; tries++) {
      const last = table.sql().at(-1)!
      if (last.includes('"bad"')) table.refuse('22021', 'no such name')
      else table.answer()
    }
    expect([...a.ends].sort()).toEqual(['a', 'b', 'bad: 22021 no such name', 'c', 'first'])
  })

  it('is given back when others had that channel before, who get it elsewhere later', () => {
    const a = listening('jobs')
    table.pass(2_000)
    table.link.hangUp()
    table.grant()
    table.refuse('25006', 'cannot execute LISTEN during recovery')
    expect(table.back.at(-1)).toEqual({ server: table.server, how: 'released' })
    expect(a.misses).toEqual([])
    table.pass(1_200)
    table.grant()
    table.answer()
    expect(a.misses).toHaveLength(1)
    table.notify('jobs', '1')
    expect(a.heard).toEqual(['jobs 1'])
  })
})
