/**
 * Which Weir a command speaks to, and as whom: the `--admin`, `--user` and `--ca` of the command line,
 * and one request to it. Rule: a password is never an argument, which everybody on the machine could
 * read, and never leaves the machine in clear.
 */
import { readFileSync } from 'node:fs'
import { request as requestInClear } from 'node:http'
import { request as requestOverTls } from 'node:https'
import type { Command } from 'commander'
import { isLocal } from '../admin/access.ts'
import { messageOf, WeirError } from '../core/errors.ts'

/** Where admin listens when the configuration does not say otherwise. */
export const DEFAULT_ADMIN = 'http://127.0.0.1:6480'

/** What the options below come to. */
export interface AdminFlags {
  readonly admin: string
  readonly user?: string
  readonly passwordFile?: string
  readonly tokenFile?: string
  readonly ca?: string
}

export interface AdminTarget {
  readonly base: URL
  /** Value of the header `Authorization`. */
  readonly authorization?: string | undefined
  /** PEM of the authorities that may vouch for the certificate; default those of Node.js. */
  readonly ca?: string | undefined
}

export interface AdminAnswer {
  readonly status: number
  readonly text: string
}

/** Longer answers are no answers of Weir (bytes). */
const MOST_BYTES = 64 * 1_048_576

export function adminOptions(command: Command): Command {
  return command
    .option('--admin <url>', 'admin address of the running Weir', DEFAULT_ADMIN)
    .option('--user <name>', 'admin user; the password comes from WEIR_ADMIN_PASSWORD')
    .option('--password-file <file>', 'file with the password of --user')
    .option('--token-file <file>', 'file with a bearer token (or: WEIR_ADMIN_TOKEN)')
    .option('--ca <file>', 'PEM file of who may vouch for the certificate of admin')
}

/**
 * @throws WeirError `WEIR_NO_ADMIN` when something is wrong with what was asked for; nothing is sent
 */
export function adminTarget(
  flags: AdminFlags,
  env: Readonly<Record<string, string | undefined>> = process.env,
): AdminTarget {
  const base = baseOf(flags.admin)
  const authorization = authorizationOf(flags, env)
  if (authorization !== undefined && base.protocol !== 'https:' && !isThisMachine(base.hostname)) {
    throw new WeirError('WEIR_NO_ADMIN', `no password is sent in clear to ${base.host}`, {
      hint: 'Use --admin https://...; setting admin.tls gives the admin port a certificate.',
    })
  }
  return {
    base,
    authorization,
    ca: flags.ca === undefined ? undefined : contentOf('--ca', flags.ca),
  }
}

/** @throws WeirError `WEIR_NO_ADMIN` */
export function baseOf(admin: string): URL {
  const full = /^[a-z]+:\/\//i.test(admin) ? admin : `http://${admin}`
  const base = URL.canParse('/', full) ? new URL(full) : undefined
  if (base?.protocol === 'http:' || base?.protocol === 'https:') return base
  throw new WeirError('WEIR_NO_ADMIN', `--admin ${admin} is not an address`, {
    hint: `Example: --admin ${DEFAULT_ADMIN}`,
  })
}

/**
 * One request.
 * @param body sent as JSON by POST; undefined: GET
 * @throws the system's error, or that the time was over
 */
export function askAdmin(
  { base, authorization, ca }: AdminTarget,
  path: string,
  body: object | undefined,
  withinMs: number,
): Promise<AdminAnswer> {
  const text = body === undefined ? undefined : JSON.stringify(body)
  const headers = {
    ...(authorization === undefined ? {} : { authorization }),
    ...(text === undefined
      ? {}
      : {
          'content-type': 'application/json',
          'content-length': String(Buffer.byteLength(text)),
        }),
  }
  const request = base.protocol === 'https:' ? requestOverTls : requestInClear
  return new Promise((resolve, reject) => {
    const sent = request(
      new URL(path, base),
      {
        method: text === undefined ? 'GET' : 'POST',
        headers,
        agent: false,
        signal: AbortSignal.timeout(withinMs),
        ...(ca === undefined ? {} : { ca }),
      },
      (answer) => {
        const parts: Buffer[] = []
        let bytes = 0
        answer.on('data', (part: Buffer) => {
          bytes += part.length
          if (bytes > MOST_BYTES) sent.destroy(new Error('the answer has no end'))
          else parts.push(part)
        })
        answer.on('error', reject)
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(parts).toString('utf8') }),
        )
      },
    )
    sent.on('error', (error) => reject(error.name === 'AbortError' ? tooLate(withinMs) : error))
    sent.end(text)
  })
}

/** What an answer says of who asked; undefined when it is about something else. */
export function notLetIn({ status, text }: AdminAnswer): WeirError | undefined {
  const said = text.split('\n')[0]?.slice(0, 300) ?? ''
  if (status === 401) {
    return new WeirError('WEIR_NOT_ALLOWED', said, {
      hint: 'Say who you are: --user NAME with WEIR_ADMIN_PASSWORD or --password-file, or --token-file.',
    })
  }
  if (status === 403 || status === 429) return new WeirError('WEIR_NOT_ALLOWED', said)
  return undefined
}

/** Why nothing answered, with what to do about certificates. */
export function reasonOf(error: unknown): string {
  const message = messageOf(error)
  const { code } = error as { code?: unknown }
  if (code === 'ECONNRESET') return `${message} (if it has a certificate, write https://)`
  const untrusted = /CERT|SELF_SIGNED|ISSUER|UNABLE_TO_VERIFY/.test(
    typeof code === 'string' ? code : '',
  )
  return untrusted
    ? `${message} (its certificate; --ca names a file of who may vouch for it)`
    : message
}

function authorizationOf(
  { user, passwordFile, tokenFile }: AdminFlags,
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  if (user !== undefined) {
    const password =
      passwordFile === undefined
        ? env.WEIR_ADMIN_PASSWORD
        : firstLine(contentOf('--password-file', passwordFile))
    if (password === undefined) {
      throw new WeirError('WEIR_NO_ADMIN', `there is no password for --user ${user}`, {
        hint: 'Put it into WEIR_ADMIN_PASSWORD or into a file named by --password-file.',
      })
    }
    return `Basic ${Buffer.from(`${user}:${password}`, 'utf8').toString('base64')}`
  }
  const token =
    tokenFile === undefined ? env.WEIR_ADMIN_TOKEN : firstLine(contentOf('--token-file', tokenFile))
  return token === undefined || token === '' ? undefined : `Bearer ${token}`
}

function firstLine(text: string): string {
  return text.split(/\r?\n/)[0] ?? ''
}

function contentOf(option: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new WeirError('WEIR_NO_ADMIN', `${option} ${file} cannot be read: ${messageOf(error)}`)
  }
}

function isThisMachine(host: string): boolean {
  return host === 'localhost' || isLocal(host.replace(/^\[|\]$/g, ''))
}

function tooLate(withinMs: number): Error {
  return new Error(`no answer within ${(withinMs / 1_000).toFixed(0)} s`)
}
