/**
 * The lab's verbs in a process of their own. Rule: what hurts and heals nodes looks through the
 * process table and waits for servers, which would hold up the load's event loop and be measured as
 * an outage; so the load's process only sends a word and gets an answer.
 */
import { type ChildProcess, fork } from 'node:child_process'
import type { Command } from 'commander'
import { FAULTS, type Fault } from '../bench/failover/result.ts'
import type { FaultDriver, Injected, Promoted } from '../bench/failover/subject.ts'
import { WallClock } from '../bench/failover/wall-clock.ts'
import { openCluster } from '../cluster/cluster.ts'
import { messageOf, WeirError } from '../core/errors.ts'
import { labDriver } from './failover-lab.ts'

type Verb = 'inject' | 'promote' | 'heal'

interface Order {
  readonly id: number
  readonly verb: Verb
  readonly fault: Fault
  readonly victim?: string
}

interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

const COMMAND = 'failover-hands'

/** The other end; not for people, so no help lists it. */
export function registerHands(program: Command): void {
  program
    .command(COMMAND, { hidden: true })
    .description("the failover instrument's own: hurts and heals the lab, told by its parent")
    .requiredOption('--dir <directory>', "the lab's directory")
    .addHelpText('after', '\nExample:\n  weir failover starts it by itself')
    .action(({ dir }: { dir: string }) => serve(dir))
}

async function serve(directory: string): Promise<void> {
  // A Ctrl-C is for the parent, which ends us in order.
  for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
  const clock = new WallClock()
  const driver = labDriver(await openCluster(directory), () => clock.now(), '')
  const carryOut = ({ verb, fault, victim = '' }: Order): Promise<unknown> => {
    clock.set()
    if (verb === 'inject') return driver.inject(fault)
    if (verb === 'promote') return driver.promote(fault)
    return driver.heal(fault, victim)
  }
  process.on('message', (order: Order) => {
    const { id } = order
    carryOut(order).then(
      (value) => process.send?.({ id, value } satisfies Answer),
      (error: unknown) => process.send?.({ id, error: messageOf(error) } satisfies Answer),
    )
  })
  process.send?.({ id: 0 } satisfies Answer)
  await new Promise<void>((resolve) => process.once('disconnect', () => resolve()))
  process.exit(0)
}

/**
 * The driver `near` with its heavy verbs done by a child.
 * @param script the program of Weir
 */
export async function withHands(
  near: FaultDriver,
  script: string,
  directory: string,
): Promise<FaultDriver> {
  const child = fork(script, [COMMAND, '--dir', directory], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const post = new Post(child)
  await post.ready
  return {
    ...near,
    faults: FAULTS,
    inject: (fault) => post.ask('inject', fault) as Promise<Injected>,
    promote: (fault) => post.ask('promote', fault) as Promise<Promoted>,
    heal: async (fault, victim) => void (await post.ask('heal', fault, victim)),
    end: async () => {
      if (child.connected) child.disconnect()
      await near.end()
    },
  }
}

class Post {
  readonly ready: Promise<unknown>
  readonly #child: ChildProcess
  readonly #open = new Map<number, (answer: Answer) => void>()
  #last = 0

  constructor(child: ChildProcess) {
    this.#child = child
    this.ready = this.#answerTo(0)
    child.on('message', (answer: Answer) => this.#open.get(answer.id)?.(answer))
    child.once('exit', () => {
      for (const id of this.#open.keys()) this.#open.get(id)?.({ id, error: 'it ended' })
    })
  }

  ask(verb: Verb, fault: Fault, victim?: string): Promise<unknown> {
    const id = ++this.#last
    const answer = this.#answerTo(id)
    const order: Order = { id, verb, fault, ...(victim === undefined ? {} : { victim }) }
    this.#child.send(order)
    return answer
  }

  async #answerTo(id: number): Promise<unknown> {
    const answer = await new Promise<Answer>((resolve) => this.#open.set(id, resolve))
    this.#open.delete(id)
    if (answer.error === undefined) return answer.value
    throw new WeirError('WEIR_FAILOVER_LAB', `the lab: ${answer.error}`)
  }
}
