/**
 * The programs a benchmark drives: where they are and who ends them. Rule: only processes started
 * here are ever ended, each by its own pid, in the reverse order of their start.
 */
import type { ChildProcess } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** A program that is needed and not there; its message names the package. */
export class MissingProgram extends Error {}

/** Debian's packages; elsewhere the names are close enough to search for. */
const PACKAGES = { pgbench: 'postgresql-15', postgres: 'postgresql-15', pgbouncer: 'pgbouncer' }
export type Program = keyof typeof PACKAGES

/** Path of a program: PATH first, then where Debian hides it. Throws MissingProgram. */
export function findProgram(name: Program): string {
  const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql') : []
  const folders = [
    ...(process.env.PATH ?? '').split(':'),
    '/usr/sbin',
    '/usr/local/sbin',
    ...versions
      .sort((a, b) => Number(b) - Number(a))
      .map((version) => `/usr/lib/postgresql/${version}/bin`),
  ]
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
  if (found !== undefined) return found
  throw new MissingProgram(
    `${name} is not installed; on Debian and Ubuntu: apt-get install ${PACKAGES[name]}`,
  )
}

const children = new Set<ChildProcess>()

/** Remembers a child so that `endAll` ends it; returns it. */
export function own<T extends ChildProcess>(child: T): T {
  children.add(child)
  child.once('close', () => children.delete(child))
  child.once('error', () => children.delete(child))
  return child
}

/** Asks a child to end and waits; after ten seconds it is made to. */
export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill(signal)
  const force = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await gone
  clearTimeout(force)
}

/** The last resort when we are leaving anyway: no waiting. SIGQUIT ends Postgres with its children. */
export function endAll(): void {
  for (const child of [...children].reverse()) child.kill('SIGQUIT')
}
