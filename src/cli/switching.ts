/**
 * A planned change of writer behind a running Weir: hold new transactions back, let those under way
 * end, have another node promoted, go on. Rule: clients only wait. What cannot end in time stops the
 * switch before anything was promoted, unless it is forced; and no pause is ever left behind.
 *
 *   pause ──> nothing lent any more ──> promote ──> the new writer is seen ──> resume
 *                └─ time is over: resume, and say who is in the way
 */
import type { PauseAnswer } from '../admin/orders.ts'
import { WeirError } from '../core/errors.ts'
import { AdminClient } from './admin-client.ts'
import type { AdminTarget } from './admin-target.ts'
import { inTheWayText } from './pause.ts'

export interface SwitchOverOptions {
  /** The running Weir, or just its admin address. */
  readonly admin: AdminTarget | string
  /** Has another node promoted; may go on after it is (say, to rejoin the former writer). */
  readonly promote: (from: string) => Promise<void>
  /** How long transactions may take to end (ms). Default 10000. */
  readonly waitMs?: number
  /** Go on although some did not; their clients see errors. */
  readonly force?: boolean
  /** How long promoting may take until the new writer is seen (ms). Default 60000. */
  readonly promoteMs?: number
  /** Gives up while transactions are waited for; what is promoted already is seen through. */
  readonly stop?: AbortSignal
  /** Hears each step as a sentence. */
  readonly say?: (sentence: string) => void
}

/** Times are wall-clock milliseconds with fractions, spans are milliseconds. */
export interface SwitchOver {
  readonly from: string
  readonly to: string
  readonly timeline: number | null
  readonly pausedAt: number
  /** When Weir saw the new writer; whoever waited went on then. */
  readonly observedAt: number
  /** Until nothing was lent any more. */
  readonly transactionsMs: number
  /** `observedAt - pausedAt`: nobody waited longer for this. */
  readonly heldMs: number
  /** Most sessions that were seen waiting at once. */
  readonly mostWaiting: number
  /** Server connections that were still lent when it went on; 0 unless forced. */
  readonly stillLent: number
}

const WAIT_MS = 10_000
const PROMOTE_MS = 60_000

/**
 * @throws WeirError `WEIR_SWITCHOVER_BUSY` (nothing was done, `detail` says who is in the way),
 *   `WEIR_SWITCHOVER_FAILED`, `WEIR_NO_ADMIN`, or what `promote` threw
 */
export async function switchOver(options: SwitchOverOptions): Promise<SwitchOver> {
  const { waitMs = WAIT_MS, promoteMs = PROMOTE_MS, say = () => {} } = options
  const weir = new AdminClient(options.admin)
  const old = await weir.writer({}, 0)
  if (old === undefined) {
    throw new WeirError('WEIR_SWITCHOVER_FAILED', 'Weir knows no writer to switch from', {
      hint: 'See: weir status',
    })
  }
  const node = old.name
  say(`pausing ${node}`)
  try {
    // Longer than all the rest may take: the end of the pause is for the case that we are killed.
    const forMs = waitMs + promoteMs + 5_000
    const pausing = weir.pause({ node, follow: true, waitMs, forMs })
    const paused = await Promise.race([pausing, stopped(options.stop)])
    const stillLent = paused.lent
    if (stillLent > 0 && options.force !== true) throw busy(node, paused)
    if (stillLent > 0) say(inTheWayText(paused).join('\n'))
    else say(`nothing is lent any more after ${paused.waitedMs.toFixed(1)} ms; promoting`)

    const promoting = options.promote(node)
    const failed = promoting.then(() => undefined)
    const than = { not: node, ...(old.timeline === null ? {} : { timeline: old.timeline }) }
    const seen = weir.writer(than, promoteMs)
    seen.catch(() => {})
    // A promotion that fails need not be waited for; one that is over has still to be seen.
    await Promise.race([seen, failed])
    const now = await seen
    if (now === undefined) {
      throw new WeirError(
        'WEIR_SWITCHOVER_FAILED',
        `no other writer than ${node} was seen within ${promoteMs / 1_000} s`,
        { hint: 'See: weir status' },
      )
    }
    const { ended } = await weir.resume({ node })
    const heldMs = now.at - paused.since
    say(`${now.name} is the writer; clients waited ${(heldMs / 1_000).toFixed(2)} s at most`)
    await promoting
    return {
      from: node,
      to: now.name,
      timeline: now.timeline,
      pausedAt: paused.since,
      observedAt: now.at,
      transactionsMs: paused.waitedMs,
      heldMs,
      mostWaiting: ended[0]?.mostWaiting ?? paused.mostWaiting,
      stillLent,
    }
  } catch (error) {
    await weir.resume({ node }).catch(() => {})
    throw error
  }
}

/** Never resolves; rejects when `signal` says so. */
function stopped(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void =>
      reject(new WeirError('WEIR_SWITCHOVER_STOPPED', 'stopped; nothing was changed'))
    if (signal?.aborted === true) stop()
    else signal?.addEventListener('abort', stop, { once: true })
  })
}

function busy(node: string, paused: PauseAnswer): WeirError {
  return new WeirError(
    'WEIR_SWITCHOVER_BUSY',
    `not everything on ${node} has ended within ${(paused.waitedMs / 1_000).toFixed(1)} s; nothing was changed and ${node} goes on`,
    {
      detail: inTheWayText(paused).join('\n  '),
      hint: 'Try again, give it longer (--wait 1m), or end these sessions with an error (--force).',
    },
  )
}
