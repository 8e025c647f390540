/**
 * What a data directory tells about a server that need not run: was it a writer, how far did it
 * get, on which timeline. Rule: read only, and only what has stood at the same place in `pg_control`
 * in every version since 9.5 (src/include/catalog/pg_control.h), so any version's data can be read.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { lsnBytes } from './sql.ts'

export interface DiskFacts {
  /** True when it would start as a writer (there is no `standby.signal`). */
  readonly claimsWriter: boolean
  /** True when it was shut down in order as a writer, so its last record is `checkpoint`. */
  readonly cleanWriter: boolean
  /** Position of the last checkpoint record. */
  readonly checkpoint: bigint
  /** Timeline of that checkpoint. */
  readonly timeline: number
  /** The newest timeline it knows of; a promotion writes its history before its first checkpoint. */
  readonly newestTimeline: number
}

const SHUT_DOWN = 1

/** Facts of `data`; undefined when there is no (readable) server in it. */
export function diskFacts(data: string): DiskFacts | undefined {
  let control: Buffer
  let wal: string[]
  try {
    control = readFileSync(join(data, 'global', 'pg_control'))
    wal = readdirSync(join(data, 'pg_wal'))
  } catch {
    return undefined
  }
  // system identifier 0, versions 8 and 12, state 16, time 24, checkpoint 32, its redo 40, timeline 48
  if (control.length < 56) return undefined
  const claimsWriter = !existsSync(join(data, 'standby.signal'))
  const timeline = control.readUInt32LE(48)
  const known = wal
    .map((name) => /^([0-9A-F]{8})\.history$/.exec(name)?.[1])
    .map((hex) => (hex === undefined ? 0 : Number.parseInt(hex, 16)))
  return {
    claimsWriter,
    cleanWriter: claimsWriter && control.readInt32LE(16) === SHUT_DOWN,
    checkpoint: control.readBigUInt64LE(32),
    timeline,
    newestTimeline: Math.max(timeline, ...known),
  }
}

/** Where `timeline` ended in the history of the server in `data`; undefined if it is not in it. */
export function forkOf(data: string, timeline: number): bigint | undefined {
  const newest = diskFacts(data)?.newestTimeline ?? 0
  const name = `${newest.toString(16).toUpperCase().padStart(8, '0')}.history`
  try {
    for (const line of readFileSync(join(data, 'pg_wal', name), 'utf8').split('\n')) {
      const [number, lsn] = line.trim().split(/\s+/)
      if (Number(number) === timeline && lsn !== undefined) return lsnBytes(lsn)
    }
  } catch {
    return undefined
  }
  return undefined
}

/**
 * Whether a server that was a writer can follow the present one without being rewound: it ended in
 * order, and the present writer's history contains its very last record.
 */
export function canFollow(former: string, writer: string): boolean {
  const facts = diskFacts(former)
  if (facts === undefined || !facts.cleanWriter) return false
  const fork = forkOf(writer, facts.timeline)
  return fork !== undefined && facts.checkpoint < fork
}
