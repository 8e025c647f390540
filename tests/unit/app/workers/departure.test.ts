import { expect, test } from 'vitest'
import { Departure } from '../../../../src/app/workers/departure.ts'
import { FakeClock } from '../../../../src/core/clock.ts'
import { silentLog } from '../../../../src/core/log.ts'

function leaving(clients: number) {
  const clock = new FakeClock()
  const said: string[] = []
  const sessions = { size: clients, shutDown: (reason: string) => void said.push(reason) }
  const departure = new Departure({
    clock,
    log: silentLog,
    sessions,
    over: () => said.push('over'),
  })
  return { clock, said, sessions, departure }
}

test('a worker that leaves waits for its last client, however long that stays', () => {
  const { clock, said, sessions, departure } = leaving(2)
  departure.begin(undefined)
  clock.advance(3_600_000)
  expect(said).toEqual([])
  sessions.size = 0
  clock.advance(100)
  expect(said).toEqual(['over'])
  expect(clock.pending).toBe(0)
})

test('it waits a moment for logins under way, though it has no client', () => {
  const { clock, said, sessions, departure } = leaving(0)
  departure.begin(undefined)
  clock.advance(500)
  sessions.size = 1
  clock.advance(5_000)
  expect(said).toEqual([])
  sessions.size = 0
  clock.advance(100)
  expect(said).toEqual(['over'])
})

test('whoever is left when its time is over is sent away', () => {
  const { clock, said, sessions, departure } = leaving(1)
  departure.begin(60_000)
  clock.advance(59_900)
  expect(said).toEqual([])
  clock.advance(100)
  expect(said).toEqual(['draining'])
  sessions.size = 0
  clock.advance(100)
  expect(said).toEqual(['draining', 'over'])
})

test('one that is stopped meanwhile leaves no timer behind', () => {
  const { clock, departure } = leaving(1)
  departure.begin(60_000)
  departure.stop()
  expect(clock.pending).toBe(0)
})
