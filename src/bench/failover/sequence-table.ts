/**
 * The table every write of the load goes to, and the verdict read from it. Rule: it has no unique
 * key, so what was written twice is there twice; it is read on the node itself, past any subject,
 * and nothing is guessed: each row is held against what its client was told.
 */
import type pg from 'pg'
import { NOTHING_JUDGED } from './measure.ts'
import type { Verdict } from './result.ts'
import type { Told } from './told.ts'

export const SEQUENCE_TABLE = 'weir_failover'
export const PULSE_TABLE = 'weir_failover_pulse'

/** Makes both tables, empty, or empties them. */
export async function makeTables(writer: pg.Client): Promise<void> {
  await writer.query(
    `create table if not exists ${SEQUENCE_TABLE} (
       client integer not null, number integer not null, part integer not null);
     create table if not exists ${PULSE_TABLE} (number integer not null);
     truncate ${SEQUENCE_TABLE}, ${PULSE_TABLE};
     insert into ${PULSE_TABLE} values (1)`,
  )
}

export async function dropTables(writer: pg.Client): Promise<void> {
  await writer.query(`drop table if exists ${SEQUENCE_TABLE}, ${PULSE_TABLE}`)
}

export interface WrittenRow {
  readonly client: number
  readonly number: number
  readonly part: number
  readonly times: number
}

/** All that is there, counted. */
export async function writtenRows(writer: pg.Client): Promise<WrittenRow[]> {
  const { rows } = await writer.query<WrittenRow>(
    `select client, number, part, count(*)::int as times from ${SEQUENCE_TABLE} group by 1, 2, 3`,
  )
  return rows
}

/** Pure. Half a transaction is a contradiction, whatever its client was told. */
export function judge(tolds: readonly Told[], rows: readonly WrittenRow[]): Verdict {
  const there = new Map<string, { parts: number; twice: boolean }>()
  for (const { client, number, times } of rows) {
    const key = `${client}:${number}`
    const entry = there.get(key) ?? { parts: 0, twice: false }
    there.set(key, { parts: entry.parts + 1, twice: entry.twice || times > 1 })
  }
  let lost = 0
  let unknownThere = 0
  let contradicted = 0
  for (const told of tolds) {
    const found = (number: number) => there.get(`${told.client}:${number}`)?.parts ?? 0
    const half = (number: number) => found(number) > 0 && found(number) < told.parts
    lost += told.acknowledged.filter((n) => found(n) === 0).length
    contradicted += told.acknowledged.filter(half).length
    contradicted += told.refused.filter((n) => found(n) > 0).length
    contradicted += told.unknown.filter(half).length
    unknownThere += told.unknown.filter((n) => found(n) === told.parts).length
  }
  return {
    ...NOTHING_JUDGED,
    acknowledged: tolds.reduce((sum, told) => sum + told.acknowledged.length, 0),
    unknown: tolds.reduce((sum, told) => sum + told.unknown.length, 0),
    duplicates: [...there.values()].filter(({ twice }) => twice).length,
    lost,
    unknownThere,
    contradicted,
  }
}
