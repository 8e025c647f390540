/**
 * A storm's load in a thread of its own: this file is what the thread runs. Rule: it says `ready`,
 * does what it is then told (warms up, begins at a moment, ends), and sends every word it has to say to
 * the thread that made it.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { Load, warmUp } from './load.ts'
import type { LoadOrder } from './load-words.ts'

const port = parentPort
if (port !== null) {
  const order = workerData as LoadOrder
  const load = new Load(order, (word) => port.postMessage(word))
  port.on('message', (message: { start: number } | 'warm-up' | 'stop') => {
    if (message === 'stop') load.stop()
    else if (message === 'warm-up')
      void warmUp(order).then(() => port.postMessage({ kind: 'warm' }))
    else void load.run(message.start).then(() => port.close())
  })
  port.postMessage({ kind: 'ready' })
}
