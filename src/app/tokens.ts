/**
 * Access keys and the rules of users as the settings name them. Rule: all of them or none take effect,
 * and a key file that cannot be read later leaves what was there, with a warning.
 */
import { readFile } from 'node:fs/promises'
import { type TokenAudience, type TokenKey, Tokens } from '../auth/tokens.ts'
import type { UserRule } from '../auth/user-rules.ts'
import { UserRules } from '../auth/user-rules.ts'
import type { Settings } from '../config/settings.ts'
import type { AccessKeySettings, HeldText, IamSettings } from '../config/settings-tokens.ts'
import { type Audit, noAudit } from '../core/audit.ts'
import type { Clock } from '../core/clock.ts'
import { messageOf, WeirError } from '../core/errors.ts'
import { type FileWatch, watchFiles } from '../core/file-watch.ts'
import type { Log } from '../core/log.ts'

type Auth = Settings['auth']
type Method = 'trust' | Auth['methods'][number]

export interface KeyringParts {
  readonly clock: Clock
  readonly log: Log
  readonly audit?: Audit
  readonly env?: Readonly<Record<string, string | undefined>>
}

/** Who may log in how, kept as files and settings change. */
export class Keyring {
  readonly rules: UserRules<Method>
  /** Refuses all while there are no keys. */
  readonly tokens: Tokens
  #parts: KeyringParts
  #auth: Auth
  #watch: FileWatch | undefined

  private constructor(auth: Auth, parts: KeyringParts) {
    this.#auth = auth
    this.#parts = parts
    this.rules = new UserRules(generalRule(auth), auth.users)
    this.tokens = new Tokens([], NOWHERE, () => parts.clock.wall())
  }

  /** @throws WeirError WEIR_TOKENS when a secret of a key cannot be read */
  static async open(auth: Auth, parts: KeyringParts): Promise<Keyring> {
    const keyring = new Keyring(auth, parts)
    await keyring.renew(auth)
    return keyring
  }

  /**
   * Takes over other keys and rules; who is logged in stays so.
   * @throws WeirError WEIR_TOKENS; then nothing has changed
   */
  async renew(auth: Auth): Promise<void> {
    const { iam } = auth
    const { env = process.env } = this.#parts
    const keys = await Promise.all((iam?.accessKeys ?? []).map((key) => keyOf(key, env)))
    this.tokens.replace(keys, iam === undefined ? NOWHERE : audienceOf(iam))
    this.#auth = auth
    this.rules.replace(generalRule(auth), auth.users)
    this.#watch?.stop()
    this.#watch = await this.#watchKeys()
  }

  stop(): void {
    this.#watch?.stop()
  }

  async #watchKeys(): Promise<FileWatch | undefined> {
    const { clock } = this.#parts
    const files = (this.#auth.iam?.accessKeys ?? [])
      .flatMap(({ secretAccessKey, sessionToken }) => [secretAccessKey, sessionToken])
      .flatMap((held) => (held?.kind === 'file' ? [held.path] : []))
    if (files.length === 0) return undefined
    return watchFiles({ files, clock, changed: (changed) => void this.#readAgain(changed) })
  }

  async #readAgain(changed: readonly string[]): Promise<void> {
    const { log, audit = noAudit, env = process.env } = this.#parts
    const auth = this.#auth
    const { iam } = auth
    if (iam === undefined) return
    const detail = changed.join(', ')
    try {
      const keys = await Promise.all(iam.accessKeys.map((key) => keyOf(key, env)))
      // A reload meanwhile may have taken some of them away, and has read all that are left.
      if (this.#auth !== auth) return
      this.tokens.replace(keys, audienceOf(iam))
      log.info({}, `access keys were read again: ${detail}`)
      audit.tell({ kind: 'change', what: 'secrets', outcome: 'done', detail })
    } catch (error) {
      for (const file of changed) this.#watch?.forget(file)
      log.warn({ error: messageOf(error) }, 'access keys were not read again; the old ones hold')
      audit.tell({ kind: 'change', what: 'secrets', outcome: 'failed', detail })
    }
  }
}

/** No token is for here. */
const NOWHERE: TokenAudience = { region: '', hosts: [], ports: [], clockSkewMs: 0 }

/** A user's own methods are meant as they stand: auth.trust is for those of whom nothing is said. */
function generalRule(auth: Auth): UserRule<Method> {
  const { iamAuth, trust, methods } = auth
  return { iamAuth, methods: trust ? ['trust', ...methods] : methods, maxClients: undefined }
}

function audienceOf({ region, hosts, ports, clockSkewMs }: IamSettings): TokenAudience {
  return { region, hosts, ports, clockSkewMs }
}

async function keyOf(
  key: AccessKeySettings,
  env: Readonly<Record<string, string | undefined>>,
): Promise<TokenKey> {
  const { accessKeyId, users, until } = key
  const where = `access key ${accessKeyId}`
  const secretAccessKey = await textOf(key.secretAccessKey, env, where)
  const sessionToken =
    key.sessionToken === undefined ? undefined : await textOf(key.sessionToken, env, where)
  return { accessKeyId, secretAccessKey, sessionToken, users, until }
}

async function textOf(
  held: HeldText,
  env: Readonly<Record<string, string | undefined>>,
  where: string,
): Promise<string> {
  switch (held.kind) {
    case 'inline':
      return held.text
    case 'env': {
      const text = env[held.variable]
      if (text === undefined || text === '') {
        throw unreadable(`${where}: environment variable ${held.variable} is not set`)
      }
      return text
    }
    case 'file': {
      const text = await readFile(held.path, 'utf8').catch((error: unknown) => {
        throw unreadable(`${where}: ${messageOf(error)}`)
      })
      if (text.trim() === '') throw unreadable(`${where}: ${held.path} is empty`)
      return text.trim()
    }
    default:
      return held satisfies never
  }
}

function unreadable(message: string): WeirError {
  return new WeirError('WEIR_TOKENS', message, {
    sqlstate: 'F0000',
    hint: 'See auth.iam.accessKeys.',
  })
}
