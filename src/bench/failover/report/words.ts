/**
 * The words of the report: what each figure means, what a code says, what each fault does. Rule: a
 * reader who has never heard of Weir understands a figure from what stands here, without the manual.
 */
import type { ClientKind, Fault, Milestone } from '../result.ts'

export const FAULT_WORDS: Readonly<Record<Fault, { title: string; what: string }>> = {
  kill: { title: 'Writer killed', what: 'the writer’s processes get SIGKILL at the same moment' },
  'stop-fast': {
    title: 'Writer stopped (fast)',
    what: 'the writer is shut down; it rolls back and disconnects everybody',
  },
  'stop-immediate': {
    title: 'Writer stopped (immediate)',
    what: 'the writer is shut down without cleaning up, as in a crash',
  },
  freeze: {
    title: 'Writer frozen',
    what: 'the writer’s processes get SIGSTOP: connections stay open and nothing answers',
  },
  partition: {
    title: 'Writer cut off',
    what: 'no packet passes between the writer and the clients’ side any more, without a reset',
  },
  switchover: { title: 'Planned switchover', what: 'another node is made the writer in order' },
  'reader-kill': { title: 'Reader killed', what: 'a reader’s processes get SIGKILL' },
}

export const KIND_WORDS: Readonly<Record<ClientKind, { many: string; what: string }>> = {
  writer: { many: 'writers', what: 'insert one row a request, autocommit' },
  transaction: { many: 'transactions', what: 'begin, insert, wait, insert, commit' },
  reader: { many: 'readers', what: 'select on the reader endpoint' },
  listener: { many: 'listeners', what: 'LISTEN, and count the notifications' },
  idle: { many: 'idle clients', what: 'connected, one statement before the fault and one after' },
}

/** In the order in which the pictures show them. */
export const KIND_ORDER: readonly ClientKind[] = [
  'writer',
  'transaction',
  'reader',
  'listener',
  'idle',
]

/** Whose time a stretch is that ends with this milestone. */
export type Phase = 'noticing' | 'promoting' | 'moving'

export const MILESTONE_WORDS: Readonly<
  Record<Milestone, { label: string; phase: Phase; what: string }>
> = {
  fault: { label: 'fault', phase: 'noticing', what: 'The node is hurt.' },
  suspected: {
    label: 'suspected',
    phase: 'noticing',
    what: 'The subject saw the first sign of trouble.',
  },
  down: { label: 'down', phase: 'noticing', what: 'It took the node for lost.' },
  promoted: {
    label: 'promoted',
    phase: 'promoting',
    what: 'The new writer takes writes. Who promotes is not the subject: this stretch belongs to the cluster.',
  },
  observed: { label: 'observed', phase: 'moving', what: 'The subject knows the new writer.' },
  retired: {
    label: 'retired',
    phase: 'moving',
    what: 'It lends no more connections of the old one.',
  },
  'first-borrow': {
    label: 'first borrow',
    phase: 'moving',
    what: 'The first session got a connection to the new writer.',
  },
  'first-reply': {
    label: 'first reply',
    phase: 'moving',
    what: 'The first client had a good answer to a write.',
  },
}

export const PHASE_WORDS: Readonly<Record<Phase, string>> = {
  noticing: 'noticing the fault',
  promoting: 'waiting for the promotion (the cluster’s time)',
  moving: 'moving to the new writer',
}

const CODES: Readonly<Record<string, string>> = {
  '08000': 'connection exception',
  '08001': 'no connection to be had',
  '08003': 'connection does not exist',
  '08006': 'connection lost',
  '08007': 'outcome unknown',
  '08P01': 'protocol error, or a pooler’s own',
  '25006': 'read-only: not the writer',
  '25P02': 'transaction already failed',
  '26000': 'prepared statement is gone',
  '40001': 'nothing took effect, run it again',
  '53300': 'too many connections',
  '57014': 'cancelled',
  '57P01': 'server shut down',
  '57P02': 'server crashed',
  '57P03': 'server is starting or stopping',
  '57P05': 'idle session timeout',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection broken',
  ETIMEDOUT: 'connection timed out',
  'client-timeout': 'no answer in the client’s patience',
  'connect-timeout': 'no connection in time',
  'connection-closed': 'by the other side, without a word',
}

/** A few words for an SQLSTATE or a system's code; empty for one nobody here knows. */
export function codeWords(code: string): string {
  return CODES[code] ?? ''
}

/** What stands behind each figure; the report's last page. */
export const MEANINGS: readonly (readonly [string, string])[] = [
  [
    'write gap',
    'For one writing client in one round: the longest time between two good answers, counted from when the later one was due. Requests fall due on a fixed schedule; a request that had to wait counts from its due time, so a stall cannot hide behind requests that were never sent. p99 means: 99 of 100 such clients had a shorter gap.',
  ],
  [
    'read gap',
    'The same for clients that read on the reader endpoint. A round in which the instrument itself stood still before the promotion does not count here: readers were meant to be answered all the time.',
  ],
  ['transaction gap', 'The same for clients in transactions of several statements.'],
  [
    'promotion to first write',
    'From the moment the new writer takes writes, seen by asking it directly every millisecond, to the first good answer to any writing client. One value a round. This is the part that the subject alone is responsible for.',
  ],
  [
    'promotion to own write',
    'From the promotion to the answer to a write that the instrument sends to the new writer itself, past every subject: what the nodes take for themselves, in a synchronous cluster until a reader follows the new writer. No subject can be faster.',
  ],
  ['promotion to every client', 'The same, for each writing client’s own first good answer.'],
  [
    'outage',
    'From the fault to the first good answer to any writing client. It contains the promotion.',
  ],
  [
    'idle dropped',
    'Clients that were connected and silent during the fault, and whose connection was broken or whose next statement failed.',
  ],
  [
    'lost',
    'Writes that a client was told are done and that are not in the table on the final writer.',
  ],
  ['duplicates', 'Rows that are there twice though they were asked for once.'],
  [
    'unknown',
    'Requests whose client was told neither yes nor no. How many of them took effect is counted afterwards; an honest answer either way.',
  ],
  [
    'contradicted',
    'Requests that were refused with an error that promises that nothing happened, and that are in the table nevertheless.',
  ],
  [
    'instrument stall',
    'How long the measuring program itself stood still. Gaps shorter than that say nothing. A long stall that reaches into the time after the promotion makes a round void; one that was over before has kept no writer waiting, as nobody could be answered yet.',
  ],
  [
    'logins',
    'Clients log in with SCRAM as always. Only the slow step from the password to the key is done once for all of them and not by each, because a thousand clients would not do it on one machine.',
  ],
]
