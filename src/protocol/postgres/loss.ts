/**
 * What was lost with a server connection, from what was owed on it: whether anything of it may have
 * taken effect, how the transaction stands at the end of all that was sent, and what each request
 * owed is answered. Pure. Rule: an effect is possible unless it is excluded, and a statement that
 * was sent behind a BEGIN belongs to that transaction, never to none.
 */
import type { TransactionStatus } from '../contract.ts'
import { after, FLOW, LONE, UNREAD } from './flow.ts'
import { OWED, type Owed } from './ledger.ts'

export interface Scene {
  /** At the last ReadyForQuery. */
  readonly status: TransactionStatus
  /** See `Ledger`. */
  readonly passed: number
  readonly owed: readonly Owed[]
  readonly batchOpen: boolean
  readonly skipping: boolean
  readonly copyIn: boolean
  /** The client was still sending the request that was booked last. */
  readonly half: boolean
  /** The open batch has bound something. */
  readonly binds: boolean
}

/** The answer to one request, up to its ReadyForQuery; of an open batch without that. */
export interface LostGroup {
  readonly owed: readonly Owed[]
  /** It is answered as carried out: there is nothing left to roll back. Otherwise by an error. */
  readonly done: boolean
  /** Of the ReadyForQuery; undefined for an open batch, whose Sync is still to come. */
  readonly ready: 'I' | 'E' | undefined
}

export interface Loss {
  /** Something may have taken effect. */
  readonly unknown: boolean
  /** A transaction was under way, or was begun by what was sent. */
  readonly transaction: boolean
  readonly groups: readonly LostGroup[]
  /** The rest of the open batch is to be thrown away, up to its Sync. */
  readonly discards: boolean
  /** The client goes on in a transaction, which has failed. */
  readonly failed: boolean
  /** The client knows of that, or will by these answers. */
  readonly told: boolean
}

/** Booked for what the client sent; the rest is ours. */
const OF_CLIENT: ReadonlySet<number> = new Set([
  OWED.QUERY,
  OWED.SYNC,
  OWED.FUNCTION,
  OWED.PARSE,
  OWED.PARSE_FAKED,
  OWED.PARSE_DOOMED,
  OWED.PARSE_UNNAMED,
  OWED.BIND,
  OWED.DESCRIBE,
  OWED.EXECUTE,
  OWED.CLOSE,
  OWED.CLOSE_FAKED,
])

function runs({ kind }: Owed): boolean {
  return kind === OWED.QUERY || kind === OWED.EXECUTE || kind === OWED.FUNCTION
}

export function ofClient(owed: readonly Owed[]): Owed[] {
  return owed.filter(({ kind }) => OF_CLIENT.has(kind))
}

export function lossOf(scene: Scene): Loss {
  const { batchOpen, skipping } = scene
  const before = revived(after(scene.status, scene.passed), (scene.passed & FLOW.RAN) !== 0)
  const { groups, tail } = grouped(ofClient(scene.owed))
  // Answered, but not committed before a Sync that the server never got; or it may have been a
  // statement that commits by itself.
  const hangs = batchOpen && !skipping && tail.length === 0 && scene.binds
  const last = (tail.length > 0 ? tail : groups.at(-1))?.at(-1)
  const inert = scene.half ? last : undefined
  const unknown = mayHaveHappened(scene, before, inert) || (hangs && before === 'idle')
  let lost = before !== 'idle'
  let told = before === 'failed' || (skipping && lost)
  let transaction = lost
  const answers: LostGroup[] = []
  const answer = (owed: readonly Owed[], ends: boolean): void => {
    // Meant, if it was not carried out; only of a long text nobody can say what was meant.
    const ran = owed.filter((entry) => runs(entry) && (entry !== inert || entry.flow !== UNREAD))
    const over = answers.length === 0 && owed.length === 1 && (scene.passed & LONE) !== 0
    const done =
      ends &&
      !unknown &&
      !(inert !== undefined && owed.includes(inert)) &&
      (over || (lost && rollsBack(ran, told)))
    for (const { flow } of ran) {
      lost = after(lost ? 'open' : 'idle', flow) !== 'idle'
      transaction ||= lost
    }
    if (!done) told = true
    answers.push({ owed, done, ready: ends ? (lost ? 'E' : 'I') : undefined })
  }
  for (const group of groups) answer(group, true)
  const owes = batchOpen && !skipping && (tail.length > 0 || (hangs && !lost))
  if (owes) answer(tail, false)
  // With nothing owed the next request is told.
  return { unknown, transaction, groups: answers, discards: owes || skipping, failed: lost, told }
}

/** Requests that end with a ReadyForQuery, and what stands behind the last of them. */
function grouped(owed: readonly Owed[]): { groups: Owed[][]; tail: Owed[] } {
  const groups: Owed[][] = []
  let tail: Owed[] = []
  for (const entry of owed) {
    tail.push(entry)
    if (entry.kind > OWED.FUNCTION) continue
    groups.push(tail)
    tail = []
  }
  return { groups, tail }
}

function rollsBack(ran: readonly Owed[], told: boolean): boolean {
  const [only] = ran
  if (only === undefined || ran.length > 1) return false
  return (only.flow & (told ? LONE : FLOW.ROLLS_BACK)) !== 0
}

/** Something of what is owed may have been committed. */
function mayHaveHappened(
  { owed, copyIn, passed }: Scene,
  before: TransactionStatus,
  inert: Owed | undefined,
): boolean {
  // What ran outside a transaction is committed at its Sync, and that may have been read.
  if (before === 'idle' && passed & FLOW.RAN && !(passed & LONE)) return true
  let status = before
  let first = copyIn
  for (const entry of owed) {
    if (!runs(entry) || entry === inert) continue
    const { flow } = entry
    // The COPY at hand still waits for its data.
    const waits = first && (flow & (FLOW.BEGINS | FLOW.ENDS)) === 0
    first = false
    if (waits) continue
    const commits = (flow & FLOW.ENDS) !== 0 && (flow & FLOW.ROLLS_BACK) === 0
    const harmless = status === 'idle' ? (flow & LONE) !== 0 || flow === FLOW.BEGINS : !commits
    const undone = status === 'failed' && (flow & FLOW.COMMITS) !== 0
    if (!harmless && !undone) return true
    status = revived(after(status, flow), true)
  }
  return false
}

/** What is carried out in a failed transaction and does not end it can only be a ROLLBACK TO. */
function revived(status: TransactionStatus, ran: boolean): TransactionStatus {
  return status === 'failed' && ran ? 'open' : status
}
