/** Users and passwords as the settings name them. Rule: all of them or none take effect. */
import { readSecretFile } from '../auth/secret-file.ts'
import type { Secrets } from '../auth/secrets.ts'
import type { Settings } from '../config/settings.ts'

/** @throws WeirError WEIR_SECRETS */
export async function loadSecrets(secrets: Secrets, { auth }: Settings): Promise<void> {
  const entries = []
  for (const source of auth.secrets) {
    if (source.kind === 'file') entries.push(...(await readSecretFile(source.path)))
    else {
      const { username, password } = source
      entries.push({ username, password, source: 'auth.secrets' })
    }
  }
  await secrets.replace(entries)
}
