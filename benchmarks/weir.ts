/**
 * Weir under test, started as a person would, from the built program. Rule: a variant differs from
 * the plain one in nothing but its overrides.
 */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BenchOptions } from './options.ts'
import type { Database } from './postgres.ts'
import { end } from './programs.ts'
import { type RunningPeer, ready } from './proxies.ts'
import type { Variant } from './variants.ts'

/** Starts Weir on `port`, as `variant` or plain. Rejects with what it said when it does not come up. */
export async function startWeir(
  directory: string,
  database: Database,
  options: BenchOptions,
  port: number,
  variant?: Variant,
): Promise<RunningPeer> {
  const peer = variant === undefined ? 'weir' : `weir+${variant.name}`
  const { user, password, database: name } = database.target
  const file = join(directory, `${peer}.yaml`)
  const config = {
    listen: { host: '127.0.0.1' },
    admin: { enabled: false },
    log: { level: 'warn', format: 'json' },
    auth: { secrets: [{ username: user, password }] },
    nodes: [
      {
        name: 'node-1',
        host: '127.0.0.1',
        port: database.target.port,
        socketDirectory: database.socketDirectory,
      },
    ],
    topology: { database: name },
    pool: { maxConnections: options.pool },
    endpoints: [{ name: 'writer', kind: 'writer', port }],
  }
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(config, null, 2), { mode: 0o600 })
  const overrides = (variant?.settings ?? []).flatMap((setting) => ['--set', setting])
  // This file runs from dist/benchmarks.
  const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
  const child = spawn(
    process.execPath,
    [join(root, 'scripts', 'weir.js'), 'serve', '--config', file, ...overrides],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...variant?.environment },
    },
  )
  const target = { ...database.target, port }
  return {
    name: peer,
    version: `Weir on Node ${process.version}`,
    footnotes: variant === undefined ? [] : [`${peer}: ${told(variant)}`],
    pid: await ready(peer, child, target),
    targetFor: () => target,
    stop: () => end(child, 'SIGTERM'),
  }
}

function told({ settings, environment }: Variant): string {
  const pairs = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
  return [...settings, ...pairs].join(', ')
}
