/**
 * Weir as people run it: `weir serve --config FILE` in a process of its own, in front of the given
 * nodes.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { until } from '../../src/core/until.ts'
import type { Place } from './images.ts'

export interface WeirProcess {
  /** Connection strings. */
  readonly writer: string
  readonly reader: string
  /** `http://127.0.0.1:PORT` */
  readonly admin: string
  /** Exit code after SIGTERM. */
  stop(): Promise<number | null>
}

export async function startWeir(nodes: Readonly<Record<string, Place>>): Promise<WeirProcess> {
  const directory = await mkdtemp(join(tmpdir(), 'weir-containers-'))
  const [writer = 0, reader = 0, admin = 0] = await freePorts(3)
  const settings = {
    nodes: Object.entries(nodes).map(([name, { host, port }]) => ({ name, host, port })),
    topology: { user: 'weir', database: 'app' },
    endpoints: [
      { name: 'writer', kind: 'writer', port: writer },
      { name: 'reader', kind: 'reader', port: reader, noReader: 'writer' },
    ],
    pool: { maxConnections: 5 },
    auth: { secrets: [{ username: 'weir', password: 'weir' }] },
    admin: { port: admin },
    log: { level: 'warn', format: 'json' },
  }
  const file = join(directory, 'weir.yaml')
  // JSON is YAML.
  await writeFile(file, JSON.stringify(settings, null, 2), { mode: 0o600 })
  const program = fileURLToPath(new URL('../../scripts/weir.js', import.meta.url))
  const child = spawn(process.execPath, [program, 'serve', '--config', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-20_000)
    })
  }
  const address = `http://127.0.0.1:${admin}`
  await until(() => ready(child, address, () => said), 30_000, { what: 'Weir to be ready' })
  return {
    writer: `postgres://weir:weir@127.0.0.1:${writer}/app`,
    reader: `postgres://weir:weir@127.0.0.1:${reader}/app`,
    admin: address,
    stop: async () => {
      const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
      if (child.exitCode === null) child.kill('SIGTERM')
      const code = child.exitCode ?? (await ended)
      await rm(directory, { recursive: true })
      return code
    },
  }
}

async function ready(child: ChildProcess, admin: string, said: () => string): Promise<boolean> {
  if (child.exitCode !== null) throw new Error(`weir ended with ${child.exitCode}: ${said()}`)
  return (await fetch(`${admin}/readyz`)).ok
}

/** Ports that were free a moment ago; all held together, so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports: number[] = []
  for (const server of servers) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    if (typeof address === 'object' && address !== null) ports.push(address.port)
  }
  await Promise.all(servers.map((s) => new Promise((resolve) => s.close(resolve))))
  return ports
}
