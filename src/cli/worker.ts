/**
 * The program of a worker process: `weir serve` and `weir up` start it where there are several. Rule:
 * signals are for the process that started it, which tells the workers what to do; without it they
 * end.
 */
import { startWorker } from '../app.ts'
import { createLogger } from './logger.ts'

// A terminal and most service managers send them to every process of a group.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

startWorker((settings, number) => createLogger(settings.log).child({ worker: number }))
