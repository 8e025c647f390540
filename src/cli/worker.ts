/**
 * The program of a worker process: `weir serve` and `weir up` start it where there are several. Rule:
 * signals are for the process that started it, which tells the workers what to do; without it they
 * end.
 */

import { lineToPrimary } from '../app/workers/shells.ts'
import { runWorker } from '../app/workers/worker.ts'
import { createLogger } from './logger.ts'

// A terminal and most service managers send them to every process of a group.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

runWorker({
  line: lineToPrimary(),
  log: (settings, number) => createLogger(settings.log).child({ worker: number }),
  exit: (code) => process.exit(code),
})
