/** The program's own log, written to memory: what an operator would find in the file. */
import { Writable } from 'node:stream'
import { createLogger } from '../../../src/cli/logger.ts'
import type { Log } from '../../../src/core/log.ts'

export interface KeptLog {
  readonly log: Log
  /** All of it, as written. */
  text(): string
  /** One object a line; throws where a line is no JSON. */
  lines(): Record<string, unknown>[]
}

export function keptLog(format: 'json' | 'pretty' = 'json'): KeptLog {
  let kept = ''
  const out = new Writable({
    write(chunk, _encoding, done) {
      kept += String(chunk)
      done()
    },
  })
  return {
    log: createLogger({ level: 'debug', format, out }),
    text: () => kept,
    lines: () =>
      kept
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line)),
  }
}
