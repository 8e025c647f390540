/**
 * Raises a storm until something that is expected breaks; when the first one breaks it, lowers it
 * until that holds. Rule: clients and rate grow together, so the
 * storm stays as long as it was; the last step that held and the first that did not are halved between
 * a few times; and a limit that may be the instrument's own is never called the target's.
 */

import type { Expected } from './expect.ts'
import { judge } from './expect.ts'
import type { StormPlan } from './plan.ts'
import { cameText } from './report/figures.ts'
import type { Limit, Step, TargetResult } from './result.ts'

const GROWTH = 1.5
/** Who breaks with so few has no limit worth a name. */
const LEAST = 10
/** Steps between the last that held and the first that broke. */
const HALVINGS = 2

export interface RaiseOptions {
  readonly target: string
  readonly plan: StormPlan
  /** Of this target or of none by name. */
  readonly expected: readonly Expected[]
  /** More clients than this the machine cannot make. */
  readonly most: number
  readonly storm: (plan: StormPlan) => Promise<TargetResult>
  readonly say: (sentence: string) => void
  readonly signal?: AbortSignal
}

export interface Raised {
  readonly limit: Limit
  /** The result of the step that held with most clients, else of the first. */
  readonly result: TargetResult
}

export async function raiseUntilFail(options: RaiseOptions): Promise<Raised> {
  const { target, plan, most, say, signal } = options
  const expected = options.expected.filter((one) => (one.target ?? target) === target)
  const steps: Step[] = []
  let held: { clients: number; result: TargetResult } | undefined
  let broke: number | undefined
  let first: TargetResult | undefined
  const step = async (clients: number): Promise<void> => {
    const rate = (plan.rate * clients) / plan.clients
    const result = await options.storm({ ...plan, clients, rate })
    first ??= result
    const expectations = judge(expected, [result])
    const { warnings } = result.instrument
    steps.push({ target, clients, rate, expectations, warnings })
    const missed = expectations.filter(({ met }) => !met)
    if (missed.length === 0 && result.failure === undefined) held = { clients, result }
    else broke = clients
    const came = missed.map(({ text, actual }) => `${text} was ${cameText(text, actual)}`)
    say(
      `${target}: ${clients} clients ${missed.length === 0 ? 'held' : `broke: ${came.join(', ')}`}`,
    )
  }
  const ended = (): boolean => signal?.aborted === true
  for (let clients = plan.clients; broke === undefined && !ended(); ) {
    await step(clients)
    if (clients >= most) break
    clients = Math.min(most, Math.round(clients * GROWTH))
  }
  while (held === undefined && broke !== undefined && broke > LEAST && !ended()) {
    await step(Math.round(broke / 2))
  }
  for (let i = 0; i < HALVINGS && held !== undefined && broke !== undefined && !ended(); i++) {
    const middle = Math.round((held.clients + broke) / 2)
    if (middle === held.clients || middle === broke) break
    await step(middle)
  }
  const limit = { target, steps, held: held?.clients, broke }
  const result = held?.result ?? first
  if (result === undefined) throw new Error('BUG: raised without a step')
  return { limit: { ...limit, verdict: verdictOf(limit, most) }, result }
}

function verdictOf({ target, steps, held, broke }: Omit<Limit, 'verdict'>, most: number): string {
  if (broke === undefined) {
    const why = held === most ? ', as many as this machine can make' : ''
    return `${target} held with ${held ?? 0} clients${why}; nothing broke`
  }
  const step = steps.findLast(({ clients }) => clients === broke)
  const missed = (step?.expectations ?? []).filter(({ met }) => !met)
  const came = missed.map(({ text, actual }) => `${text} was ${cameText(text, actual)}`).join(', ')
  const own = step?.warnings.find(({ kind }) => kind !== 'busy')
  const doubt = own === undefined ? '' : `; but that may be the instrument's limit: ${own.text}`
  const upTo = held === undefined ? 'it never held' : `held with ${held}`
  return `${target} broke at ${broke} clients (${came || 'it could not be started'}), ${upTo}${doubt}`
}
