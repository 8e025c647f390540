/**
 * What becomes of a statement's effects under each `pinning`, in words for people: the one table
 * that `weir pins` and the documentation stand on. Rule: it says what the session does
 * (`doubts.ts`, `following.ts`), and a test holds the two together.
 */
import type { PinReason } from '../../contract.ts'
import { refusedFor } from '../doubts.ts'
import { hintOf } from '../pin-refusal.ts'
import { actionsOf } from './actions.ts'
import { type AwsTrigger, awsTrigger } from './aws.ts'
import { classify } from './classify.ts'
import * as E from './effects.ts'

/**
 * - `nothing`: nothing of it outlives the transaction. - `follows`: it goes where the client goes.
 * - `may-pin`: keeps the server connection in some cases. - `pins`: keeps it if it takes effect.
 */
export type Verdict = 'nothing' | 'follows' | 'may-pin' | 'pins'

export interface Fate {
  readonly verdict: Verdict
  /** Of `pins` and `may-pin`. */
  readonly reason?: PinReason
  /** What happens to it, or when it pins. */
  readonly how: string
  /** What ends the pin. */
  readonly until?: string
}

export interface Rule extends Fate {
  /** Any of these bits of `effects.ts`. */
  readonly effects: number
  /** What a client does, as people write it. */
  readonly trigger: string
}

const GOODBYE = 'the client disconnects'

/** `follow`, for what `effects.ts` tells; the order is that of the telling. */
export const RULES: readonly Rule[] = [
  {
    effects: E.LOAD,
    trigger: 'LOAD, dblink_connect, temporary replication slots',
    verdict: 'pins',
    reason: 'load',
    how: 'it stays with the server process',
    until: GOODBYE,
  },
  {
    effects: E.SEED,
    trigger: 'setseed(), SET seed',
    verdict: 'pins',
    reason: 'seed',
    how: 'nothing reads the seed back',
    until: GOODBYE,
  },
  {
    effects: E.TEMPORARY,
    trigger: 'temporary tables, views, sequences, functions, types',
    verdict: 'pins',
    reason: 'temporary',
    how: 'they live on one server connection',
    until: 'the last one is dropped, DISCARD TEMP or DISCARD ALL',
  },
  {
    effects: E.CURSOR_WITH_HOLD,
    trigger: 'DECLARE ... WITH HOLD',
    verdict: 'pins',
    reason: 'cursor-with-hold',
    how: 'it lives on one server connection',
    until: 'the last one is closed, CLOSE ALL or DISCARD ALL',
  },
  {
    effects: E.ADVISORY_LOCK,
    trigger: 'session advisory locks',
    verdict: 'pins',
    reason: 'advisory-lock',
    how: 'a lock belongs to one server connection',
    until: 'the last one is released, pg_advisory_unlock_all() or DISCARD ALL',
  },
  {
    effects: E.SEQUENCE_READ,
    trigger: 'currval(), lastval()',
    verdict: 'may-pin',
    reason: 'sequence',
    how: 'when it is read in a later transaction than the sequence was moved in',
    until: `DISCARD SEQUENCES, DISCARD ALL or ${GOODBYE}`,
  },
  {
    effects: E.SET,
    trigger: 'SET, RESET, set_config()',
    verdict: 'follows',
    how: 'the setting goes where the client goes',
  },
  {
    effects: E.PREPARE,
    trigger: 'PREPARE, EXECUTE, DEALLOCATE',
    verdict: 'follows',
    how: 'it is prepared wherever the client needs it',
  },
  {
    effects: E.LISTEN,
    trigger: 'LISTEN, UNLISTEN',
    verdict: 'follows',
    how: 'a shared listener passes the notifications on',
  },
  {
    effects: E.DISCARD,
    trigger: 'DISCARD',
    verdict: 'follows',
    how: 'what the client has left behind is forgotten',
  },
  {
    effects: E.PROGRAM,
    trigger: 'DO, CALL',
    verdict: 'follows',
    how: 'the server is asked what it has changed',
  },
  {
    effects: E.SET_LOCAL | E.TEMPORARY_LOCAL | E.CURSOR | E.NOTIFY,
    trigger: 'SET LOCAL, ON COMMIT DROP, cursors, NOTIFY',
    verdict: 'nothing',
    how: 'it ends with the transaction',
  },
  {
    effects: E.SEQUENCE_WRITE,
    trigger: 'nextval(), setval()',
    verdict: 'nothing',
    how: 'sequences belong to the database',
  },
]

/** A setting whose name the statement does not say: nobody could ask for it. */
const NAMELESS: Fate = {
  verdict: 'pins',
  reason: 'settings',
  how: 'the name of the setting is not written in the statement',
  until: `RESET ALL, DISCARD ALL or ${GOODBYE}`,
}
const NOTHING: Fate = { verdict: 'nothing', how: 'nothing outlives its transaction' }

export interface Treatment {
  /** At least one; the weightiest first. */
  readonly follow: readonly Fate[]
  /** `strict` refuses it. */
  readonly strict: { readonly reason: PinReason; readonly hint: string | undefined } | undefined
  readonly aws: AwsTrigger | undefined
  /** It calls functions that cannot be seen through, and is not asked about without `verify`. */
  readonly unseen: boolean
}

/**
 * @param text SQL without its terminating NUL
 * @param textBytes length of the whole message it came in, if longer
 */
export function treatmentOf(text: Buffer, textBytes = text.length): Treatment {
  const classification = classify(text)
  const { bits } = classification
  const refused = refusedFor(bits, text)
  return {
    follow: fatesOf(bits, text),
    strict: refused === undefined ? undefined : { reason: refused, hint: hintOf(refused) },
    aws: awsTrigger(classification, textBytes),
    unseen: (bits & (E.UNSEEN | E.PROGRAM)) === E.UNSEEN,
  }
}

function fatesOf(bits: number, text: Buffer): Fate[] {
  const nameless = (bits & E.SET) !== 0 && actionsOf(text).some((a) => a.kind === 'set-unknown')
  const fates: Fate[] = nameless ? [NAMELESS] : []
  for (const rule of RULES) {
    if ((bits & rule.effects) === 0 || (nameless && rule.effects === E.SET)) continue
    // In one statement with what moves the sequence there is nothing later about it.
    if (rule.effects === E.SEQUENCE_READ && bits & E.SEQUENCE_WRITE) continue
    fates.push(fateOf(rule))
  }
  return fates.length === 0 ? [NOTHING] : fates
}

function fateOf({ verdict, reason, how, until }: Rule): Fate {
  return {
    verdict,
    how,
    ...(reason === undefined ? {} : { reason }),
    ...(until === undefined ? {} : { until }),
  }
}
