/**
 * Secrets in AWS Secrets Manager, by Amazon's own client, which is loaded only when it is asked for.
 * Rule: the labels of a rotation say what is right: AWSCURRENT for everybody, AWSPREVIOUS as long as
 * the window is open, AWSPENDING for nodes alone, which may have been given it already.
 */
import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { messageOf, WeirError } from '../core/errors.ts'
import { type AlsoRight, parseSecrets, type SecretEntry } from './secret-file.ts'
import type { SecretSource } from './secret-source.ts'

export interface ManagerOptions {
  /** Name or ARN. */
  readonly secretId: string
  /** Undefined: as the client finds it (AWS_REGION and so on). */
  readonly region: string | undefined
  /** Another address than Amazon's. */
  readonly endpoint: string | undefined
  readonly refreshMs: number
  /** How long a replaced password stays right (ms). */
  readonly windowMs: number
  /** Wall clock, ms. */
  readonly now: () => number
}

interface Version {
  readonly id: string | undefined
  /** When it was made (ms). */
  readonly created: number
  readonly entries: readonly SecretEntry[]
}

type Library = typeof import('@aws-sdk/client-secrets-manager')

/** For a question with all its tries (ms). */
const TIMEOUT_MS = 20_000

export function managerSource(
  options: ManagerOptions,
  load: () => Promise<Library> = () => import('@aws-sdk/client-secrets-manager'),
): SecretSource {
  const name = `secret ${options.secretId} of AWS Secrets Manager`
  let client: SecretsManagerClient | undefined
  const read = async (): Promise<SecretEntry[]> => {
    const library = await loaded(load)
    const { region, endpoint } = options
    client ??= new library.SecretsManagerClient({
      ...(region === undefined ? {} : { region }),
      ...(endpoint === undefined ? {} : { endpoint }),
    })
    const ask = versions(client, library, options.secretId, name)
    const current = await ask('AWSCURRENT')
    if (current === undefined) throw bad(`${name} is not there, or has no version AWSCURRENT`)
    const pending = await ask('AWSPENDING')
    const ends = current.created + options.windowMs
    const previous = ends > options.now() ? await ask('AWSPREVIOUS') : undefined
    return current.entries.map((entry) => {
      const also = [
        ...others(pending, current, entry, { until: Infinity, doors: false }),
        ...others(previous, current, entry, { until: ends, doors: true }),
      ]
      return also.length === 0 ? entry : { ...entry, also }
    })
  }
  return { name, refreshMs: options.refreshMs, read }
}

/** The password that another version has for the same user. */
function others(
  version: Version | undefined,
  current: Version,
  { username, password }: SecretEntry,
  how: Omit<AlsoRight, 'password'>,
): AlsoRight[] {
  if (version === undefined || version.id === current.id) return []
  const same = version.entries.find((entry) => entry.username === username)
  if (same === undefined || same.password === password) return []
  return [{ password: same.password, ...how }]
}

function versions(client: SecretsManagerClient, library: Library, secretId: string, name: string) {
  return async (stage: string): Promise<Version | undefined> => {
    try {
      const command = new library.GetSecretValueCommand({ SecretId: secretId, VersionStage: stage })
      const found = await client.send(command, { abortSignal: AbortSignal.timeout(TIMEOUT_MS) })
      const { VersionId: id, CreatedDate, SecretString, SecretBinary } = found
      const text = SecretString ?? Buffer.from(SecretBinary ?? []).toString('utf8')
      const entries = parseSecrets(text, name, '')
      return { id, created: CreatedDate?.getTime() ?? 0, entries }
    } catch (error) {
      // A label that no version has is answered so, and so is a secret that is not there.
      if (error instanceof Error && error.name === 'ResourceNotFoundException') return undefined
      // One that is being made may hold nothing yet; it is nobody's password so far.
      if (error instanceof WeirError && stage === 'AWSPENDING') return undefined
      if (error instanceof WeirError) throw error
      const kind = error instanceof Error ? `${error.name}: ` : ''
      throw bad(`${name} cannot be read: ${kind}${messageOf(error)}`)
    }
  }
}

async function loaded(load: () => Promise<Library>): Promise<Library> {
  try {
    return await load()
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new WeirError('WEIR_SECRETS', 'AWS Secrets Manager needs a package that is not here', {
      sqlstate: 'F0000',
      hint: 'npm install @aws-sdk/client-secrets-manager',
    })
  }
}

function bad(message: string): WeirError {
  return new WeirError('WEIR_SECRETS', message, {
    sqlstate: 'F0000',
    hint: 'Weir needs secretsmanager:GetSecretValue on it, and credentials as the AWS command line finds them.',
  })
}
