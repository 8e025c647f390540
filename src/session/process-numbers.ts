/**
 * The numbers that clients are given in place of a process id: small session ids outside, made
 * unlike any real one. Rule: a number says by itself which instance it belongs to, so a cancel
 * request that reaches another one can be sent on.
 *
 *   30..23     22        21..0
 *   instance   ours = 1  session id        always a positive Int32
 *
 * Linux gives out process ids up to 4,194,304 (PID_MAX_LIMIT), so none of a node is one of ours but
 * that very last, which would be session 0, and there is none. In a request that one instance sends
 * to another `ours` is 0: it has been sent on once and must not be again.
 */

/** Ids of sessions go from 1 to this; more than limits.maxClientConnections can be. */
export const MOST_SESSION_ID = 0x3f_ffff
const OURS = 0x40_0000
const INSTANCE_SHIFT = 23

/**
 * Where several workers serve clients, the upper five of the 22 bits say which of them: worker 0 has
 * all ids and is alone, the others up to 131,071 clients each.
 */
const WORKER_SHIFT = 17
export const MOST_WORKERS = 31

export interface SessionIds {
  readonly first: number
  readonly last: number
}

/** The session ids that a worker gives out. */
export function sessionIdsOf(worker: number): SessionIds {
  if (worker === 0) return { first: 1, last: MOST_SESSION_ID }
  const first = worker << WORKER_SHIFT
  return { first, last: first + (1 << WORKER_SHIFT) - 1 }
}

/** The worker that gave out a session id, where there are several. */
export function workerOf(session: number): number {
  return session >> WORKER_SHIFT
}

/** The instance of a Weir that was given none. */
export const NO_INSTANCE = 0

export interface ProcessNumber {
  readonly instance: number
  readonly session: number
  /** Another instance has sent it on. */
  readonly forwarded: boolean
}

export function processNumber({ instance, session, forwarded }: ProcessNumber): number {
  return (instance << INSTANCE_SHIFT) | (forwarded ? 0 : OURS) | session
}

/** Undefined for a number that no Weir gives out. */
export function readProcessNumber(number: number): ProcessNumber | undefined {
  if (number <= 0 || number > 0x7fff_ffff) return undefined
  const instance = number >> INSTANCE_SHIFT
  const session = number & MOST_SESSION_ID
  const forwarded = (number & OURS) === 0
  // Without an instance nothing is sent on: this is the process id of a node.
  if (session === 0 || (forwarded && instance === NO_INSTANCE)) return undefined
  return { instance, session, forwarded }
}
