/**
 * Weir before one node that a test plays itself. Rule: everything is as small and as default as it
 * can be; what Weir logs is kept as lines of JSON, exactly as a file of its log would hold them.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type App, startApp } from '../../../src/app.ts'
import { loadSettings } from '../../../src/config/load.ts'
import { freePorts } from '../../support/house.ts'
import { testOverrides } from '../../support/overrides.ts'
import { PROBER } from './evil-node.ts'
import { type KeptLog, keptLog } from './kept-log.ts'

/** First and last port of the tests in this folder. */
export const ATTACK_PORTS = [17_800, 17_899] as const

export interface Standing {
  readonly app: App
  readonly port: number
  readonly directory: string
  readonly log: KeptLog
  /** Whether the node counts as serving, and what Weir says of it. */
  node(): { health: string; because: string }
  end(): Promise<void>
}

/** @param config sections laid over the configuration */
export async function weirBefore(
  nodePort: number,
  config: Readonly<Record<string, unknown>> = {},
  ready = true,
): Promise<Standing> {
  const port = await freePorts(1, ATTACK_PORTS)
  const directory = await mkdtemp(join(tmpdir(), 'weir-attack-'))
  const file = join(directory, 'weir.yaml')
  const settings = {
    nodes: [{ name: 'node-1', host: '127.0.0.1', port: nodePort }],
    topology: { user: PROBER, database: 'app', period: '200ms' },
    endpoints: [{ name: 'writer', kind: 'writer', port }],
    tls: { nodes: 'disable' },
    admin: { enabled: false },
    ...config,
    auth: {
      trust: true,
      secrets: [
        { username: PROBER, password: 'probe' },
        { username: 'weir', password: SECRET },
      ],
      ...(config.auth as object | undefined),
    },
    pool: { maxConnections: 2, borrowTimeout: '20s', openTimeout: '20s', ...(config.pool ?? {}) },
  }
  await writeFile(file, JSON.stringify(settings), { mode: 0o600 })
  const log = keptLog()
  const app = await startApp({
    settings: loadSettings({ file, overrides: testOverrides() }).settings,
    log: log.log,
    version: '0.0.0-test',
    graceMs: 200,
  })
  if (ready) await app.whenReady(20_000)
  return {
    app,
    port,
    directory,
    log,
    node: () => {
      const { health, because } = app.snapshot().nodes[0]!
      return { health, because }
    },
    end: async () => {
      await app.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** The password of user `weir`: long and odd, so that nobody finds it by accident. */
export const SECRET = 'correct-horse-7Zq!battery'
