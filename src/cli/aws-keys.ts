/**
 * The access key and region of whoever runs a command, found where the AWS CLI finds them: variables
 * first, then the shared credentials and configuration files. Rule: nothing is asked over the network,
 * and no message quotes what a file holds.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AccessKey } from '../auth/token-signing.ts'
import { WeirError } from '../core/errors.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** @throws WeirError when there is no key in any of these places */
export async function findAccessKey(env: Environment): Promise<AccessKey> {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE } = env
  if (AWS_ACCESS_KEY_ID !== undefined && AWS_SECRET_ACCESS_KEY !== undefined) {
    return keyOf(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN)
  }
  const profile = AWS_PROFILE ?? 'default'
  for (const [file, section] of filesOf(env, profile)) {
    const found = (await sectionsOf(file)).get(section)
    const id = found?.get('aws_access_key_id')
    const secret = found?.get('aws_secret_access_key')
    if (id !== undefined && secret !== undefined) {
      return keyOf(id, secret, found?.get('aws_session_token'))
    }
  }
  throw new WeirError('WEIR_NO_KEY', `no access key in the environment or in profile ${profile}`, {
    hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a key of auth.iam.accessKeys.',
  })
}

/** Undefined when no region is set anywhere. */
export async function findRegion(env: Environment): Promise<string | undefined> {
  const set = env.AWS_REGION ?? env.AWS_DEFAULT_REGION
  if (set !== undefined && set !== '') return set
  for (const [file, section] of filesOf(env, env.AWS_PROFILE ?? 'default')) {
    const region = (await sectionsOf(file)).get(section)?.get('region')
    if (region !== undefined) return region
  }
  return undefined
}

/** Both files, and what the profile is called in each. */
function filesOf(env: Environment, profile: string): [string, string][] {
  const home = join(env.HOME ?? '.', '.aws')
  const { AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE } = env
  return [
    [AWS_SHARED_CREDENTIALS_FILE ?? join(home, 'credentials'), profile],
    [
      AWS_CONFIG_FILE ?? join(home, 'config'),
      profile === 'default' ? profile : `profile ${profile}`,
    ],
  ]
}

/** `[section]` and `name = value` below it; empty for a file that is not there. */
async function sectionsOf(file: string): Promise<Map<string, Map<string, string>>> {
  const sections = new Map<string, Map<string, string>>()
  const text = await readFile(file, 'utf8').catch(() => '')
  let section: Map<string, string> | undefined
  for (const line of text.split(/\r?\n/)) {
    const head = /^\[\s*([^\]]+?)\s*\]/.exec(line)
    if (head !== null) {
      section = sections.get(head[1]!) ?? new Map()
      sections.set(head[1]!, section)
      continue
    }
    // What is indented belongs to a setting of several lines, none of which is looked for.
    const pair = /^([A-Za-z_]+)\s*=\s*(.*?)\s*$/.exec(line)
    if (pair !== null) section?.set(pair[1]!.toLowerCase(), pair[2]!)
  }
  return sections
}

function keyOf(accessKeyId: string, secretAccessKey: string, sessionToken?: string): AccessKey {
  return sessionToken === undefined || sessionToken === ''
    ? { accessKeyId, secretAccessKey }
    : { accessKeyId, secretAccessKey, sessionToken }
}
