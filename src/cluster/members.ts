/**
 * Readers that come and go while the lab runs. Rule: a name that was removed leaves nothing behind
 * (no slot at the writer, no data, no entry), so it can be used again.
 */
import { rmSync } from 'node:fs'
import { WeirError } from '../core/errors.ts'
import { dropSlots } from './clone.ts'
import {
  changeState,
  dataDirectory,
  isRunning,
  type Lab,
  nodeDirectory,
  nodeOf,
  stateOf,
  writerOf,
} from './lab.ts'
import { copyAndStart } from './rejoin.ts'
import { stopServer } from './server-process.ts'
import { slotName } from './server-settings.ts'
import { withNode } from './sql.ts'
import { nextName, portOf } from './up.ts'

/** Copies the writer to a new reader with the lowest free number; its name. */
export async function addReader(lab: Lab, tier = 1): Promise<string> {
  const before = stateOf(lab)
  requireWriter(lab)
  const name = nextName(before.nodes.map((node) => node.name))
  const entry = { name, port: portOf(name, before.basePort), tier, ready: false }
  changeState(lab, (now) => {
    now.nodes.push(entry)
  })
  try {
    await copyAndStart(lab, entry)
  } catch (error) {
    await removeReader(lab, name).catch(() => {})
    throw error
  }
  lab.say(`${name} is ready on port ${entry.port} (reader)`)
  return name
}

/** Stops a reader and forgets it with its data. Throws WEIR_CLUSTER_WRITER for the writer. */
export async function removeReader(lab: Lab, name: string): Promise<void> {
  const state = stateOf(lab)
  nodeOf(state, name)
  if (name === state.writer) {
    throw new WeirError('WEIR_CLUSTER_WRITER', `${name} is the writer and cannot be removed`, {
      hint: 'promote another node first: `weir cluster promote`',
    })
  }
  await stopServer(dataDirectory(state, name), 'fast', 5_000)
  if (isRunning(state, state.writer)) {
    await withNode(state, writerOf(state), (client) =>
      dropSlots(client, (slot) => slot === slotName(name)),
    )
  }
  changeState(lab, (now) => {
    now.nodes = now.nodes.filter((node) => node.name !== name)
  })
  rmSync(nodeDirectory(state, name), { recursive: true, force: true })
}

function requireWriter(lab: Lab): void {
  const state = stateOf(lab)
  if (isRunning(state, state.writer)) return
  throw new WeirError('WEIR_CLUSTER_WRITER', `the writer ${state.writer} does not run`, {
    hint: 'a reader is copied from it; start it first',
  })
}
