/** Hiring, dying and leaving with paper processes. */
import { beforeEach, describe, expect, test } from 'vitest'
import { Crew } from '../../../../src/app/workers/crew.ts'
import type { Hand, Shell } from '../../../../src/app/workers/hand.ts'
import { machineTime } from '../../../../src/app/workers/machine-time.ts'
import type { Down, Up } from '../../../../src/app/workers/messages.ts'
import { Purse } from '../../../../src/app/workers/purse.ts'
import { Staff } from '../../../../src/app/workers/staff.ts'
import { FakeClock } from '../../../../src/core/clock.ts'
import { silentLog } from '../../../../src/core/log.ts'
import { Metrics } from '../../../../src/metrics/metrics.ts'
import { settle } from '../../pool/fake-pool.ts'

interface Paper extends Shell {
  readonly told: Down[]
  says(message: Up): void
  dies(code: number | null, signal?: string): void
}

let clock: FakeClock
let crew: Crew
let staff: Staff
let shells: Paper[]
let said: string[]
let died: number
/** Whether a new process says that it serves. */
let serves: boolean

beforeEach(() => {
  clock = new FakeClock()
  shells = []
  said = []
  died = 0
  serves = true
  crew = new Crew({
    time: machineTime(clock),
    own: () => new Metrics().snapshot(),
    budgets: () => ({}),
    acted: () => {},
  })
  const ghosts = { gone: async () => {} }
  const purse = new Purse({ clock, ghosts, seats: 2 })
  staff = new Staff({
    ...{ clock, log: silentLog, crew, purse, startShell },
    begin: (_, number) => ({ kind: 'begin', number, ...crew.orders }) as never,
    heard: () => {},
    doubt: () => Promise.resolve(),
    tell: (sentence) => said.push(sentence),
    audit: () => {},
    died: () => {
      died++
    },
  })
})

function startShell(): Shell {
  const told: Down[] = []
  const shell: Paper = {
    pid: 1_000 + shells.length,
    line: { send: (message) => told.push(message), receive: () => {} },
    ended: () => {},
    kill: () => {},
    told,
    says: (message) => shell.line.receive(message),
    dies: (code, signal) => shell.ended(code, signal ?? null),
  }
  shells.push(shell)
  if (serves) queueMicrotask(() => shell.says({ kind: 'ready', endpoints: [] }))
  return shell
}

const numbers = (): number[] => crew.workers().map((w) => w.number)
const kinds = (shell: Paper): string[] => shell.told.map((m) => m.kind)

async function hire(): Promise<Hand> {
  return await staff.hire(0)
}

describe('a worker that dies', () => {
  test('is replaced in the same moment when it had lived for a while', async () => {
    await hire()
    clock.advance(60_000)
    shells[0]!.dies(null, 'SIGKILL')
    await settle()
    expect(shells).toHaveLength(2)
    expect(crew.workers().map((w) => w.state)).toEqual(['serving'])
    expect(died).toBe(1)
    expect(said[0]).toBe('worker 1 (process 1000) was ended by SIGKILL; its 0 clients were cut off')
  })

  test('as soon as it is there is replaced after longer and longer pauses', async () => {
    await hire()
    const pauses: number[] = []
    for (let i = 0; i < 6; i++) {
      const before = shells.length
      shells.at(-1)!.dies(1)
      let waited = 0
      while (shells.length === before) {
        clock.advance(100)
        waited += 100
        await settle()
      }
      pauses.push(waited)
    }
    expect(pauses).toEqual([100, 200, 400, 800, 1_600, 3_200])
  })

  test('and whose successor cannot start is tried again', async () => {
    await hire()
    clock.advance(60_000)
    serves = false
    shells[0]!.dies(1)
    await settle()
    shells[1]!.says({ kind: 'failed', code: 'X', message: 'no', hint: undefined })
    shells[1]!.dies(1)
    await settle()
    serves = true
    clock.advance(10_000)
    await settle()
    expect(crew.workers().map((w) => w.state)).toEqual(['serving'])
  })
})

test('one that was sent away and goes is no loss, and nobody comes in its place', async () => {
  const hand = await hire()
  staff.sendAway(hand, 5_000)
  expect(shells[0]!.told.at(-1)).toEqual({ kind: 'leave', withinMs: 5_000 })
  expect(crew.workers()[0]!.state).toBe('leaving')
  shells[0]!.dies(0)
  await settle()
  clock.advance(60_000)
  await settle()
  expect([shells.length, died, numbers()]).toEqual([1, 0, []])
})

test('no two living workers have one number', async () => {
  await hire()
  await hire()
  expect(numbers()).toEqual([1, 2])
  shells[0]!.dies(0)
  clock.advance(60_000)
  await settle()
  await hire()
  expect(new Set(numbers()).size).toBe(numbers().length)
})

describe('a worker that comes later', () => {
  test('is told all that holds: pauses, closed gates and what is watched', async () => {
    crew.pauseNode('a', 'clients')
    crew.pauseNode('b')
    crew.resumeNode('b')
    crew.closeGates(['writer'])
    crew.watchGrants('c', { borrowed: () => {}, replied: () => {} })
    await hire()
    expect(shells[0]!.told[0]).toMatchObject({
      kind: 'begin',
      paused: [['a', 'clients']],
      closedGates: ['writer'],
      watched: 'c',
    })
  })
})

describe('a cancel request', () => {
  test('for a session of another worker goes there, and its end comes back', async () => {
    await hire()
    await hire()
    const secret = Buffer.from('secret')
    const pid = (1 << 22) | (2 << 17) | 5
    shells[0]!.says({ kind: 'cancel', id: 7, key: { pid, secret } })
    await settle()
    const order = shells[1]!.told.at(-1)
    expect(order).toMatchObject({ kind: 'cancel', key: { pid, secret } })
    expect(kinds(shells[0]!)).not.toContain('cancelled')
    shells[1]!.says({ kind: 'cancelled', id: (order as { id: number }).id })
    await settle()
    expect(shells[0]!.told.at(-1)).toEqual({ kind: 'cancelled', id: 7 })
  })

  test('for a worker that is gone, or that dies over it, ends all the same', async () => {
    await hire()
    await hire()
    const key = { pid: (1 << 22) | (9 << 17) | 5, secret: Buffer.from('s') }
    shells[0]!.says({ kind: 'cancel', id: 1, key })
    await settle()
    expect(shells[0]!.told.at(-1)).toEqual({ kind: 'cancelled', id: 1 })
    shells[0]!.says({ kind: 'cancel', id: 2, key: { ...key, pid: (1 << 22) | (2 << 17) | 5 } })
    await settle()
    clock.advance(60_000)
    shells[1]!.dies(null, 'SIGKILL')
    await settle()
    expect(shells[0]!.told).toContainEqual({ kind: 'cancelled', id: 2 })
  })
})

test('figures of a worker that does not answer stay what they were', async () => {
  await hire()
  const asked = crew.refresh()
  await settle()
  const question = shells[0]!.told.at(-1) as { id: number }
  const figures = {
    ...{ clients: 3, lastAnswers: {}, lentByNode: { a: 2 }, lentByEndpoint: { writer: 2 } },
    ...{ gates: { writer: 4 }, waitingSessions: 4, listening: true, outcomes: { retried: 1 } },
  }
  shells[0]!.says({ kind: 'answer', id: question.id, value: figures })
  await asked
  const again = crew.refresh()
  clock.advance(1_000)
  await again
  expect([crew.lent({ node: 'a' }), crew.lent({}), crew.waiting(undefined)]).toEqual([2, 2, 4])
  expect(crew.outcomes()).toEqual({ retried: 1 })
})
