/** What ends a session that lasts too long at something, and what does not. */
import { expect, it } from 'vitest'
import { FakeClock } from '../../../src/core/clock.ts'
import { TimerWheel } from '../../../src/core/timer-wheel.ts'
import {
  NO_TIMEOUTS,
  SessionWatch,
  type Timeouts,
  type Watched,
} from '../../../src/session/session-watch.ts'

function watched(timeouts: Partial<Timeouts>) {
  const clock = new FakeClock()
  const wheel = new TimerWheel(100, () => clock.monotonic())
  const happened: string[] = []
  const client = {
    link: { bytesRead: 0, write: (bytes: Buffer) => happened.push(bytes.toString()) },
    lastActive: clock.monotonic(),
    busy: false,
    served: undefined as Watched['served'],
    heldUp: false,
    midMessage: false,
    channels: new Set<string>(),
    cancel: () => {
      happened.push('cancelled')
      return undefined
    },
    cut: (reason: string) => {
      happened.push(reason)
      watch.end()
    },
    shutDown: (reason: string) => {
      happened.push(`asked to go: ${reason}`)
    },
  }
  const said = { waitingBytes: 0, leftBytes: 0 }
  const requests = { sentAt: 0 }
  const rooms = {
    ...{ clock, wheel, timeouts: { ...NO_TIMEOUTS, ...timeouts } },
    protocol: { warning: () => Buffer.from('warned') },
  }
  const watch = new SessionWatch(rooms, client as unknown as Watched, said, requests)
  watch.begin()
  /** Steps of a tenth of a second. */
  const pass = (ms: number, each = () => {}): string[] => {
    for (let at = 0; at < ms; at += 100) {
      clock.advance(100)
      each()
      wheel.turn()
    }
    return happened
  }
  return { clock, client, said, requests, pass, watch }
}

it('a silent client is cut, one that is busy or listens is not', () => {
  expect(watched({ idleMs: 5_000 }).pass(4_800)).toEqual([])
  expect(watched({ idleMs: 5_000 }).pass(5_200)).toEqual(['idle-timeout'])
  const busy = watched({ idleMs: 5_000 })
  busy.client.busy = true
  expect(busy.pass(20_000)).toEqual([])
  const listening = watched({ idleMs: 5_000 })
  listening.client.channels.add('news')
  expect(listening.pass(20_000)).toEqual([])
})

it('a client that is not silent for so long is never cut', () => {
  const { client, clock, pass } = watched({ idleMs: 5_000, idleInTransactionMs: 2_000 })
  let step = 0
  const lives = () => {
    if (++step % 15 === 0) client.lastActive = clock.monotonic()
  }
  expect(pass(30_000, lives)).toEqual([])
})

it('one that dawdles in its transaction is cut, one whose request runs is not', () => {
  const { client, pass } = watched({ idleInTransactionMs: 3_000 })
  client.busy = true
  expect(pass(10_000)).toEqual([])
  client.served = { owing: false, status: 'open', answered: 1 }
  expect(pass(3_200)).toEqual(['idle-in-transaction'])
})

it('a request is cancelled when its time is over, with a warning, and only once', () => {
  const { clock, requests, pass } = watched({ statementMs: 2_000 })
  pass(1_900)
  requests.sentAt = clock.monotonic()
  expect(pass(1_900)).toEqual([])
  expect(pass(500)).toEqual(['warned', 'cancelled'])
  requests.sentAt = 0
  expect(pass(20_000)).toEqual(['warned', 'cancelled'])
})

it('its client is cut when cancelling was of no use', () => {
  const { clock, client, requests, pass } = watched({ statementMs: 2_000 })
  pass(100)
  requests.sentAt = clock.monotonic()
  client.midMessage = true
  expect(pass(8_000)).toEqual(['cancelled', 'statement-timeout'])
})

it('of requests sent ahead each is timed by itself, so who always has one on its way is not cancelled', () => {
  const { clock, client, requests, pass } = watched({ statementMs: 2_000 })
  pass(100)
  requests.sentAt = clock.monotonic()
  let answered = 0
  const works = () => {
    client.served = { owing: true, status: 'idle', answered: ++answered }
  }
  expect(pass(20_000, works)).toEqual([])
  // One of them runs on; when it began is known to within a look.
  expect(pass(4_300)).toEqual(['warned', 'cancelled'])
})

it('a session is asked to go when it has lasted as long as it may', () => {
  const { pass, watch } = watched({ lifetimeMs: 10_000 })
  expect(pass(9_800)).toEqual([])
  expect(pass(400)).toEqual(['asked to go: lifetime'])
  watch.end()
})

it('a message that comes in drips is cut, several that come one after the other are not', () => {
  const { client, said, pass } = watched({ messageMs: 8_000 })
  // A copy: at each look another message is under way.
  const copies = () => {
    client.link.bytesRead += 900
    said.leftBytes = 1_000 - (client.link.bytesRead % 1_000)
  }
  expect(pass(40_000, copies)).toEqual([])
  const drips = () => {
    client.link.bytesRead += 1
    said.leftBytes -= 1
  }
  said.leftBytes = 1_000_000
  expect(pass(12_200, drips)).toEqual(['message-timeout'])
})

it('half a message that is kept whole in memory counts too, unless the client is not read from', () => {
  const drips = (with_: ReturnType<typeof watched>) => () => {
    with_.client.link.bytesRead += 1
    with_.said.waitingBytes += 1
  }
  const idle = watched({ messageMs: 8_000 })
  expect(idle.pass(12_200, drips(idle))).toEqual(['message-timeout'])
  const waiting = watched({ messageMs: 8_000 })
  waiting.client.heldUp = true
  expect(waiting.pass(30_000, drips(waiting))).toEqual([])
  const behind = watched({ messageMs: 8_000 })
  behind.client.busy = true
  expect(behind.pass(30_000, drips(behind))).toEqual([])
})
