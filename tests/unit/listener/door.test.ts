/** Who may begin to log in, who waits for that, and who is turned away. */
import { expect, it } from 'vitest'
import { AddressList, AddressRule } from '../../../src/core/address-list.ts'
import { FakeClock } from '../../../src/core/clock.ts'
import { WeirError } from '../../../src/core/errors.ts'
import { silentLog } from '../../../src/core/log.ts'
import { TimerWheel } from '../../../src/core/timer-wheel.ts'
import { AuthFailures } from '../../../src/listener/auth-failures.ts'
import { ConnectRates } from '../../../src/listener/connect-rates.ts'
import { Door, type DoorOptions } from '../../../src/listener/door.ts'
import { Guard, type GuardOptions } from '../../../src/listener/guard.ts'
import { EndpointCounters } from '../../../src/metrics/counters.ts'
import { type Link, nobody, type Receiver } from '../../../src/net/link.ts'
import type { GreetOptions } from '../../../src/protocol/contract.ts'
import { Headcount } from '../../../src/session/headcount.ts'

/** A client whose login is over when it says `quit`, and refused when it is not admitted. */
class Visitor {
  receiver: Receiver = nobody
  reading = false
  said = ''
  ended = false
  remoteAddress: string
  relayed = false
  readonly encrypted = false

  constructor(address: string) {
    this.remoteAddress = address
  }

  cameFrom(address: string): void {
    this.remoteAddress = address
    this.relayed = true
  }

  destroy(): void {
    this.ended = true
  }

  resume(): void {
    this.reading = true
  }

  pause(): void {
    this.reading = false
  }

  write(bytes: Buffer): void {
    this.said += bytes.toString()
  }

  end(): void {
    this.ended = true
  }

  speak(text: string): void {
    this.receiver.data(Buffer.from(text))
  }

  leave(): void {
    this.receiver.closed(undefined)
  }
}

/** Everybody may come in, unless `more` says otherwise. */
function guardWith(more: Partial<GuardOptions> = {}): Guard {
  return new Guard({
    everywhere: new AddressRule(undefined, undefined),
    endpoints: new Map(),
    relays: undefined,
    rates: undefined,
    failures: undefined,
    heads: new Headcount(),
    mostOfUser: () => Infinity,
    mostOfSource: Infinity,
    ...more,
  })
}

function greet({ admit }: GreetOptions) {
  let heard = ''
  return {
    onReady: () => {},
    user: 'weir',
    push: (chunk: Buffer) => {
      heard += chunk.toString()
    },
    secured: () => {},
    next: () => {
      if (heard === '') return { kind: 'starved' }
      heard = ''
      const away = admit?.('weir')
      const reason = away?.reason ?? 'wrong'
      return { kind: 'refused', bytes: Buffer.from(reason), reason, message: reason }
    },
  }
}

function doorWith({
  introduced,
  ...more
}: Partial<DoorOptions> & { introduced?: () => object } = {}) {
  const clock = new FakeClock()
  const wheel = new TimerWheel(100, () => clock.monotonic())
  const counters = new EndpointCounters()
  const refusal = (error: WeirError) => Buffer.from(error.sqlstate)
  const rooms = {
    protocol: { greet: introduced ?? greet, refusal },
    counters,
    wheel,
    clock,
    log: silentLog,
  }
  const door = new Door({
    endpoint: { rule: { name: 'writer' } },
    guard: guardWith(),
    rooms,
    maxLoginsInFlight: 2,
    loginTimeoutMs: 1_000,
    refuseSession: () => undefined,
    ...more,
  } as unknown as DoorOptions)
  const come = (address = '10.0.0.1'): Visitor => {
    const visitor = new Visitor(address)
    door.accept(visitor as unknown as Link)
    return visitor
  }
  return { door, come, clock, wheel, counters, rooms }
}

it('who comes while enough others log in is not read from until one of them is done', () => {
  const { door, come } = doorWith()
  const visitors = [come(), come(), come(), come()]
  expect(visitors.map((v) => v.reading)).toEqual([true, true, false, false])
  expect([door.loginsInFlight, door.loginsWaiting]).toEqual([2, 2])
  visitors[1]!.leave()
  expect(visitors.map((v) => v.reading)).toEqual([true, true, true, false])
  expect([door.loginsInFlight, door.loginsWaiting]).toEqual([2, 1])
})

it('who would have to wait is refused at once where the settings say so', () => {
  const { come, counters } = doorWith({ loginsBeyond: 'refuse' })
  come()
  come()
  const third = come()
  expect(third.said).toBe('53300')
  expect(third.ended).toBe(true)
  expect(counters.refused.snapshot()).toMatchObject({ 'too-many-logins': 1 })
})

it('no more wait than may be connected', () => {
  const { come } = doorWith({ maxWaiting: 1 })
  come()
  come()
  come()
  expect(come().said).toBe('53300')
})

it('who waits for longer than a login may take is told so, and its place is free', () => {
  const { come, clock, wheel, door } = doorWith({ maxLoginsInFlight: 1 })
  come()
  const second = come()
  clock.advance(1_200)
  wheel.turn()
  expect(second.said).toBe('08P01')
  expect(door.loginsWaiting).toBe(0)
})

it('those who wait are told when Weir stops', () => {
  const { come, door } = doorWith({ maxLoginsInFlight: 1 })
  const visitors = [come(), come(), come()]
  door.abort(new WeirError('WEIR_STOPPING', 'stopping', { sqlstate: '57P01' }))
  expect(visitors.map((v) => v.said)).toEqual(['57P01', '57P01', '57P01'])
  expect([door.loginsInFlight, door.loginsWaiting]).toEqual([0, 0])
})

it('an address that comes too often is refused when it says who it is, and others are not', () => {
  const clock = new FakeClock()
  const { come, counters } = doorWith({
    maxLoginsInFlight: 100,
    guard: guardWith({ rates: new ConnectRates(1, 2, () => clock.monotonic()) }),
  })
  const visitors = [come(), come(), come(), come('10.0.0.2')]
  for (const visitor of visitors) visitor.speak('hello')
  expect(visitors.map((v) => v.said)).toEqual(['wrong', 'wrong', 'connect-rate', 'wrong'])
  expect(counters.refused.snapshot()).toMatchObject({ 'connect-rate': 1 })
})

it('an address that comes too often, or has failed too often, holds a place only briefly by saying nothing', () => {
  const clock = new FakeClock()
  const now = () => clock.monotonic()
  const failures = new AuthFailures({ most: 1, windowMs: 60_000, backoffMs: 60_000, now })
  for (let i = 0; i < 12; i++) failures.failed('10.0.0.9', `user${i}`)
  const {
    come,
    door,
    wheel,
    clock: time,
  } = doorWith({
    ...{ maxLoginsInFlight: 100, loginTimeoutMs: 15_000 },
    guard: guardWith({ rates: new ConnectRates(1, 1, now), failures }),
  })
  const visitors = [come(), come(), come('10.0.0.2'), come('10.0.0.9')]
  time.advance(3_000)
  wheel.turn()
  expect(visitors.map((v) => v.said)).toEqual(['', '53300', '', '53300'])
  expect(door.loginsInFlight).toBe(2)
})

it('when Weir is full a client is told before it has to prove anything', () => {
  const full = new WeirError('WEIR_TOO_MANY_CLIENTS', 'full', { sqlstate: '53300' })
  const { come } = doorWith({ refuseSession: () => full })
  const visitor = come()
  visitor.speak('hello')
  expect(visitor.said).toBe('too-many-clients')
})

it('who comes from a network that may not is told so before anything is read', () => {
  const { come, counters } = doorWith({
    guard: guardWith({ everywhere: new AddressRule(['10.0.0.0/8'], undefined) }),
  })
  const stranger = come('192.0.2.1')
  expect([stranger.said, stranger.reading, stranger.ended]).toEqual(['28000', false, true])
  expect(counters.refused.snapshot()).toMatchObject({ address: 1 })
  expect(come('::ffff:10.0.0.1').reading).toBe(true)
})

it('the lists of an endpoint hold besides those for all', () => {
  const endpoints = new Map([
    ['writer', { addresses: new AddressRule(undefined, ['10.0.0.1']), mostClients: Infinity }],
  ])
  const { come } = doorWith({ guard: guardWith({ endpoints }) })
  expect(come('10.0.0.1').said).toBe('28000')
  expect(come('10.0.0.2').said).toBe('')
})

const RELAYED = { relays: new AddressList(['10.9.0.0/16']) }

it('what a relay says of where a client came from counts in place of its own address', () => {
  const everywhere = new AddressRule(['10.0.0.0/8'], undefined)
  const { come, door } = doorWith({ guard: guardWith({ ...RELAYED, everywhere }) })
  const [friend, stranger] = [come('10.9.0.1'), come('10.9.0.1')]
  friend.speak('PROXY TCP4 10.1.1.1 10.9.9.9 5')
  expect(door.loginsInFlight).toBe(0)
  friend.speak('000 5432\r\nhello')
  expect([friend.said, friend.remoteAddress]).toEqual(['wrong', '10.1.1.1'])
  stranger.speak('PROXY TCP4 192.0.2.1 10.9.9.9 5000 5432\r\nhello')
  expect([stranger.said, stranger.remoteAddress]).toEqual(['28000', '192.0.2.1'])
})

it('a relay without a header is cut off without a word, and so is one that says nothing', () => {
  const { come, counters, clock, wheel } = doorWith({ guard: guardWith(RELAYED) })
  const [junk, silent] = [come('10.9.0.1'), come('10.9.0.2')]
  junk.speak('hello')
  clock.advance(1_200)
  wheel.turn()
  expect([junk.said, junk.ended, silent.said, silent.ended]).toEqual(['', true, '', true])
  expect(counters.refused.snapshot()).toMatchObject({ 'proxy-header': 2 })
})

it('a header from anybody but a relay is what the client says', () => {
  const { come } = doorWith({ guard: guardWith(RELAYED) })
  const client = come('10.0.0.1')
  client.speak('PROXY TCP4 10.1.1.1 10.9.9.9 5000 5432\r\n')
  expect([client.said, client.remoteAddress]).toEqual(['wrong', '10.0.0.1'])
})

it('relays that have said nothing yet are cut off when Weir stops', () => {
  const { come, door } = doorWith({ guard: guardWith(RELAYED) })
  const silent = come('10.9.0.1')
  door.abort(new WeirError('WEIR_STOPPING', 'stopping', { sqlstate: '57P01' }))
  expect(silent.ended).toBe(true)
})

it('who has failed too often is refused before it may prove anything, until it was away for a while', () => {
  const clock = new FakeClock()
  const now = () => clock.monotonic()
  const failures = new AuthFailures({ most: 2, windowMs: 60_000, backoffMs: 4_000, now })
  const { come } = doorWith({ maxLoginsInFlight: 100, guard: guardWith({ failures }) })
  const knock = (address: string): string => {
    const visitor = come(address)
    visitor.speak('hello')
    return visitor.said
  }
  failures.failed('192.0.2.1', 'weir')
  expect(knock('192.0.2.1')).toBe('wrong')
  failures.failed('192.0.2.1', 'weir')
  expect(knock('192.0.2.1')).toBe('auth-failures')
  expect(knock('192.0.2.2')).toBe('wrong')
  clock.advance(1_000)
  expect(knock('192.0.2.1')).toBe('wrong')
})

it('other lists hold from now on, for those who come', () => {
  const guard = guardWith()
  const { come } = doorWith({ guard, maxLoginsInFlight: 10 })
  expect(come('192.0.2.1').ended).toBe(false)
  guard.replaceLists(['10.0.0.0/8'], ['10.9.0.0/16'])
  expect(['192.0.2.1', '10.0.0.1', '10.9.0.1'].map((a) => come(a).ended)).toEqual([
    true,
    false,
    true,
  ])
})

it('who asks for an endpoint that it may not use is refused there, though it may use its door', () => {
  const who = { user: 'weir', database: 'app', endpoint: 'reader', replication: undefined }
  const introduced = () => ({
    ...greet({} as GreetOptions),
    next: () => ({ kind: 'introduced', who }),
  })
  const { counters, rooms, come } = doorWith({
    guard: guardWith({
      endpoints: new Map([
        ['reader', { addresses: new AddressRule(['10.1.0.0/16'], undefined), mostClients: 5 }],
      ]),
    }),
    byName: (name) => ({ endpoint: { rule: { name } } as never, rooms: rooms as never }),
    introduced,
  })
  const visitor = come('10.0.0.1')
  visitor.speak('hello')
  expect([visitor.said, visitor.ended]).toEqual(['28000', true])
  expect(counters.refused.snapshot()).toMatchObject({ address: 1 })
})

it('who goes on talking while it has to wait is not read from beyond a bound, until it need not wait', async () => {
  let heard = 0
  const machine = {
    ...greet({} as GreetOptions),
    push: (chunk: Buffer) => {
      heard += chunk.length
    },
    next: () => ({ kind: 'waiting' }),
  }
  const { come } = doorWith({ introduced: () => machine })
  const visitor = come()
  visitor.speak('hello')
  for (let i = 0; i < 20; i++) {
    if (visitor.reading) visitor.speak('x'.repeat(16_384))
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(visitor.reading).toBe(false)
  expect(heard).toBeLessThan(100_000)
  machine.onReady()
  expect(visitor.reading).toBe(true)
})

it('who leaves before it is told that its proof was wrong has failed all the same', () => {
  const now = () => 0
  const failures = new AuthFailures({ most: 1, windowMs: 60_000, backoffMs: 4_000, now })
  const introduced = () => ({
    ...greet({} as GreetOptions),
    judging: true,
    next: () => ({ kind: 'waiting' }),
  })
  const { come, counters } = doorWith({ introduced, guard: guardWith({ failures }) })
  const guesser = come('192.0.2.1')
  guesser.speak('a proof')
  guesser.leave()
  expect(counters.refused.snapshot()).toMatchObject({ 'auth-failed': 1 })
  expect(failures.refusedFor('192.0.2.1', 'weir')).toBeGreaterThan(0)
})
