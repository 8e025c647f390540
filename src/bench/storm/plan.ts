/**
 * A storm as numbers: who arrives when, and what everybody does then. Pure. Rule: arrivals are on a
 * schedule that nothing holds up, so that a slow target cannot make its own storm milder; every
 * latency is counted from the time that stands here.
 */
export const SHAPES = ['burst', 'ramp', 'waves', 'reconnect'] as const
export type Shape = (typeof SHAPES)[number]

/** As libpq has it, without checking whose certificate it is. */
export const TLS_MODES = ['disable', 'prefer', 'require'] as const
export type TlsMode = (typeof TLS_MODES)[number]

/** Whether clients derive their SCRAM keys at each login, or keep them as a fleet's driver may. */
export const KEY_MODES = ['cached', 'fresh'] as const
export type KeyMode = (typeof KEY_MODES)[number]

export interface StormPlan {
  readonly shape: Shape
  /** Of each wave. */
  readonly clients: number
  /** Arrivals a second; of a ramp at its end. */
  readonly rate: number
  /** After the last arrival (or the cut of a reconnect) everybody stays so long. */
  readonly holdMs: number
  readonly query: string
  /** Time between a client's statements while it stays; 0: it asks once and is idle. */
  readonly everyMs: number
  readonly waves: number
  /** Between the last arrival of a wave and the first of the next. */
  readonly pauseMs: number
  /** A client gives up when login or answer take longer. */
  readonly timeoutMs: number
  /** A client that was refused or lost tries again after so long; undefined: it does not. */
  readonly retryMs: number | undefined
  readonly keys: KeyMode
  /** Functions that come before; nothing of them is measured. */
  readonly warmUp: number
}

/** What the issue of a storm looks like when nothing is said. */
export const DEFAULT_STORM: StormPlan = {
  shape: 'burst',
  clients: 5_000,
  rate: 1_000,
  holdMs: 20_000,
  query: 'select 1',
  everyMs: 1_000,
  waves: 3,
  pauseMs: 2_000,
  timeoutMs: 10_000,
  retryMs: undefined,
  keys: 'cached',
  warmUp: 2_000,
}

/** A reconnect's clients are all there for so long before they are cut (ms). */
const BEFORE_CUT = 2_000

/** How many arrivals there are; of a reconnect each client arrives twice. */
export function arrivalsOf(plan: StormPlan): number {
  if (plan.shape === 'waves') return plan.clients * plan.waves
  return plan.shape === 'reconnect' ? plan.clients * 2 : plan.clients
}

/** When arrival `i` (from 0) is due, in ms after the start. */
export function dueOf(plan: StormPlan, i: number): number {
  const { clients } = plan
  switch (plan.shape) {
    case 'burst':
      return steady(plan, i)
    case 'ramp':
      // The rate grows evenly, so the number that has arrived grows with the square of the time.
      return (2 * spread(plan) * Math.sqrt(i)) / Math.sqrt(clients)
    case 'waves': {
      const wave = Math.floor(i / clients)
      return wave * (spread(plan) + plan.pauseMs) + steady(plan, i % clients)
    }
    case 'reconnect':
      return i < clients ? steady(plan, i) : cutOf(plan)
    default:
      throw new Error(`BUG: no shape ${plan.shape satisfies never}`)
  }
}

/** Paced, so that a node of a hundred connections has room for all of them (arrivals a second). */
const WARM_UP_RATE = 400

/** What comes before the storm: programs that compile as they run, this one too, are slow at first. */
export function warmUpOf(plan: StormPlan): StormPlan {
  const waves = { shape: 'waves', waves: 1, clients: plan.warmUp } as const
  return { ...plan, ...waves, rate: WARM_UP_RATE, retryMs: undefined }
}

/** When the connections of a reconnect are cut (ms after the start). */
export function cutOf(plan: StormPlan): number {
  return spread(plan) + BEFORE_CUT
}

/** When the last arrival is due (ms after the start). */
export function arrivedBy(plan: StormPlan): number {
  const n = arrivalsOf(plan)
  return n === 0 ? 0 : dueOf(plan, n - 1)
}

/** When nobody asks any more (ms after the start). Functions leave by themselves. */
export function overBy(plan: StormPlan): number {
  return arrivedBy(plan) + (plan.shape === 'waves' ? 0 : plan.holdMs)
}

/** True for an arrival whose login is what is measured; a reconnect's first ones only prepare. */
export function counts(plan: StormPlan, i: number): boolean {
  return plan.shape !== 'reconnect' || i >= plan.clients
}

/** In words, for people. */
export function describeStorm(plan: StormPlan): string {
  const { clients, rate, everyMs } = plan
  const over = seconds(plan.shape === 'ramp' ? 2 * spread(plan) : spread(plan))
  const then = everyMs === 0 ? 'then idle' : `then a statement every ${seconds(everyMs)}`
  switch (plan.shape) {
    case 'burst':
      return `${clients} clients in ${over} (${rate} a second), ${then} for ${seconds(plan.holdMs)}`
    case 'ramp':
      return `${clients} clients in ${over}, more and more up to ${rate} a second, ${then} for ${seconds(plan.holdMs)}`
    case 'waves':
      return `${plan.waves} waves of ${clients} functions at ${rate} a second: connect, one transaction, disconnect`
    case 'reconnect':
      return `${clients} clients, cut off all at once, which come back all at once, ${then} for ${seconds(plan.holdMs)}`
    default:
      throw new Error(`BUG: no shape ${plan.shape satisfies never}`)
  }
}

const steady = (plan: StormPlan, i: number): number => (i * 1000) / plan.rate

const spread = (plan: StormPlan): number => (plan.clients * 1000) / plan.rate

const seconds = (ms: number): string => `${Number((ms / 1000).toFixed(2))} s`
