/**
 * What every proxy under test has in common: each is started with the same allowance, so many server
 * connections over the database's Unix socket, clients by TCP with SCRAM, next to no log. Rule: every
 * proxy gets the configuration its own manual would recommend for this load; a deviation is a
 * footnote.
 */
import type { ChildProcess } from 'node:child_process'
import pg from 'pg'
import { until } from '../src/core/until.ts'
import type { Mode } from './options.ts'
import type { Target } from './pgbench.ts'
import type { Database } from './postgres.ts'
import { end, own } from './programs.ts'

export interface RunningPeer {
  /** The row of the table: `direct`, `pgbouncer`, `weir` or `weir+VARIANT`. */
  readonly name: string
  /** Of the proxy's process; undefined for `direct`. */
  readonly pid: number | undefined
  readonly version: string
  readonly footnotes: readonly string[]
  targetFor(mode: Mode): Target
  stop(): Promise<void>
}

/** No proxy at all. */
export function direct(database: Database): RunningPeer {
  return {
    name: 'direct',
    pid: undefined,
    version: `Postgres ${database.version}`,
    footnotes: [],
    targetFor: () => database.target,
    stop: async () => {},
  }
}

/** Waits until a query gets through; returns the pid. Rejects with what the proxy said. */
export async function ready(name: string, child: ChildProcess, target: Target): Promise<number> {
  own(child)
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4_000)
    })
  }
  let ended = false
  child.once('error', (error) => {
    ended = true
    said += error.message
  })
  child.once('exit', () => {
    ended = true
  })
  try {
    await until(async () => ended || (await answers(target)), 20_000, { everyMs: 50 })
  } catch (error) {
    await end(child, 'SIGKILL')
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : ''
    throw new Error(`${name} did not answer a query within 20 s: ${cause}\n${said}`.trim())
  }
  if (ended || child.pid === undefined) throw new Error(`${name} ended at once:\n${said}`.trim())
  return child.pid
}

async function answers(target: Target): Promise<boolean> {
  const client = new pg.Client({ ...target, host: '127.0.0.1', connectionTimeoutMillis: 2_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query('select 1')
    return true
  } finally {
    await client.end()
  }
}
