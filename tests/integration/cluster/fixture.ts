/**
 * Labs for the tests of the lab itself. Rule: every lab has a directory and ports of its own, so
 * runs of several people on one machine do not meet.
 */
import { accessSync, constants, statfsSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { type Cluster, startCluster } from '../../../src/cluster/cluster.ts'
import type { ClusterOptions } from '../../../src/cluster/prepare.ts'

/** In memory where there is room, because a lab is a thousand small files. */
export async function testDirectory(): Promise<string> {
  const directory = await mkdtemp(join(roomInMemory() ? '/dev/shm' : tmpdir(), 'weir-lab-'))
  // Open to the user that runs the servers when we are root.
  await chmod(directory, 0o755)
  return directory
}

function roomInMemory(): boolean {
  try {
    accessSync('/dev/shm', constants.W_OK)
    const { bavail, bsize } = statfsSync('/dev/shm')
    return bavail * bsize > 2 * 1024 ** 3
  } catch {
    return false
  }
}

/** A started lab without fsync; end it with `endLab`. */
export async function testLab(options: Partial<ClusterOptions> = {}): Promise<Cluster> {
  const directory = options.directory ?? (await testDirectory())
  return startCluster({ fsync: false, basePort: await freePorts(5), ...options, directory })
}

export async function endLab(lab: Cluster | undefined): Promise<void> {
  if (lab === undefined) return
  await lab.destroy()
  await rm(lab.directory, { recursive: true, force: true })
}

/** First of `count` neighbouring ports on which nobody listens. */
export async function freePorts(count: number): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const base = 15_501 + 5 * Math.floor(Math.random() * 19)
    const free = await Promise.all(Array.from({ length: count }, (_, i) => isFree(base + i)))
    if (free.every(Boolean)) return base
  }
  throw new Error('no free ports between 15501 and 15600')
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

/** Rows of one statement on its own connection. */
export async function rowsOf(
  url: string,
  text: string,
  values: unknown[] = [],
): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(text, values)).rows
  } finally {
    await client.end().catch(() => {})
  }
}
