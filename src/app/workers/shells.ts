/**
 * Worker processes of Node's cluster module: the primary accepts and hands each connection to the next
 * worker in turn, so the listening sockets are one and stay open while workers come and go. Rule:
 * this is the only file that knows how a worker is started.
 */
import cluster from 'node:cluster'
import type { Shell } from './hand.ts'
import type { Channel, Down, Up } from './messages.ts'

/** @param exec file that calls `runWorker` with `lineToPrimary()` */
export function startShell(exec: string): Shell {
  cluster.setupPrimary({ exec, args: [], serialization: 'advanced' })
  cluster.schedulingPolicy = cluster.SCHED_RR
  const worker = cluster.fork()
  /** Until it listens; what is said before is heard by nobody. */
  let unsaid: Down[] | undefined = []
  const say = (message: Down): void => {
    // One that is just going cannot be told any more; its exit is heard of.
    if (worker.isConnected()) worker.process.send(message as object, () => {})
  }
  const line: Channel<Down, Up> = {
    send: (message) => {
      if (unsaid === undefined) say(message)
      else unsaid.push(message)
    },
    receive: () => {},
  }
  const shell: Shell = {
    pid: worker.process.pid ?? 0,
    line,
    ended: () => {},
    kill: () => worker.process.kill('SIGKILL'),
  }
  worker.process.on('message', (message) => {
    // The cluster module talks on the same line.
    if (!isOurs(message)) return
    const early = unsaid ?? []
    unsaid = undefined
    for (const one of early) say(one)
    line.receive(message as Up)
  })
  worker.on('error', () => {})
  worker.process.once('exit', (code, signal) => shell.ended(code, signal))
  return shell
}

/** In a worker: its line to the primary, whose end is the end of the worker. */
export function lineToPrimary(): Channel<Up, Down> {
  const line: Channel<Up, Down> = {
    send: (message) => {
      if (process.connected) process.send?.(message, undefined, undefined, () => {})
    },
    receive: () => {},
  }
  process.on('message', (message) => {
    if (isOurs(message)) line.receive(message as Down)
  })
  return line
}

function isOurs(message: unknown): boolean {
  return typeof message === 'object' && message !== null && 'kind' in message
}
