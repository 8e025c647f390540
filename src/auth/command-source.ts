/**
 * Secrets that a program prints, in the form of a secrets file. Rule: no shell, bounded in time and in
 * length, and neither what it printed nor what it complained about is ever passed on.
 */
import { execFile } from 'node:child_process'
import { WeirError } from '../core/errors.ts'
import { parseSecrets, type SecretEntry } from './secret-file.ts'
import type { SecretSource } from './secret-source.ts'

export interface CommandOptions {
  /** Program and arguments; at least one. */
  readonly argv: readonly string[]
  /** Killed when it takes longer (ms). */
  readonly timeoutMs: number
  readonly refreshMs: number
}

/** Bytes; thousands of users. */
const MOST_OUTPUT = 4 * 1024 * 1024

export function commandSource({ argv, timeoutMs, refreshMs }: CommandOptions): SecretSource {
  const [program = '', ...args] = argv
  // The arguments may hold a token.
  const name = `command ${program}`
  return { name, refreshMs, read: () => run(program, args, timeoutMs, name) }
}

function run(
  program: string,
  args: readonly string[],
  timeout: number,
  name: string,
): Promise<SecretEntry[]> {
  return new Promise((resolve, reject) => {
    const options = { timeout, killSignal: 'SIGKILL', maxBuffer: MOST_OUTPUT } as const
    execFile(program, args, options, (error, stdout) => {
      if (error !== null) {
        reject(
          new WeirError('WEIR_SECRETS', `${name} ${failureOf(error, timeout)}`, {
            sqlstate: 'F0000',
            hint: 'Run it by hand as the user that Weir runs as; what it prints is not shown here.',
          }),
        )
        return
      }
      try {
        resolve(parseSecrets(stdout, name, 'the output of '))
      } catch (problem) {
        reject(problem)
      }
    }).stdin?.end()
  })
}

function failureOf(
  error: { code?: unknown; killed?: boolean; signal?: NodeJS.Signals | null | undefined },
  timeoutMs: number,
): string {
  if (error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return 'printed more than 4 MiB'
  if (error.killed === true) return `took longer than ${timeoutMs} ms`
  if (typeof error.code === 'string') return `cannot be run: ${error.code}`
  if (typeof error.signal === 'string') return `was ended by ${error.signal}`
  return `ended with status ${error.code}`
}
