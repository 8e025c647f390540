/**
 * A run's `FailoverResult`: rounds and summaries with all that decides how to read them. Rule: every
 * flag that changes a figure is in it, also where it is the default.
 */
import { arch, cpus, platform, totalmem } from 'node:os'
import { judgeExpectations } from '../bench/failover/expect.ts'
import type { Plan } from '../bench/failover/plan.ts'
import type { FailoverResult } from '../bench/failover/result.ts'
import type { Ran } from '../bench/failover/run.ts'
import type { FailoverFlags } from './failover-options.ts'
import { version } from './version.ts'

export interface About {
  readonly flags: FailoverFlags
  readonly plan: Plan
  readonly began: number
  readonly ended: number
  /** Of the nodes, as they say it. */
  readonly postgres: string
  readonly cluster: string
}

export function resultOf(ran: Ran, about: About): FailoverResult {
  const { flags, plan } = about
  return {
    format: 1,
    version: version(),
    began: about.began,
    ended: about.ended,
    command: ['weir', ...process.argv.slice(2).map(shellWord)].join(' '),
    settings: {
      cluster: about.cluster,
      rounds: flags.rounds,
      writers: plan.clients.writer,
      readers: plan.clients.reader,
      transactions: plan.clients.transaction,
      listeners: plan.clients.listener,
      idle: plan.clients.idle,
      'requests of each client a second': plan.rate,
      'load before the fault (ms)': plan.beforeMs,
      'load after the recovery (ms)': plan.afterMs,
      'promotion after the fault (ms)': plan.promoteAfterMs,
      'connect timeout of a client (ms)': plan.connectTimeoutMs,
      'patience of a client (ms)': plan.clientTimeoutMs,
      'pause of a client after an error (ms)': plan.retryMs,
      'transaction open for (ms)': plan.holdMs,
      'given up after (ms)': plan.giveUpMs,
      'longest stall of the instrument allowed (ms)': plan.maxStallMs,
      ...(flags.set.length === 0 ? {} : { 'set for Weir': flags.set.join(', ') }),
    },
    machine: {
      cores: cpus().length,
      processor: cpus()[0]?.model ?? 'unknown',
      'memory (GiB)': Math.round(totalmem() / 1024 ** 3),
      system: `${platform()} ${arch()}`,
      node: process.version,
      postgres: about.postgres,
    },
    subjects: ran.summaries,
    rounds: ran.rounds,
    expectations: judgeExpectations(flags.expect, ran.summaries),
  }
}

/** As typed, without the password in a URL or a login: it does not belong into a report. */
export function shellWord(word: string): string {
  const safe = word
    .replace(/:\/\/([^:@/]+):.*@/, '://$1:…@')
    .replace(/^([^:=@/]+):(?!\/\/).*@/, '$1:…@')
  return /^[\w./:=,@%+-]+$/.test(safe) ? safe : `'${safe}'`
}
