/**
 * The programs a subject consists of: where they are, how they are started, what they said, who ends
 * them. Rule: only processes started here are ever ended, each by its own pid; what is left when the
 * instrument itself goes away is killed then, so that no run leaves a proxy behind.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createWriteStream, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { messageOf } from '../../../core/errors.ts'
import { until } from '../../../core/until.ts'

/** As much of a program's words as an error message can bear. */
const WORDS_KEPT = 4_000

/** Full path of a program: PATH first, then where Debian keeps servers; undefined when not there. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

/** One sentence for each program that is not installed, with what to type. */
export function missingPrograms(names: readonly string[]): string[] {
  return names
    .filter((name) => findProgram(name) === undefined)
    .map((name) => `${name} is not installed; on Debian and Ubuntu: apt-get install ${name}`)
}

/** The first number with dots in what `program --version` (or with other arguments) prints. */
export function versionOf(program: string, args: readonly string[] = ['--version']): string {
  try {
    const text = execFileSync(program, [...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    return /\d+(?:\.\d+)+/.exec(text)?.[0] ?? 'of unknown version'
  } catch {
    return 'of unknown version'
  }
}

/** Numbers of an unprivileged user, for programs that refuse to run as root; {} when we are not. */
export function unprivileged(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const ask = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }))
  return { uid: ask('-u'), gid: ask('-g') }
}

export interface Running {
  readonly pid: number
  /** The end of what it said on both streams. */
  said(): string
  /** True once it is gone. */
  over(): boolean
  /** Asks it to end and waits; after five seconds it is made to. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

export interface StartOptions {
  readonly argv: readonly string[]
  /** Everything it says is kept here. */
  readonly logFile: string
  readonly identity?: { uid?: number; gid?: number }
  /** Told each line it says, with the wall-clock ms at which it was read. */
  readonly onLine?: (line: string, at: number) => void
}

/** Starts a program on loopback duty, its working directory the root. Rejects when it cannot run. */
export async function startProgram(name: string, options: StartOptions): Promise<Running> {
  const [file = '', ...args] = options.argv
  const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe']
  const child = spawn(file, args, { ...options.identity, cwd: '/', stdio })
  own(child)
  let said = ''
  let over = false
  const kept = createWriteStream(options.logFile, { flags: 'a' })
  kept.on('error', () => {})
  const hear = (stream: Readable): void => {
    createInterface({ input: stream }).on('line', (line) => {
      said = `${said}${line}\n`.slice(-WORDS_KEPT)
      kept.write(`${line}\n`)
      options.onLine?.(line, Date.now())
    })
  }
  hear(child.stdout)
  hear(child.stderr)
  child.once('close', () => {
    over = true
    kept.end()
  })
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', (cause) => {
      reject(new Error(`${name} cannot be started: ${cause.message}`, { cause }))
    })
  })
  return {
    pid: child.pid!,
    said: () => said,
    over: () => over,
    stop: async (signal = 'SIGTERM') => {
      if (over) return
      const gone = new Promise<void>((resolve) => child.once('close', () => resolve()))
      child.kill(signal)
      const force = setTimeout(() => child.kill('SIGKILL'), 5_000)
      await gone
      clearTimeout(force)
    },
  }
}

/** Waits until `probe` succeeds; when the program ends before, or time is up, says what it said. */
export async function whenReady(
  name: string,
  program: Running,
  probe: () => Promise<boolean>,
  withinMs = 30_000,
): Promise<void> {
  try {
    await until(async () => program.over() || (await probe()), withinMs, {
      what: `${name} to serve`,
    })
  } catch (error) {
    await program.stop()
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
    throw new Error(`${name} does not serve: ${messageOf(cause)}\n${program.said()}`.trim())
  }
  if (program.over()) throw new Error(`${name} ended at once:\n${program.said()}`.trim())
}

const living = new Set<ChildProcess>()

function own(child: ChildProcess): void {
  if (living.size === 0) process.on('exit', killAll)
  living.add(child)
  child.once('close', () => {
    living.delete(child)
    if (living.size === 0) process.off('exit', killAll)
  })
}

function killAll(): void {
  for (const child of living) child.kill('SIGKILL')
}
