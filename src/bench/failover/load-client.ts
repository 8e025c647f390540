/**
 * The clients that work on a schedule: writer, reader, transaction. Rule: each does what a plain
 * application does with a driver (connect when not connected, ask, look at the answer), tries
 * nothing twice under the same number, and writes down what it was told.
 */
import type { Gate } from './gate.ts'
import type { Journal } from './journal.ts'
import { AskFailed, Line } from './line.ts'
import { type Failure, failureOf } from './outcome.ts'
import { PULSE_TABLE, SEQUENCE_TABLE } from './sequence-table.ts'
import type { ConnectOptions, Reached } from './subject.ts'
import type { Told } from './told.ts'

export interface Surroundings {
  readonly reached: Reached
  readonly options: ConnectOptions
  /** All of them connect through it. */
  readonly gate: Gate
  /** Wall ms. */
  readonly now: () => number
  /** How long a transaction stays open between its two writes (ms). */
  readonly holdMs: number
}

export interface LoadClient {
  readonly journal: Journal
  connect(): Promise<void>
  /** One request; true when it was answered well. */
  attempt(): Promise<boolean>
  end(): Promise<void>
}

export function readerClient(journal: Journal, around: Surroundings): LoadClient {
  const line = lineOf(journal, around, 'reader')
  return clientOf(journal, line, async () => {
    await line.ask(`select number from ${PULSE_TABLE}`)
    journal.good(around.now())
  })
}

export function writerClient(journal: Journal, told: Told, around: Surroundings): LoadClient {
  const line = lineOf(journal, around, 'writer')
  return clientOf(journal, line, async () => {
    const number = told.next()
    try {
      await line.ask(rowText(told.client, number, 1))
      journal.good(around.now())
      told.acknowledged.push(number)
    } catch (error) {
      const list = failed(error).nothingHappened ? told.refused : told.unknown
      list.push(number)
      throw error
    }
  })
}

export function transactionClient(journal: Journal, told: Told, around: Surroundings): LoadClient {
  const line = lineOf(journal, around, 'writer')
  return clientOf(journal, line, async () => {
    const number = told.next()
    try {
      await line.ask('begin')
      await line.ask(rowText(told.client, number, 1))
      await new Promise((resolve) => setTimeout(resolve, around.holdMs))
      await line.ask(rowText(told.client, number, 2))
    } catch (error) {
      // Without its COMMIT nothing of it can have happened, whatever was lost.
      told.refused.push(number)
      if (line.connected) await line.ask('rollback').catch(() => line.end())
      throw error
    }
    try {
      const { command } = await line.ask('commit')
      // A failed transaction answers COMMIT without an error, and with this tag.
      if (command !== 'COMMIT') throw new AskFailed(ROLLED_BACK)
      journal.good(around.now())
      told.acknowledged.push(number)
    } catch (error) {
      const list = failed(error).nothingHappened ? told.refused : told.unknown
      list.push(number)
      throw error
    }
  })
}

const ROLLED_BACK: Failure = { key: 'rolled-back', nothingHappened: true, broken: false }

function clientOf(journal: Journal, line: Line, work: () => Promise<void>): LoadClient {
  return {
    journal,
    connect: () => line.connect(),
    end: () => line.end(),
    attempt: async () => {
      try {
        await line.connect()
        await work()
        return true
      } catch (error) {
        journal.bad(failed(error).key)
        return false
      }
    },
  }
}

export function lineOf(
  journal: Journal,
  around: Surroundings,
  target: 'writer' | 'reader' | 'listen',
  notification?: (payload: string) => void,
  broke: () => void = () => journal.broke(),
): Line {
  const applicationName = `weir-failover ${journal.kind} ${journal.id}`
  return new Line(
    around.reached,
    around.gate,
    target,
    { ...around.options, applicationName },
    { broke, ...(notification === undefined ? {} : { notification }) },
  )
}

/** Of `AskFailed` what it holds, of anything else (a connection that failed) what can be seen. */
export function failed(error: unknown): Failure {
  return error instanceof AskFailed ? error.failure : failureOf(error)
}

const rowText = (client: number, number: number, part: number): string =>
  `insert into ${SEQUENCE_TABLE} (client, number, part) values (${client}, ${number}, ${part})`
