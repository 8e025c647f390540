/**
 * A cluster of anybody's as what `weir failover` hurts and heals, by commands of the operator. Rule:
 * roles are asked from the nodes, never believed from a command; a command that fails ends the run,
 * because nobody knows then in what state the cluster is.
 */
import { spawn } from 'node:child_process'
import { connectNode } from '../bench/failover/control.ts'
import type { Fault } from '../bench/failover/result.ts'
import type { FaultDriver, Login, NodeAddress } from '../bench/failover/subject.ts'
import { WeirError } from '../core/errors.ts'
import { until } from '../core/until.ts'

export interface Commands {
  readonly fault?: string
  readonly promote?: string
  readonly heal?: string
}

const WITHIN = 120_000

/** `name=host:port`; throws WEIR_FAILOVER_FLAGS. */
export function nodeAddress(text: string): NodeAddress {
  const [, name, host, port] = /^([\w.-]+)=(.+):(\d+)$/.exec(text) ?? []
  if (name !== undefined && host !== undefined) return { name, host, port: Number(port) }
  throw flagError(`--node ${text} is not understood`, 'write --node a=10.0.0.1:5432')
}

/** `user:password@database`; throws WEIR_FAILOVER_FLAGS. */
export function loginOf(text: string | undefined): Login {
  const [, user, password, database] = /^([^:]+):(.*)@([^@]+)$/s.exec(text ?? '') ?? []
  if (user !== undefined && password !== undefined && database !== undefined) {
    return { user, password, database }
  }
  throw flagError('nodes of your own need --login', "write --login 'user:password@database'")
}

export function flagError(message: string, hint: string): WeirError {
  return new WeirError('WEIR_FAILOVER_FLAGS', message, { hint })
}

/** @param now wall ms */
export function commandDriver(
  nodes: readonly NodeAddress[],
  login: Login,
  commands: Commands,
  now: () => number,
): FaultDriver {
  const ask = async (node: NodeAddress): Promise<{ recovery: boolean; streaming: boolean }> => {
    const client = await connectNode(node, login)
    try {
      const { rows } = await client.query(
        `select pg_is_in_recovery() as recovery,
                exists (select from pg_stat_wal_receiver where status = 'streaming') as streaming`,
      )
      return rows[0]
    } finally {
      await client.end().catch(() => {})
    }
  }
  const writers = async (): Promise<string[]> => {
    const answers = await Promise.allSettled(nodes.map(ask))
    return nodes.flatMap(({ name }, i) => {
      const answer = answers[i]
      return answer?.status === 'fulfilled' && !answer.value.recovery ? [name] : []
    })
  }
  let hurt: string | undefined
  const writer = async (): Promise<string> => {
    const others = (await writers()).filter((name) => name !== hurt)
    if (others[0] === undefined) throw new WeirError('WEIR_FAILOVER_WRITER', 'no node is writer')
    return others[0]
  }
  const told = (name: string): NodeJS.ProcessEnv => {
    const node = nodes.find((one) => one.name === name)
    return { WEIR_NODE: name, WEIR_HOST: node?.host, WEIR_PORT: String(node?.port) }
  }
  return {
    description: `${nodes.length} nodes of the operator's, hurt and healed by commands`,
    login,
    faults: ['kill', 'partition', 'switchover'],
    nodes: async () => nodes,
    writer,
    inject: async (fault) => {
      const victim = await writer()
      const from = now()
      if (fault === 'kill') await run(commands.fault, { ...told(victim), WEIR_FAULT: fault })
      hurt = victim
      return { victim, from, to: now() }
    },
    promote: async (fault: Fault) => {
      const asked = now()
      await run(commands.promote, { ...told(hurt ?? ''), WEIR_FAULT: fault })
      const name = await until(() => writer(), WITHIN, { everyMs: 20, what: 'a new writer' })
      return { name, asked }
    },
    heal: async (fault, victim) => {
      await run(commands.heal, { ...told(victim), WEIR_FAULT: fault })
      await until(
        async () => {
          const answers = await Promise.all(nodes.map(ask))
          return (
            answers.filter(({ recovery }) => !recovery).length === 1 &&
            answers.every(({ recovery, streaming }) => !recovery || streaming)
          )
        },
        WITHIN,
        { everyMs: 200, what: 'one writer and readers that stream' },
      )
      hurt = undefined
    },
    end: async () => {},
  }
}

/** A shell runs it; nothing to do without one. Throws WEIR_FAILOVER_COMMAND. */
async function run(command: string | undefined, told: NodeJS.ProcessEnv): Promise<void> {
  if (command === undefined) return
  const child = spawn(command, {
    shell: true,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, ...told },
  })
  const code = await new Promise<number | string>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (status, signal) => resolve(status ?? signal ?? 'unknown'))
  })
  if (code === 0) return
  throw new WeirError('WEIR_FAILOVER_COMMAND', `the command ended with ${code}: ${command}`)
}
