/**
 * A storm's load in a thread of its own: this file is what the thread runs. Rule: it says `ready`,
 * begins at the moment it is then told, and sends every word it has to say to the thread that made it.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { Load } from './load.ts'
import type { LoadOrder } from './load-words.ts'

const port = parentPort
if (port !== null) {
  const load = new Load(workerData as LoadOrder, (word) => port.postMessage(word))
  port.on('message', (message: { start: number } | 'stop') => {
    if (message === 'stop') load.stop()
    else void load.run(message.start).then(() => port.close())
  })
  port.postMessage({ kind: 'ready' })
}
