/**
 * Weir as a subject: `weir serve` as a process of its own with a configuration written for the run,
 * so that load and proxy never share an event loop. Rule: all settings are the defaults but those in
 * the description; what it says of itself is read from its admin port, as a person would.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Subject, SubjectStart } from '../subject.ts'
import { poolSize } from './pool-size.ts'
import { type Running, startProgram, versionOf, whenReady } from './programs.ts'
import { answers, urlOf } from './urls.ts'
import { adminOf, type WeirAdmin } from './weir-admin.ts'

export interface WeirOptions {
  /** Argv before `serve`: `[process.execPath, '/usr/lib/weir/scripts/weir.js']`. */
  readonly program: readonly string[]
  /** Settings beyond what a run needs, as in `--set pool.waitNotice=5s`. */
  readonly set?: readonly string[]
  readonly say?: (sentence: string) => void
  /**
   * What `weir switchover` does with the Weir at that admin address; without it a switchover is a
   * promotion that this Weir is not told of.
   */
  readonly switchOver?: (admin: string, promote: () => Promise<void>) => Promise<void>
}

export function weirSubject(options: WeirOptions): Subject {
  const { switchOver } = options
  let running: Running | undefined
  let admin: WeirAdmin | undefined
  let size: number | undefined
  return {
    name: 'weir',
    description: async () => {
      const [program = '', ...args] = options.program
      const version = versionOf(program, [...args, '--version'])
      const pools = size === undefined ? 'pools as large as the others have' : `pools of ${size}`
      const rest = ['otherwise its defaults', ...(options.set ?? [])].join(', ')
      return `Weir ${version}, a process of its own, ${pools}; ${rest}`
    },
    missing: async () => [],
    start: async (start) => {
      size = poolSize(start.nodeConnections)
      const file = join(start.directory, 'weir.yaml')
      // JSON is YAML.
      writeFileSync(file, JSON.stringify(configuration(start, size), null, 2), { mode: 0o600 })
      const set = (options.set ?? []).flatMap((setting) => ['--set', setting])
      running = await startProgram('Weir', {
        argv: [...options.program, 'serve', '--config', file, ...set],
        logFile: join(start.directory, 'weir.log'),
      })
      const { first } = start.ports
      const [writerUrl, readerUrl] = [urlOf(start.login, first), urlOf(start.login, first + 1)]
      const at = adminOf(`http://127.0.0.1:${first + 2}`)
      admin = at
      await whenReady('Weir', running, async () => {
        const { nodes } = await at.status()
        if (!nodes.every((node) => node.health === 'up')) return false
        return (await answers(writerUrl, 'writer')) && (await answers(readerUrl, 'reader'))
      })
      options.say?.(`weir serves on ${first} and ${first + 1} (process ${running.pid})`)
      return { writerUrl, readerUrl }
    },
    stop: async () => {
      await running?.stop()
      running = undefined
      admin = undefined
    },
    milestones: async (since) => (await admin?.milestones(since)) ?? {},
    ...(switchOver === undefined
      ? {}
      : {
          switchover: async (promote: () => Promise<void>): Promise<void> => {
            if (admin === undefined) throw new Error('BUG: this Weir was not started')
            await switchOver(admin.base, promote)
          },
        }),
  }
}

function configuration({ nodes, login, ports, clients }: SubjectStart, size: number): object {
  return {
    listen: { host: '127.0.0.1' },
    nodes: nodes.map(({ name, host, port }) => ({ name, host, port })),
    topology: { user: login.user, database: login.database },
    endpoints: [
      { name: 'writer', kind: 'writer', port: ports.first },
      { name: 'reader', kind: 'reader', port: ports.first + 1 },
    ],
    pool: { maxConnections: size },
    // Its default is 10000; a larger crowd is what a person asked for.
    limits: { maxClientConnections: Math.max(10_000, 2 * clients) },
    auth: { secrets: [{ username: login.user, password: login.password }] },
    admin: { port: ports.first + 2 },
    log: { level: 'info', format: 'json' },
  }
}
