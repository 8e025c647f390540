/**
 * `weir serve`: the proxy in front of an existing Postgres. Rule: it says what it listens on, reads
 * its configuration again on SIGHUP, stops on SIGTERM or Ctrl-C after letting transactions end, and
 * exits with 0 then.
 */
import type { Command } from 'commander'
import { type App, startApp } from '../app.ts'
import { loadSettings } from '../config/load.ts'
import type { Settings } from '../config/settings.ts'
import { messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Address } from '../net/network.ts'
import { createLogger } from './logger.ts'
import { stopSignal } from './stop-signal.ts'
import { version } from './version.ts'
import { workerProgram } from './worker-program.ts'

interface ServeOptions {
  readonly config: string
  readonly set?: string[]
  readonly portOffset?: string
}

export function registerServe(program: Command): void {
  program
    .command('serve')
    .description('run the proxy in front of the nodes of a configuration file')
    .requiredOption('-c, --config <file>', 'configuration file (YAML)')
    .option('--set <setting=value...>', 'override a setting, e.g. --set pool.maxConnections=10')
    .option('--port-offset <n>', 'added to every port Weir listens on')
    .addHelpText(
      'after',
      `
Examples:
  weir serve --config config/existing-replicas.yaml
  weir serve --config config/minimal.yaml --set pool.maxConnections=10 --port-offset 100

A wrong configuration ends in exit code 2 with every problem listed.`,
    )
    .action(async (options: ServeOptions) => {
      const overrides = [...(options.set ?? [])]
      if (options.portOffset !== undefined)
        overrides.push(`listen.portOffset=${options.portOffset}`)
      const { config: file } = options
      await serve(() => loadSettings({ file, env: process.env, overrides }).settings)
    })
}

async function serve(load: () => Settings): Promise<void> {
  const settings = load()
  const log = createLogger(settings.log)
  let running: App | undefined
  const stopped = stopSignal(() => {
    if (running !== undefined) void reload(running, load, log)
  })
  const app = await startApp({ settings, log, version: version(), workerProgram: workerProgram() })
  running = app
  for (const line of listening(app)) log.info({}, line)
  const signal = await stopped
  log.info({}, `stopping on ${signal}`)
  await app.stop()
  log.info({}, 'stopped')
}

/** A configuration with a mistake changes nothing. */
async function reload(app: App, load: () => Settings, log: Log): Promise<void> {
  log.info({}, 'reloading the configuration on SIGHUP')
  try {
    await app.reload(load())
  } catch (error) {
    log.error({}, `the configuration was not reloaded: ${messageOf(error)}`)
  }
}

/** One line for each endpoint: its name and where it listens. */
export function listening(app: App): string[] {
  return app.endpoints.map(({ name, addresses }) => {
    const where = addresses.map(addressText).join(', ')
    return `endpoint ${name}: ${where === '' ? 'by name through the others' : where}`
  })
}

function addressText(address: Address): string {
  return 'path' in address ? address.path : `${address.host}:${address.port}`
}
