/**
 * Many random clients on few server connections, each with settings, roles, statements and temporary
 * things of its own: every answer is the one its model gives, and nothing is left behind. A small run
 * belongs to every test. Longer ones by environment variables:
 *
 *   WEIR_STATEMENTS=1000000   so many (default 8000)       WEIR_SEED=7        another crowd
 *   WEIR_PREPARE_SQL=1        PREPARE and EXECUTE as well   WEIR_SEQUENCES=1   nextval and currval too
 *   WEIR_CLIENTS, WEIR_POOL   200 on 5                      WEIR_TAIL=100      tell more of a difference
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Log, silentLog } from '../../src/core/log.ts'
import { until } from '../../src/core/until.ts'
import { countExtra, type Extra } from '../soak/extra.ts'
import type { Difference } from '../soak/guest.ts'
import { remainsOf } from '../soak/remains.ts'
import { type SoakReport, soak } from '../soak/soak.ts'
import { prepareStage } from '../soak/stage.ts'
import { sqlOf } from '../soak/statements.ts'
import { type House, startHouse } from '../support/house.ts'

const STATEMENTS = Number(process.env.WEIR_STATEMENTS ?? 8_000)
const CLIENTS = Number(process.env.WEIR_CLIENTS ?? 200)
const POOL = Number(process.env.WEIR_POOL ?? 5)
const SEED = Number(process.env.WEIR_SEED ?? 1)
const PORTS = process.env.WEIR_PORTS?.split('-').map(Number) as [number, number] | undefined
const PREPARE_SQL = process.env.WEIR_PREPARE_SQL === '1'
const SEQUENCES = process.env.WEIR_SEQUENCES === '1'

let house: House

/** Errors that Weir logs: its own bugs. */
const trouble: string[] = []
const note = (fields: object, message: string): void => {
  const { error, ...rest } = fields as { error?: Error }
  trouble.push(`${message} ${JSON.stringify(rest)} ${error?.stack ?? ''}`)
}
const troubleLog: Log = { ...silentLog, error: note, child: () => troubleLog }

function inShares(
  { questions, alone, brought, resets, borrowed }: Extra,
  statements: number,
): string {
  const share = (n: number): string => `${((100 * n) / statements).toFixed(2)} %`
  return (
    `  of all statements: ${share(questions)} with a question sent along (${share(alone)} of them alone, at a boundary), ` +
    `${share(brought)} with settings brought ahead in the same write; ` +
    `${borrowed} times a connection was lent, ${resets} times one was reset`
  )
}

beforeAll(async () => {
  house = await startHouse({ ...(PORTS && { ports: PORTS }), pool: POOL, log: troubleLog })
  await prepareStage(house.direct)
})

beforeEach(async () => {
  await house.ask('truncate public.tally')
})

afterAll(async () => {
  await house?.end()
})

function inWords({ client, seed, expected, came, parameters, groups }: Difference): string {
  const last = groups.slice(-Number(process.env.WEIR_TAIL ?? 12)).map((group) =>
    JSON.stringify(group, (_key, value) => {
      if (value === null || typeof value !== 'object') return value
      if ('do' in value) return sqlOf(value).replace(/^select coalesce.{200,}/, 'ALL SETTINGS')
      return value.is === 'statement' ? value.statement : value
    }),
  )
  const start = JSON.stringify(parameters)
  return [
    `client ${client} of seed ${seed}: expected ${expected}, came ${came}`,
    start,
    ...last,
  ].join('\n  ')
}

function tell(name: string, report: SoakReport): void {
  const { statements, seconds, sessions, differences, repeated } = report
  const leaks = differences.filter(({ leak }) => leak).length
  console.log(
    `${name}: seed ${SEED}, ${statements} statements of ${sessions} sessions, ${Math.round(statements / seconds)} a second, ` +
      `${leaks} leaks, ${differences.length - leaks} other differences, ${repeated} settings told twice`,
  )
}

describe('random sessions', () => {
  test('are what the model says when they have a server each', async () => {
    const report = await soak({
      port: house.nodePort,
      direct: house.direct,
      clients: 20,
      statements: Number(process.env.WEIR_DIRECT ?? 2_000),
      seed: SEED,
      prepareSql: true,
      sequences: true,
    })
    tell('direct', report)
    expect(report.differences.map(inWords)).toEqual([])
  }, 600_000)

  test('are what the model says when they share a few server connections', async () => {
    const count = countExtra()
    const report = await soak({
      port: house.port,
      direct: house.direct,
      clients: CLIENTS,
      statements: STATEMENTS,
      seed: SEED,
      prepareSql: PREPARE_SQL,
      sequences: SEQUENCES,
      onProgress: (n) => {
        if (STATEMENTS > 50_000) process.stderr.write(`${n} `)
      },
    })
    count.end()
    tell('shared', report)
    console.log(inShares(count.extra, report.statements))
    expect([...report.differences.map(inWords), ...trouble]).toEqual([])
    await until(() => house.app.snapshot().clients.total === 0, 10_000)
    const { connections, remains } = await remainsOf(house.writer, POOL)
    expect(remains).toEqual([])
    expect(connections).toBe(POOL)
    expect(
      await house.ask("select locktype, pid from pg_locks where locktype = 'advisory'"),
    ).toEqual([])
    expect(await house.ask("select relname from pg_class where relpersistence = 't'")).toEqual([])
  }, 3_600_000)
})
