/** `weir` as a person types it, in this process: what it printed and how it would have ended. */
import { main } from '../../src/cli/main.ts'

export interface Said {
  readonly out: string
  readonly err: string
  readonly exitCode: typeof process.exitCode
}

export async function weirSays(...args: string[]): Promise<Said> {
  const out: string[] = []
  const err: string[] = []
  const keep = (into: string[]) => (text: string | Uint8Array) => into.push(String(text)) > 0
  const [stdout, stderr] = [process.stdout.write, process.stderr.write]
  process.stdout.write = keep(out)
  process.stderr.write = keep(err)
  try {
    await main(['node', 'weir', ...args])
    return { out: out.join(''), err: err.join(''), exitCode: process.exitCode }
  } finally {
    process.stdout.write = stdout
    process.stderr.write = stderr
    process.exitCode = undefined
  }
}
