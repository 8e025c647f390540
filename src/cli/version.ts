/** The version of the program, from its package.json. */
import { existsSync, readFileSync } from 'node:fs'

/** Looks upwards, because the built file lies one folder deeper than the source. */
export function version(): string {
  for (const up of ['../../package.json', '../../../package.json']) {
    const file = new URL(up, import.meta.url)
    if (existsSync(file)) {
      return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
    }
  }
  return 'unknown'
}
