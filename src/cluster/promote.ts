/**
 * Moves the writer's role to a reader. Rule: unless forced, the old writer is stopped before the
 * new one begins, so there are never two; and a record that a living reader or an orderly stopped
 * writer has is never left behind.
 *
 *   choose -> stop old writer -> choose again -> catch up -> pg_promote -> others follow -> old rejoins
 */
import type pg from 'pg'
import { messageOf, WeirError } from '../core/errors.ts'
import { until } from '../core/until.ts'
import { type Choice, choose } from './candidate.ts'
import { ensureSlot } from './clone.ts'
import { diskFacts } from './disk-facts.ts'
import {
  allDone,
  changeState,
  configureNode,
  dataDirectory,
  isRunning,
  type Lab,
  launch,
  nodeOf,
  repoint,
  stateOf,
  writerOf,
} from './lab.ts'
import { askAnswer } from './node-status.ts'
import { ensureFollowing, type RejoinWay, rejoin } from './rejoin.ts'
import { killServer, reloadServer, runningServer, stopServer } from './server-process.ts'
import { slotName } from './server-settings.ts'
import { lsnBytes, withNode } from './sql.ts'
import type { ClusterState, NodeEntry } from './state-file.ts'

/** A promotion is held up for no longer by readers that do not follow yet (ms). */
const FOLLOWED_WITHIN = 200

export interface PromoteOptions {
  /** Make the old writer a reader afterwards. Default true, with `force` false. */
  rejoin?: boolean
  /** Do not stop the old writer and accept loss of records: two writers may result. */
  force?: boolean
}

export interface Promotion {
  readonly writer: string
  readonly formerWriter: string
  readonly because: string
  /** How the former writer came back; undefined when it was left alone. */
  readonly rejoined: RejoinWay | undefined
}

/** Throws WEIR_CLUSTER_PROMOTE when no reader can take over; the old writer goes on then. */
export async function promote(
  lab: Lab,
  name: string | undefined,
  options: PromoteOptions = {},
): Promise<Promotion> {
  const before = stateOf(lab)
  const old = writerOf(before)
  const force = options.force ?? false
  if (name !== undefined) nodeOf(before, name)
  if (name === old.name) throw refusal(`${name} is the writer already`)
  await choice(before, name)
  const stopped = !force && (await stopWriter(lab, before, old))

  let picked: Choice
  try {
    if (!isRunning(before, old.name)) await receiversDone(before)
    picked = await choice(before, name)
    if (!force) await secure(lab, before, old, picked)
  } catch (error) {
    // Nothing has changed yet: the old writer, if we stopped it, goes on.
    if (stopped) await launch(lab, before, old, undefined)
    throw error
  }
  const next = nodeOf(before, picked.chosen.name)
  lab.say(`promoting ${next.name}: ${picked.because}`)
  try {
    await turnWriter(lab, before, next, old)
  } catch (error) {
    // Who was told to follow it follows the old writer again, which may still be there.
    const others = before.nodes.filter(({ name }) => name !== old.name && name !== next.name)
    for (const node of awake(before, others)) repoint(lab, before, node, old)
    throw error
  }
  const state = changeState(lab, (now) => {
    now.writer = next.name
  })
  await leadOthers(lab, state, next, old)
  lab.say(`${next.name} is the writer`)

  const back = options.rejoin ?? !force
  return {
    writer: next.name,
    formerWriter: old.name,
    because: picked.because,
    rejoined: back ? await rejoin(lab, old.name) : undefined,
  }
}

/** After the writer's end readers may still be taking in what it had sent. */
async function receiversDone(state: ClusterState): Promise<void> {
  const readers = state.nodes.filter((node) => {
    const server = runningServer(dataDirectory(state, node.name))
    return node.name !== state.writer && server?.paused === false
  })
  const done = async (node: NodeEntry) => !(await askAnswer(state, node)).streaming
  const all = async () => (await Promise.all(readers.map(done))).every(Boolean)
  await until(all, 2_000, { everyMs: 5 }).catch(() => {})
}

async function choice(state: ClusterState, name: string | undefined): Promise<Choice> {
  const asked = await Promise.all(
    state.nodes.map(async (node) => {
      const server = runningServer(dataDirectory(state, node.name))
      if (node.name === state.writer || server === undefined || server.paused) return []
      try {
        const { recovery, received } = await askAnswer(state, node)
        return recovery ? [{ name: node.name, tier: node.tier, received: lsnBytes(received) }] : []
      } catch {
        return []
      }
    }),
  )
  const found = choose(asked.flat(), name)
  if (found !== undefined) return found
  throw refusal(
    name === undefined ? 'no reader runs and answers' : `${name} is not a reader that answers`,
  )
}

/** True when it ran. A paused writer cannot stop in order: it is fenced off with SIGKILL. */
async function stopWriter(lab: Lab, state: ClusterState, old: NodeEntry): Promise<boolean> {
  const data = dataDirectory(state, old.name)
  if (runningServer(data)?.paused) {
    lab.say(`killing ${old.name}, which is paused`)
    return killServer(data)
  }
  // A fast stop sends readers everything first; one that hangs must not hold that up for ever.
  return stopServer(data, 'fast', 12_000)
}

/** Makes sure that the chosen reader has all that is known to exist. */
async function secure(
  lab: Lab,
  state: ClusterState,
  old: NodeEntry,
  { chosen, catchUpFrom }: Choice,
): Promise<void> {
  const silent = state.nodes.filter(
    (node) => node.name !== old.name && !isRunning(state, node.name),
  )
  const facts = diskFacts(dataDirectory(state, old.name))
  if (facts?.cleanWriter) {
    const furthest = catchUpFrom ?? chosen
    if (furthest.received <= facts.checkpoint) {
      throw refusal(`${furthest.name} has not received all that ${old.name} wrote`)
    }
  } else if (state.synchronous && silent.length > 0) {
    throw refusal(
      `${silent.map((node) => node.name).join(', ')} may hold acknowledged writes that ${chosen.name} lacks`,
    )
  }
  if (catchUpFrom === undefined) return
  const node = nodeOf(state, chosen.name)
  lab.say(`${node.name} catches up from ${catchUpFrom.name}`)
  repoint(lab, state, node, nodeOf(state, catchUpFrom.name), { slot: false })
  try {
    await until(
      async () => lsnBytes((await askAnswer(state, node)).received) >= catchUpFrom.received,
      15_000,
    )
  } catch (error) {
    throw refusal(`${node.name} cannot catch up from ${catchUpFrom.name}: ${messageOf(error)}`)
  }
}

async function turnWriter(
  lab: Lab,
  state: ClusterState,
  node: NodeEntry,
  old: NodeEntry,
): Promise<void> {
  const others = state.nodes.filter((one) => one.name !== node.name)
  const readers = awake(state, others).filter((one) => one.name !== old.name)
  await withNode(
    state,
    node,
    async (client) => {
      // The others follow it while it still is a reader itself, and cross to its new timeline with
      // it: a synchronous commit waits for one of them, and should not wait for a reconnect.
      for (const one of others) await ensureSlot(client, slotName(one.name))
      for (const one of readers) repoint(lab, state, one, node)
      if (state.synchronous) await followed(client, readers)
      // Asked every few milliseconds; its own waiting form looks only ten times a second.
      await client.query('select pg_promote(false)')
      await until(
        async () => {
          const { rows } = await client.query('select pg_is_in_recovery() as recovery')
          return !rows[0].recovery
        },
        60_000,
        { everyMs: 5, what: `${node.name} to end recovery` },
      )
    },
    { withinMs: 60_000 },
  )
}

async function leadOthers(
  lab: Lab,
  state: ClusterState,
  writer: NodeEntry,
  old: NodeEntry,
): Promise<void> {
  configureNode(lab, state, writer, undefined)
  reloadServer(dataDirectory(state, writer.name))
  const others = state.nodes.filter((node) => node.name !== writer.name)
  const readers = others.filter((node) => node.name !== old.name && node.ready)
  for (const node of readers) repoint(lab, state, node, writer)
  await allDone(awake(state, readers).map((node) => ensureFollowing(lab, node)))
}

/** Waits a moment for the first of these to stream from the node behind `client`. */
async function followed(client: pg.Client, readers: readonly NodeEntry[]): Promise<void> {
  if (readers.length === 0) return
  const streaming = async (): Promise<boolean> => {
    const { rowCount } = await client.query(
      `select from pg_stat_replication where state = 'streaming' limit 1`,
    )
    return rowCount === 1
  }
  await until(streaming, FOLLOWED_WITHIN, { everyMs: 3 }).catch(() => {})
}

/** Those that run and are not paused. */
function awake(state: ClusterState, nodes: readonly NodeEntry[]): NodeEntry[] {
  return nodes.filter((node) => runningServer(dataDirectory(state, node.name))?.paused === false)
}

function refusal(why: string): WeirError {
  return new WeirError('WEIR_CLUSTER_PROMOTE', `cannot promote: ${why}`, {
    hint: 'see `weir cluster status`; --force promotes in spite of possible loss',
  })
}
