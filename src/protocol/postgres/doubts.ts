/**
 * Which effects of a statement raise which doubts about the session, and for what a doubt pins when
 * it proves true. Tables and questions to them, no state.
 */
import type { PinReason } from '../contract.ts'
import { ABOUT, EVERYTHING } from './asking.ts'
import { actionsOf } from './sql/actions.ts'
import * as E from './sql/effects.ts'

const DOUBTS: readonly (readonly [effects: number, about: number])[] = [
  [E.SET, ABOUT.SETTINGS],
  [E.TEMPORARY, ABOUT.TEMPORARY],
  [E.CURSOR_WITH_HOLD, ABOUT.CURSORS],
  [E.ADVISORY_LOCK | E.ADVISORY_UNLOCK, ABOUT.LOCKS],
  [E.LISTEN, ABOUT.CHANNELS],
  [E.DISCARD, EVERYTHING],
]

/** What may end what is there, or is suspected to be. */
const ENDS: readonly (readonly [effects: number, reason: PinReason])[] = [
  [E.DROP, 'temporary'],
  [E.CLOSE, 'cursor-with-hold'],
]

const REASONS: readonly (readonly [about: number, reason: PinReason])[] = [
  [ABOUT.TEMPORARY, 'temporary'],
  [ABOUT.CURSORS, 'cursor-with-hold'],
  [ABOUT.LOCKS, 'advisory-lock'],
  [ABOUT.SETTINGS | ABOUT.SOURCES, 'settings'],
  [ABOUT.CHANNELS, 'listen'],
]

/** Nothing undoes these, so they pin for good and spoil the server connection. */
const FOR_GOOD: readonly (readonly [effects: number, reason: PinReason])[] = [
  [E.LOAD, 'load'],
  [E.SEED, 'seed'],
]

/** What `strict` refuses. */
const REFUSED: readonly (readonly [effects: number, reason: PinReason])[] = [
  [E.TEMPORARY, 'temporary'],
  [E.CURSOR_WITH_HOLD, 'cursor-with-hold'],
  [E.ADVISORY_LOCK, 'advisory-lock'],
  ...FOR_GOOD,
]

/**
 * Bits of `ABOUT` that a statement with these effects puts in doubt.
 *
 * @param held why the session is pinned, or may be
 * @param verify functions that cannot be seen through raise doubts, too
 */
export function doubtsOf(bits: number, held: readonly PinReason[], verify: boolean): number {
  // A program may do anything, and is there to do something.
  let about = bits & (verify ? E.UNSEEN : E.PROGRAM) ? EVERYTHING : 0
  for (const [effects, doubt] of DOUBTS) if (bits & effects) about |= doubt
  for (const [effects, reason] of ENDS) {
    if (bits & effects && held.includes(reason)) about |= aboutOf(reason)
  }
  return about
}

function aboutOf(reason: PinReason): number {
  return REASONS.find(([, name]) => name === reason)?.[0] ?? 0
}

/** For what these doubts would pin. */
export function reasonsOf(about: number): PinReason[] {
  return REASONS.filter(([doubt]) => (about & doubt) !== 0).map(([, reason]) => reason)
}

/** Why a session that runs a statement with these effects is never free again. */
export function lastingReason(bits: number): PinReason | undefined {
  return FOR_GOOD.find(([effects]) => (bits & effects) !== 0)?.[1]
}

/** Why `strict` refuses a statement; `text` is read again only where its effects leave it open. */
export function refusedFor(bits: number, text: Buffer): PinReason | undefined {
  const refused = REFUSED.find(([effects]) => (bits & effects) !== 0)
  if (refused !== undefined || !(bits & E.SET)) return refused?.[1]
  return actionsOf(text).some(({ kind }) => kind === 'set-unknown') ? 'settings' : undefined
}
