/**
 * Makes a node a reader of the present writer, whatever it was before. Rule: the cheapest way that
 * is right is taken: leave it if it streams, let it follow if its history is part of the writer's,
 * rewind it where `pg_rewind` is installed, else copy the writer afresh. It never becomes a reader
 * with records the writer does not have.
 */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type pg from 'pg'
import { messageOf, WeirError } from '../core/errors.ts'
import { until } from '../core/until.ts'
import { serverEnvironment } from './binaries.ts'
import { cloneFromWriter, ensureSlot } from './clone.ts'
import { canFollow, diskFacts, forkOf } from './disk-facts.ts'
import { dataDirectory, isRunning, type Lab, launch, nodeOf, stateOf, writerOf } from './lab.ts'
import { type Answer, answerOver, askAnswer } from './node-status.ts'
import { spawnIdentity } from './run-as.ts'
import { resumeServer, stopServer } from './server-process.ts'
import { slotName } from './server-settings.ts'
import { lsnBytes, withNode } from './sql.ts'
import type { ClusterState, NodeEntry } from './state-file.ts'

/** How a node became a reader again. */
export type RejoinWay = 'streams already' | 'followed' | 'rewound' | 'copied'

const run = promisify(execFile)

/** Throws WEIR_CLUSTER_WRITER for the writer itself and when the writer does not run. */
export async function rejoin(lab: Lab, name: string): Promise<RejoinWay> {
  const state = stateOf(lab)
  const node = nodeOf(state, name)
  const writer = writerOf(state)
  requireOtherWriter(state, name)
  const data = dataDirectory(state, name)
  resumeServer(data)
  if (isRunning(state, name) && diskFacts(data)?.claimsWriter === false) {
    if (await follows(state, node, 3_000)) return 'streams already'
  }
  await stopServer(data, 'fast', 5_000)
  await withNode(state, writer, (client) => ensureSlot(client, slotName(name)))

  const facts = node.ready ? diskFacts(data) : undefined
  if (facts !== undefined) {
    // A reader of before only needs to be started; whether it follows is seen.
    const ready = !facts.claimsWriter || canFollow(data, dataDirectory(state, state.writer))
    const way = ready ? 'followed' : (await rewind(lab, state, node)) ? 'rewound' : undefined
    if (way !== undefined && (await startFollowing(lab, state, node))) {
      lab.say(
        `${name} ${way} ${writer.name} as a reader`.replace('rewound', 'was rewound and follows'),
      )
      return way
    }
  }
  await copyAndStart(lab, node)
  return 'copied'
}

/** A fresh copy of the writer for a node that has no data or cannot follow. */
export async function copyAndStart(lab: Lab, node: NodeEntry): Promise<void> {
  const state = stateOf(lab)
  await stopServer(dataDirectory(state, node.name), 'immediate', 5_000)
  await cloneFromWriter(lab, state, node)
  await launch(lab, state, node, writerOf(state))
  if (await follows(state, node, 20_000)) return
  throw new WeirError('WEIR_CLUSTER_FOLLOW', `${node.name} does not follow ${state.writer}`, {
    hint: `see \`weir cluster logs ${node.name}\``,
  })
}

/** Waits until a reader that was just repointed or started streams; copies it afresh if it cannot. */
export async function ensureFollowing(lab: Lab, node: NodeEntry, withinMs = 10_000): Promise<void> {
  const state = stateOf(lab)
  if (await follows(state, node, withinMs)) return
  lab.say(`${node.name} cannot follow ${state.writer} from where it is`)
  await copyAndStart(lab, node)
}

/** A node past the fork for so long (ms) is not just about to tell its new timeline. */
const PARTED_MS = 500

/**
 * Whether `node` streams from the writer's timeline before `withinMs` are over; false at once for one
 * that has replayed what the writer never had, as it can only try and fail for ever.
 */
export async function follows(
  state: ClusterState,
  node: NodeEntry,
  withinMs: number,
): Promise<boolean> {
  try {
    const end = performance.now() + withinMs
    const writer = await askAnswer(state, writerOf(state), withinMs)
    let partedSince: number | undefined
    const parted = ({ timeline, lsn, streaming }: Answer): boolean => {
      const fork = forkOf(dataDirectory(state, state.writer), timeline)
      const past = !streaming && fork !== undefined && lsnBytes(lsn) > fork
      partedSince = past ? (partedSince ?? performance.now()) : undefined
      return past && performance.now() - partedSince! > PARTED_MS
    }
    // One connection as long as it lasts: a login each time is a load on who is being watched.
    const streams = (client: pg.Client) =>
      until(
        async () => {
          const answer = await answerOver(client)
          const { recovery, streaming, timeline } = answer
          if (recovery && streaming && timeline === writer.timeline) return 'follows'
          return parted(answer) && 'parted'
        },
        end - performance.now(),
        { everyMs: 20 },
      )
    const ask = () => withNode(state, node, streams, { withinMs })
    return (await until(ask, withinMs, { everyMs: 30 })) === 'follows'
  } catch {
    return false
  }
}

async function startFollowing(lab: Lab, state: ClusterState, node: NodeEntry): Promise<boolean> {
  // Slots of its time as a writer would hold WAL for ever.
  const slots = join(dataDirectory(state, node.name), 'pg_replslot')
  for (const slot of readdirSync(slots)) rmSync(join(slots, slot), { recursive: true, force: true })
  try {
    await launch(lab, state, node, writerOf(state))
  } catch (error) {
    if (error instanceof WeirError && error.code === 'WEIR_PORT_TAKEN') throw error
    lab.log.warn({ node: node.name, error: messageOf(error) }, 'node does not start as it is')
    return false
  }
  return follows(state, node, 10_000)
}

/** False when `pg_rewind` is not there or cannot do it. */
async function rewind(lab: Lab, state: ClusterState, node: NodeEntry): Promise<boolean> {
  const program = join(lab.binaries.bin, 'pg_rewind')
  if (!existsSync(program)) return false
  const writer = writerOf(state)
  // It reads the source's timeline from its last checkpoint.
  await withNode(state, writer, (client) => client.query('checkpoint'), { withinMs: 60_000 })
  const { user, password } = state.lab
  const source = `host=127.0.0.1 port=${writer.port} user=${user} dbname=postgres`
  try {
    await run(program, ['-D', dataDirectory(state, node.name), '--source-server', source], {
      ...spawnIdentity(lab.runAs),
      cwd: '/',
      env: { ...serverEnvironment(lab.binaries), PGPASSWORD: password },
    })
    return true
  } catch (error) {
    lab.log.warn({ node: node.name, error: messageOf(error) }, 'pg_rewind did not work')
    return false
  }
}

function requireOtherWriter(state: ClusterState, name: string): void {
  if (name === state.writer) {
    throw new WeirError('WEIR_CLUSTER_WRITER', `${name} is the writer`, {
      hint: 'promote another node first: `weir cluster promote`',
    })
  }
  if (isRunning(state, state.writer)) return
  throw new WeirError('WEIR_CLUSTER_WRITER', `the writer ${state.writer} does not run`, {
    hint: `start it (\`weir cluster start ${state.writer}\`) or promote another node`,
  })
}
