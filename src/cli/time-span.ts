/** Durations on the command line: `500ms`, `30s`, `2m`; written and read as in the configuration. */
import { InvalidArgumentError } from 'commander'
import { parseDuration } from '../config/quantity.ts'

/** Parses an option's value into milliseconds. */
export function timeSpan(text: string): number {
  const ms = parseDuration(text)
  if (ms === undefined) throw new InvalidArgumentError('A duration such as 30s is needed.')
  return ms
}
