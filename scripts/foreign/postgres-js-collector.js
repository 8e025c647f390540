// What the tests of postgres.js call to be run: one after the other, each with a time limit, and
// every result a line of JSON after `@@`. Rule: a failure never keeps the next test from running, so
// the table it leaves behind, which nearly all of them call `test`, is dropped.
import { spawnSync } from 'node:child_process'
import { inspect } from 'node:util'

const DEFAULT_SECONDS = 5
const queue = []

/** A test resolves with two values that must be the same. */
export const t = (name, options, run) => {
  const [settings, body] = typeof options === 'function' ? [{}, options] : [options, run]
  queue.push({ name, seconds: settings.timeout ?? t.timeout, body })
}
t.timeout = DEFAULT_SECONDS
export const ot = t
/** Tests the authors have switched off. */
export const nt = () => {}

async function verdict({ seconds, body }) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${seconds} s`)), seconds * 1000)
  })
  try {
    const pair = await Promise.race([body(), late])
    if (!Array.isArray(pair)) return 'returned no pair'
    const [expected, got] = await Promise.race([Promise.all(pair), late])
    return expected === got ? undefined : `${inspect(expected)} != ${inspect(got)}`
  } catch (error) {
    return inspect(error)
  } finally {
    clearTimeout(timer)
  }
}

function sweep() {
  const drop = ['-X', '-q', '-d', 'postgres_js_test', '-c', 'DROP TABLE IF EXISTS test']
  spawnSync('psql', drop, { timeout: 5_000, stdio: 'ignore' })
}

// Tests are registered while their file is loaded; they start when it is.
setImmediate(async () => {
  for (const test of queue) {
    const failure = await verdict(test)
    if (failure !== undefined) sweep()
    console.log(`@@${JSON.stringify({ name: test.name, failure })}`)
  }
  process.exit(0)
})
process.on('unhandledRejection', (error) => console.log('unhandled rejection:', error))
