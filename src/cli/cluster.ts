/**
 * `weir cluster`: the local replicated Postgres by hand. Rule: each command opens the lab afresh,
 * does one verb and ends; nodes live on without it. What went wrong is told on standard error with
 * what to do next, exit code 1.
 */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { type Cluster, openCluster, startCluster } from '../cluster/cluster.ts'
import type { NodeStatus } from '../cluster/node-status.ts'
import { defaultDirectory } from '../cluster/place.ts'
import type { PromoteOptions } from '../cluster/promote.ts'
import type { StopMode } from '../cluster/server-process.ts'
import { WeirError } from '../core/errors.ts'
import { alignedTable } from './table.ts'

interface Place {
  dir?: string
}

interface UpFlags extends Place {
  nodes?: number
  basePort?: number
  portOffset?: number
  postgres?: string
  synchronous?: boolean
  maxConnections?: number
  tier: Record<string, number>
  set: Record<string, string>
  foreground?: boolean
}

export function registerCluster(program: Command): void {
  const cluster = program
    .command('cluster')
    .description('a local replicated Postgres: one writer, streaming readers')
    .addHelpText('after', '\nExample:\n  weir cluster up --nodes 3 && weir cluster status')
  registerUp(cluster)
  registerLooking(cluster)

  verb(cluster, 'down', 'stop all nodes', 'weir cluster down')
    .option('--destroy', 'remove the data too')
    .action((flags: Place & { destroy?: boolean }) =>
      attempt(flags, (lab) => (flags.destroy ? lab.destroy() : lab.down())),
    )
  nodeVerb(
    cluster,
    'kill',
    'SIGKILL a node with all its processes',
    'weir cluster kill node-1',
  ).action((name: string, flags: Place) => attempt(flags, (lab) => lab.kill(name)))
  nodeVerb(cluster, 'stop', 'stop a node', 'weir cluster stop node-2 --mode immediate')
    .option('--mode <mode>', 'fast, smart or immediate', stopMode, 'fast')
    .action((name: string, flags: Place & { mode: StopMode }) =>
      attempt(flags, (lab) => lab.stop(name, flags.mode)),
    )
  nodeVerb(
    cluster,
    'start',
    'start a node; a former writer comes as a reader',
    'weir cluster start node-2',
  )
    .option('--as-it-was', 'start a former writer as a second writer')
    .action((name: string, flags: Place & { asItWas?: boolean }) =>
      attempt(flags, (lab) => lab.start(name, { asItWas: flags.asItWas ?? false })),
    )
  nodeVerb(cluster, 'restart', 'stop and start a node', 'weir cluster restart node-2').action(
    (name: string, flags: Place) => attempt(flags, (lab) => lab.restart(name)),
  )
  nodeVerb(
    cluster,
    'pause',
    'SIGSTOP a node: it holds its port and answers nobody',
    'weir cluster pause node-1',
  ).action((name: string, flags: Place) => attempt(flags, (lab) => lab.pause(name)))
  nodeVerb(cluster, 'resume', 'let a paused node go on', 'weir cluster resume node-1').action(
    (name: string, flags: Place) => attempt(flags, (lab) => lab.resume(name)),
  )
  verb(cluster, 'promote', 'make a reader the writer', 'weir cluster promote node-2')
    .argument('[node]', 'default: lowest tier, then the most advanced')
    .option('--force', 'do not stop the old writer; records may be lost')
    .option('--no-rejoin', 'leave the old writer stopped')
    .action((name: string | undefined, flags: Place & { force?: boolean; rejoin: boolean }) => {
      const options: PromoteOptions = { force: flags.force ?? false }
      if (!flags.rejoin) options.rejoin = false
      return attempt(flags, async (lab) => void (await lab.promote(name, options)))
    })
  nodeVerb(
    cluster,
    'rejoin',
    'make a node a reader of the writer',
    'weir cluster rejoin node-1',
  ).action((name: string, flags: Place) =>
    attempt(flags, async (lab) => print(`${name}: ${await lab.rejoin(name)}`)),
  )
  verb(cluster, 'add-reader', 'copy the writer to a new reader', 'weir cluster add-reader --tier 0')
    .option('--tier <0-15>', 'who is promoted first, lowest first', whole, 1)
    .action((flags: Place & { tier: number }) =>
      attempt(flags, async (lab) => void (await lab.addReader({ tier: flags.tier }))),
    )
  nodeVerb(
    cluster,
    'remove-reader',
    'stop a reader and remove its data',
    'weir cluster remove-reader node-3',
  ).action((name: string, flags: Place) => attempt(flags, (lab) => lab.removeReader(name)))
}

function registerUp(cluster: Command): void {
  verb(
    cluster,
    'up',
    'create the lab, or start what is there as it was',
    'weir cluster up --nodes 2 --synchronous',
  )
    .option('--nodes <n>', 'how many at least, with the writer (default: 3)', whole)
    .option('--base-port <port>', 'port of node-1 (default: 5501)', whole)
    .option('--port-offset <n>', 'added to every port', whole)
    .option('--postgres <dir>', 'programs of an installed server, e.g. /usr/lib/postgresql/17/bin')
    .option('--synchronous', 'acknowledge a commit only when a reader has it too')
    .option('--no-synchronous', 'acknowledge a commit at once (default)')
    .option('--max-connections <n>', 'of each node (default: 100)', whole)
    .addOption(
      new Option('--tier <node=tier>', 'promotion tier 0-15; may be repeated')
        .argParser(tierOf)
        .default({}, '1'),
    )
    .addOption(
      new Option('--set <name=value>', 'server setting; may be repeated')
        .argParser(pairOf)
        .default({}, 'none'),
    )
    .option('--foreground', 'stay, and stop the nodes on Ctrl-C; else they run on until `down`')
    .action((flags: UpFlags) => reporting(() => up(flags)))
}

async function up(flags: UpFlags): Promise<void> {
  const lab = await startCluster({
    directory: flags.dir ?? defaultDirectory(),
    ...(flags.nodes === undefined ? {} : { nodes: flags.nodes }),
    ...(flags.basePort === undefined ? {} : { basePort: flags.basePort }),
    ...(flags.portOffset === undefined ? {} : { portOffset: flags.portOffset }),
    ...(flags.postgres === undefined ? {} : { postgresBin: flags.postgres }),
    ...(flags.maxConnections === undefined ? {} : { maxConnections: flags.maxConnections }),
    ...(flags.synchronous === undefined ? {} : { synchronous: flags.synchronous }),
    tiers: flags.tier,
    settings: flags.set,
    onProgress: say,
  })
  print(clusterTable(await lab.status()))
  print(`\nwriter: ${lab.url()}`)
  if (!flags.foreground) {
    lab.detach()
    print('the nodes run until `weir cluster down`')
    return
  }
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
    // Signals alone do not keep a process alive.
    const alive = setInterval(() => {}, 60_000)
    process.once('exit', () => clearInterval(alive))
    print('Ctrl-C stops the nodes')
  })
  await lab.down()
  process.exit(0)
}

function registerLooking(cluster: Command): void {
  verb(cluster, 'status', 'tell role, position and lag of every node', 'weir cluster status --json')
    .option('--json', 'print it as JSON')
    .action((flags: Place & { json?: boolean }) =>
      attempt(flags, async (lab) => {
        const nodes = await lab.status()
        print(
          flags.json
            ? JSON.stringify({ directory: lab.directory, nodes }, null, 2)
            : clusterTable(nodes),
        )
      }),
    )
  verb(cluster, 'psql-url', 'print the URL of a node', 'psql "$(weir cluster psql-url reader)"')
    .argument('[node]', 'a name, writer, or reader', 'writer')
    .action((name: string, flags: Place) =>
      attempt(flags, async (lab) => print(lab.url(nodeNamed(lab, name)))),
    )
  nodeVerb(cluster, 'logs', "print the end of a node's log", 'weir cluster logs node-1 --lines 200')
    .option('-n, --lines <n>', 'how many', whole, 50)
    .action((name: string, flags: Place & { lines: number }) =>
      attempt(flags, async (lab) => print(lab.logs(name, flags.lines))),
    )
}

function nodeNamed(lab: Cluster, name: string): string {
  if (name === 'writer') return lab.writer().name
  if (name !== 'reader') return name
  const reader = lab.readers().find((node) => node.running)
  if (reader === undefined) throw new WeirError('WEIR_CLUSTER_NODE', 'no reader runs')
  return reader.name
}

function verb(cluster: Command, name: string, what: string, example: string): Command {
  return cluster
    .command(name)
    .description(what)
    .option('--dir <dir>', "the lab's directory (default: .weir)")
    .addHelpText('after', `\nExample:\n  ${example}`)
}

function nodeVerb(cluster: Command, name: string, what: string, example: string): Command {
  return verb(cluster, name, what, example).argument('<node>', 'a name such as node-1')
}

function attempt(flags: Place, work: (lab: Cluster) => Promise<void>): Promise<void> {
  return reporting(async () => {
    await work(await openCluster(flags.dir ?? defaultDirectory(), { onProgress: say }))
  })
}

async function reporting(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof WeirError)) throw error
    const lines = [`weir cluster: ${error.message}`, error.detail, error.hint && `  ${error.hint}`]
    say(lines.filter((line) => line !== undefined && line !== '').join('\n'))
    process.exitCode = 1
  }
}

function whole(text: string): number {
  if (!/^-?\d+$/.test(text)) throw new InvalidArgumentError('a whole number is needed')
  return Number(text)
}

function stopMode(text: string): StopMode {
  if (text === 'fast' || text === 'smart' || text === 'immediate') return text
  throw new InvalidArgumentError('fast, smart or immediate is needed')
}

function pairOf(text: string, before: Record<string, string>): Record<string, string> {
  const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? []
  if (name === undefined || value === undefined)
    throw new InvalidArgumentError('name=value is needed')
  return { ...before, [name]: value }
}

function tierOf(text: string, before: Record<string, number>): Record<string, number> {
  const [, name, tier] = /^(node-\d+)=(\d+)$/.exec(text) ?? []
  if (name === undefined || Number(tier) > 15) {
    throw new InvalidArgumentError('node-N=TIER with a tier of 0 to 15 is needed')
  }
  return { ...before, [name]: Number(tier) }
}

/** @returns lines for a person; a node that does not answer says why */
function clusterTable(nodes: readonly NodeStatus[]): string {
  const headings = ['node', 'port', 'role', 'tier', 'timeline', 'position', 'lag bytes', 'state']
  const rows = nodes.map((node) => [
    { text: node.name },
    { text: String(node.port), right: true },
    { text: node.actualRole },
    { text: String(node.tier), right: true },
    { text: node.timeline === undefined ? '-' : String(node.timeline), right: true },
    { text: node.lsn ?? '-' },
    { text: node.lagBytes === undefined ? '-' : String(node.lagBytes), right: true },
    { text: stateText(node) },
  ])
  return alignedTable(headings, rows).join('\n')
}

function stateText(node: NodeStatus): string {
  if (node.problem !== undefined) return node.problem
  if (node.role !== node.actualRole) return `should be ${node.role}`
  return node.streaming === false ? 'does not stream' : 'ok'
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}
