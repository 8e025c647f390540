/**
 * `weir`: argv to rooms. Rule: every command has help with an example, errors say what to do next,
 * and a wrong configuration ends in exit code 2 with every problem listed.
 */
import { Command } from 'commander'
import { ConfigErrors } from '../config/problem.ts'
import { WeirError } from '../core/errors.ts'
import { registerAdminUser } from './admin-user.ts'
import { registerCert } from './cert.ts'
import { registerCluster } from './cluster.ts'
import { registerConfig } from './config.ts'
import { registerFailover } from './failover.ts'
import { registerPause } from './pause.ts'
import { registerPins } from './pins.ts'
import { registerServe } from './serve.ts'
import { registerStatus } from './status.ts'
import { registerStorm } from './storm.ts'
import { registerSwitchover } from './switchover.ts'
import { registerToken } from './token.ts'
import { registerUp } from './up.ts'
import { version } from './version.ts'

/** Every command there is. */
export function commands(): Command {
  const program = new Command('weir')
    .description('A connection proxy and pool for Postgres, with the lab to try it in')
    .version(version(), '-V, --version', 'print the version')
    .showHelpAfterError('(weir --help lists the commands)')
    .addHelpText(
      'after',
      `
Examples:
  weir up                                  a replicated Postgres and Weir in front of it
  weir serve --config config/minimal.yaml  Weir in front of an existing Postgres
  weir status                              what a running Weir sees
  weir switchover                          another node becomes the writer; clients only wait
  weir token --host db --user app          a password for 15 minutes, signed with an access key
  weir pins app.sql                        what would pin a session, there and at RDS Proxy
  weir failover --rounds 3                 what clients see when the writer goes, measured
  weir storm --clients 5000                what a storm of new connections does, measured`,
    )
  registerUp(program)
  registerServe(program)
  registerStatus(program)
  registerPause(program)
  registerSwitchover(program)
  registerCluster(program)
  registerConfig(program)
  registerAdminUser(program)
  registerCert(program)
  registerToken(program)
  registerPins(program)
  registerFailover(program)
  registerStorm(program)
  return program
}

/** Runs one command line; sets `process.exitCode`. */
export async function main(argv: readonly string[]): Promise<void> {
  // A terminal that goes away, or a reader that has read enough: what has to be stopped still must be.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  const program = commands()
  try {
    await program.parseAsync(argv)
  } catch (error) {
    process.exitCode = report(error)
  }
}

/** Tells a person what went wrong and what to do next; returns the exit code. */
export function report(error: unknown): number {
  if (error instanceof ConfigErrors) {
    process.stderr.write(`${error.message}\n`)
    return 2
  }
  if (error instanceof WeirError) {
    process.stderr.write(`weir: ${error.message}\n`)
    if (error.detail !== undefined) process.stderr.write(`  ${error.detail}\n`)
    if (error.hint !== undefined) process.stderr.write(`  ${error.hint}\n`)
    return 1
  }
  process.stderr.write(`weir: ${error instanceof Error ? (error.stack ?? error.message) : error}\n`)
  return 1
}
