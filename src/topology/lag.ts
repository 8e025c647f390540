/**
 * How far a reader is behind, in milliseconds that do not grow while the writer is idle.
 * Rule: a lag is the age of the oldest log byte the writer is known to have and the reader lacks.
 *
 * The two usual measures both lie. `now() - pg_last_xact_replay_timestamp()` grows for ever on an
 * idle cluster. "Replayed all it received" calls a reader current that was cut off from the
 * writer. So the trail decides: the writer's position at the moments it was probed.
 *
 *   writer   lsn 100 ---- 180 ---- 300      reader has replayed 200: it lacks what was written
 *   at       t=0          t=1      t=2      after about t=1.17; at t=5 it is 3.83 s behind
 *
 * Between two points the true moment is unknown: steady writing is assumed, and where the reader's
 * own replay timestamp promises less, that is believed, but never less than the age of the point
 * it has not reached. Error: at most one probe period. Without a trail (no writer seen yet) the
 * usual measures are all there is.
 */
import type { TrailPoint } from './observed.ts'
import type { ProbeAnswer } from './probe.ts'

/** Points closer together than this are one: the fast probing of an alarm must not flush the trail. */
const MIN_GAP_MS = 200
/** At the calm period of half a second this reaches back more than four minutes. */
const MAX_POINTS = 512

/** The trail with one more position of the writer. */
export function extendTrail(
  trail: readonly TrailPoint[],
  at: number,
  lsn: bigint,
): readonly TrailPoint[] {
  const last = trail.at(-1)
  if (last === undefined) return [{ at, lsn }]
  // A position that went back is another server under the same name (restored): begin anew.
  if (lsn < last.lsn) return [{ at, lsn }]
  const before = trail.at(-2)
  const idle = lsn === last.lsn
  const crowded = before !== undefined && at - before.at < MIN_GAP_MS
  if (idle || crowded) return [...trail.slice(0, -1), { at, lsn }]
  return [...trail.slice(trail.length >= MAX_POINTS ? 1 : 0), { at, lsn }]
}

/**
 * Milliseconds a reader that answered at `at` is behind; undefined when nothing tells.
 *
 * @param writerTimeline of the writer the trail belongs to. A reader on an older timeline that
 *   receives nothing has none of the trail, whatever its position says: the logs have parted.
 */
export function lagOf(
  answer: ProbeAnswer,
  at: number,
  trail: readonly TrailPoint[],
  writerTimeline: number | undefined,
): number | undefined {
  const own =
    answer.replayAgeMs === undefined ? undefined : Math.max(0, Math.round(answer.replayAgeMs))
  const first = trail[0]
  if (first === undefined || answer.lsn === undefined) {
    const drained = answer.lsn !== undefined && answer.lsn === answer.receivedLsn
    return drained && answer.streaming === true ? 0 : own
  }
  const parted =
    answer.streaming === false && (answer.timeline ?? Infinity) < (writerTimeline ?? -Infinity)
  const lsn = parted ? -1n : answer.lsn
  const missing = trail.findIndex((point) => point.lsn > lsn)
  if (missing === -1) return 0
  const point = trail[missing]!
  const least = Math.max(0, at - point.at)
  if (missing === 0) return Math.max(least, own ?? 0)
  const before = trail[missing - 1]!
  const share = Number(lsn - before.lsn) / Number(point.lsn - before.lsn)
  const guess = at - (before.at + share * (point.at - before.at))
  return Math.round(Math.max(least, Math.min(guess, own ?? guess)))
}
