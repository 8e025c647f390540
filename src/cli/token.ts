/**
 * `weir token`: an IAM token to log in with, made here with an access key. Rule: standard output gets
 * the token and nothing else, so that it can be a variable's value; a person at a terminal is told
 * beside it what to do with it.
 */
import { type Command, InvalidArgumentError } from 'commander'
import { makeToken } from '../auth/token-signing.ts'
import { WeirError } from '../core/errors.ts'
import { type Environment, findAccessKey, findRegion } from './aws-keys.ts'

interface TokenOptions {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly region?: string
}

export function registerToken(program: Command): void {
  program
    .command('token')
    .description('print an IAM token: a password for 15 minutes, signed with an access key')
    .requiredOption('--host <name>', 'the name clients connect to; one of auth.iam.hosts')
    .option('--port <n>', 'the port of the endpoint', portNumber, 6432)
    .requiredOption('--user <name>', 'the user who will log in')
    .option('--region <name>', 'as in auth.iam.region (default: AWS_REGION, or the profile)')
    .addHelpText(
      'after',
      `
Examples:
  weir token --host db.internal --user app --region eu-west-1
  PGPASSWORD="$(weir token --host db.internal --user app)" \\
    psql "host=db.internal port=6432 user=app dbname=app sslmode=verify-full sslrootcert=ca.crt"

The key is found as the AWS CLI finds it: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
AWS_SESSION_TOKEN, or the profile AWS_PROFILE of ~/.aws/credentials. The same token is made by
  aws rds generate-db-auth-token \\
    --hostname db.internal --port 6432 --username app --region eu-west-1`,
    )
    .action((options: TokenOptions) => token(options, process.env))
}

async function token(options: TokenOptions, env: Environment): Promise<void> {
  const { host, port, user } = options
  const region = options.region ?? (await findRegion(env))
  if (region === undefined) {
    throw new WeirError('WEIR_NO_REGION', 'no region is set', {
      hint: 'Give --region, the same as auth.iam.region, or set AWS_REGION.',
    })
  }
  const key = await findAccessKey(env)
  const made = await makeToken({ host, port, user, region, signedAt: Date.now() }, key)
  process.stdout.write(`${made}\n`)
  if (process.stdout.isTTY) process.stderr.write(usage(options))
}

function portNumber(text: string): number {
  const port = /^[1-9][0-9]{0,4}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65_535) throw new InvalidArgumentError('A port is needed, 1 to 65535.')
  return port
}

function usage({ host, port, user, region }: TokenOptions): string {
  const again = `weir token --host ${host} --port ${port} --user ${user}`
  return `
Good for 15 minutes, as the password of ${user}, over TLS only. For psql:
  PGPASSWORD="$(${again}${region === undefined ? '' : ` --region ${region}`})" \\
    psql "host=${host} port=${port} user=${user} sslmode=require"
`
}
