/**
 * Large results: how many bytes a second go through, and what a proxy uses for them. Rule: the
 * whole answer must have come; a run that lost a row is an error, never a fast one.
 */
import { type BulkClient, connectBulk } from './bulk-client.ts'
import type { Bench } from './measure.ts'
import { usageOf } from './process-usage.ts'
import type { RunningPeer } from './proxies.ts'
import { inRounds, type Rounds } from './rounds.ts'

export const LARGE_KINDS = ['select', 'select wide', 'copy out', 'copy in'] as const
export type LargeKind = (typeof LARGE_KINDS)[number]

export interface LargeSample {
  /** Megabytes (of 1,000,000 bytes) a second, as they are on the wire. */
  readonly rate: number
  /** CPU time of the proxy for a megabyte, user and system. */
  readonly cpuUs: number | undefined
}

export interface LargeSeries extends Rounds<LargeSample> {
  readonly kind: LargeKind
  readonly peer: string
  readonly byRound: readonly (LargeSample | undefined)[]
}

interface Work {
  readonly rows: number
  run(client: BulkClient): ReturnType<BulkClient['read']>
}

/** Bytes of a row of pgbench_accounts on the wire, and of one of our own `wide` rows. */
const ACCOUNT_BYTES = 120
const WIDE_BYTES = 8_192
/** A line of text as COPY reads it, like a row of pgbench_accounts. */
const LINE = `${1_234_567}\t${7}\t${0}\t${' '.repeat(84)}\n`
const LINES_A_MESSAGE = 80

/** What each kind asks for, to move about `megabytes`. The rows are those of pgbench. */
export function workOf(kind: LargeKind, megabytes: number, scale: number): Work {
  const rows = (each: number): number => Math.ceil((megabytes * 1e6) / each)
  // The table once and again, as often as it takes; generated rows would measure their making.
  const accounts = rows(ACCOUNT_BYTES)
  const times = Math.ceil(accounts / (100_000 * scale))
  const many = `select a.* from generate_series(1, ${times}), pgbench_accounts a limit ${accounts}`
  switch (kind) {
    case 'select':
      return { rows: accounts, run: (client) => client.read(many) }
    case 'select wide': {
      const count = rows(WIDE_BYTES)
      const pad = `(select repeat('0123456789abcdef', ${WIDE_BYTES / 16}) as pad) p`
      const sql = `select pad from ${pad}, generate_series(1, ${count})`
      return { rows: count, run: (client) => client.read(sql) }
    }
    case 'copy out':
      return { rows: accounts, run: (client) => client.read(`copy (${many}) to stdout`) }
    case 'copy in': {
      const chunk = Buffer.from(LINE.repeat(LINES_A_MESSAGE))
      const messages = rows(chunk.length)
      // Rows are parsed and then left out: what is measured is the way there and not the storing.
      const sql = 'copy pgbench_accounts from stdin where aid < 0'
      return { rows: 0, run: (client) => client.write(sql, chunk, messages) }
    }
  }
}

/** Measures every kind. Rejects only when `stop` aborts; a failed run is noted in its series. */
export async function measureLarge(bench: Bench): Promise<LargeSeries[]> {
  const { options, peers, progress, stop } = bench
  const all: LargeSeries[] = []
  for (const kind of LARGE_KINDS) {
    const work = workOf(kind, options.megabytes, options.scale)
    const little = workOf(kind, Math.ceil(options.megabytes / 20), options.scale)
    // Memory and caches as they are later on; a failure shows in the measurement that follows.
    for (const peer of peers) await one(peer, little).catch(() => {})
    const measured = await inRounds(
      peers,
      options.rounds,
      async (peer, round) => {
        const where = `${kind}, ${options.megabytes} MB, round ${round + 1}, ${peer.name}`
        progress(where)
        const sample = await one(peer, work)
        progress(`${where}: ${Math.round(sample.rate)} MB/s`)
        return sample
      },
      stop,
    )
    for (const [index, peer] of peers.entries()) {
      all.push({ kind, peer: peer.name, ...measured[index]! })
    }
    stop.throwIfAborted()
  }
  return all
}

async function one(peer: RunningPeer, work: Work): Promise<LargeSample> {
  const client = await connectBulk(peer.targetFor('simple'))
  try {
    const before = cpuOf(peer)
    const { bytes, seconds, rows } = await work.run(client)
    const after = cpuOf(peer)
    if (rows !== work.rows) throw new Error(`${rows} rows came of ${work.rows}`)
    const megabytes = bytes / 1e6
    const cpuUs =
      before === undefined || after === undefined ? undefined : (after - before) / megabytes
    return { rate: megabytes / seconds, cpuUs }
  } finally {
    client.close()
  }
}

const cpuOf = ({ pid }: RunningPeer): number | undefined =>
  pid === undefined ? undefined : usageOf(pid)?.cpuUs
