/**
 * A statement that is under way for as long as a test wants it to be. Rule: it waits for a lock and
 * not for time to pass, so it is there when a busy machine comes to look for it.
 */
import type pg from 'pg'
import { until } from '../../src/core/until.ts'
import { connect, later } from './clients.ts'
import type { House } from './house.ts'

export interface HeldStatement {
  /** Its rows: `n` is 3. */
  readonly running: Promise<pg.QueryResult<{ n: number }>>
  /** Lets it end. */
  release(): Promise<unknown>
}

/** Resolves when the statement of `client` runs on the writer node. One at a time of each house. */
export async function heldStatement(house: House, client: pg.Client): Promise<HeldStatement> {
  const direct = await connect(house.direct)
  await direct.query('select pg_advisory_lock(7)')
  const text = 'select pg_advisory_xact_lock_shared(7), 3 as n'
  const running = later(client.query<{ n: number }>(text))
  const waits = `select 1 from pg_stat_activity where wait_event = 'advisory' and query like '%7), 3%'`
  await until(async () => (await house.ask(waits)).length === 1, 10_000)
  return {
    running,
    release: async () => {
      await direct.query('select pg_advisory_unlock(7)')
      await direct.end()
    },
  }
}
