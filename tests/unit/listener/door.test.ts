/** Who may begin to log in, who waits for that, and who is turned away. */
import { expect, it } from 'vitest'
import { FakeClock } from '../../../src/core/clock.ts'
import { WeirError } from '../../../src/core/errors.ts'
import { silentLog } from '../../../src/core/log.ts'
import { TimerWheel } from '../../../src/core/timer-wheel.ts'
import { ConnectRates } from '../../../src/listener/connect-rates.ts'
import { Door, type DoorOptions } from '../../../src/listener/door.ts'
import { EndpointCounters } from '../../../src/metrics/counters.ts'
import { type Link, nobody, type Receiver } from '../../../src/net/link.ts'
import type { GreetOptions } from '../../../src/protocol/contract.ts'

/** A client whose login is over when it says `quit`, and refused when it is not admitted. */
class Visitor {
  receiver: Receiver = nobody
  reading = false
  said = ''
  ended = false
  readonly remoteAddress: string
  readonly encrypted = false

  constructor(address: string) {
    this.remoteAddress = address
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

function greet({ admit }: GreetOptions) {
  let heard = ''
  return {
    onReady: () => {},
    user: undefined,
    push: (chunk: Buffer) => {
      heard += chunk.toString()
    },
    secured: () => {},
    next: () => {
      if (heard === '') return { kind: 'starved' }
      heard = ''
      const away = admit?.()
      const reason = away?.reason ?? 'wrong'
      return { kind: 'refused', bytes: Buffer.from(reason), reason, message: reason }
    },
  }
}

function doorWith(more: Partial<DoorOptions> = {}) {
  const clock = new FakeClock()
  const wheel = new TimerWheel(100, () => clock.monotonic())
  const counters = new EndpointCounters()
  const refusal = (error: WeirError) => Buffer.from(error.sqlstate)
  const door = new Door({
    endpoint: {},
    rooms: { protocol: { greet, refusal }, counters, wheel, clock, log: silentLog },
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
  return { door, come, clock, wheel, counters }
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
    rates: new ConnectRates(1, 2, () => clock.monotonic()),
  })
  const visitors = [come(), come(), come(), come('10.0.0.2')]
  for (const visitor of visitors) visitor.speak('hello')
  expect(visitors.map((v) => v.said)).toEqual(['wrong', 'wrong', 'connect-rate', 'wrong'])
  expect(counters.refused.snapshot()).toMatchObject({ 'connect-rate': 1 })
})

it('when Weir is full a client is told before it has to prove anything', () => {
  const full = new WeirError('WEIR_TOO_MANY_CLIENTS', 'full', { sqlstate: '53300' })
  const { come } = doorWith({ refuseSession: () => full })
  const visitor = come()
  visitor.speak('hello')
  expect(visitor.said).toBe('too-many-clients')
})
