/** Tokens and single users as the program sees them. Rule: as in settings.ts, nothing reads files here. */
import type { z } from 'zod'
import type { iam, users } from './schema-tokens.ts'

/** A secret text, or where it is to be found. */
export type HeldText =
  | { readonly kind: 'inline'; readonly text: string }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'env'; readonly variable: string }

export interface AccessKeySettings {
  readonly accessKeyId: string
  readonly secretAccessKey: HeldText
  readonly sessionToken: HeldText | undefined
  /** Wall clock, ms. */
  readonly until: number | undefined
  readonly users: readonly string[]
}

export interface IamSettings {
  readonly region: string
  readonly accessKeys: readonly AccessKeySettings[]
  /** Lower case, `name` or `name:port`. */
  readonly hosts: readonly string[]
  readonly ports: readonly number[]
  readonly clockSkewMs: number
}

export type UserSettings = z.output<typeof users>[number]

type Endpoint = { readonly port: number | undefined; readonly tlsServerNames: readonly string[] }

/** @param beside makes a name in the file absolute */
export function settleIam(
  file: z.output<typeof iam> | undefined,
  listenHost: string,
  endpoints: readonly Endpoint[],
  beside: (name: string) => string,
): IamSettings | undefined {
  if (file === undefined) return undefined
  const { region, accessKeys, hosts, clockSkew } = file
  const own = ['localhost', listenHost, ...endpoints.flatMap((e) => e.tlsServerNames)]
  return {
    region,
    hosts: [...new Set((hosts ?? own).map(hostText))],
    ports: [...new Set(endpoints.flatMap(({ port }) => (port === undefined ? [] : [port])))],
    clockSkewMs: clockSkew,
    accessKeys: accessKeys.map((key) => ({
      accessKeyId: key.accessKeyId,
      secretAccessKey: heldText(key.secretAccessKey, beside),
      sessionToken: key.sessionToken === undefined ? undefined : heldText(key.sessionToken, beside),
      until: key.expires === undefined ? undefined : Date.parse(key.expires),
      users: key.users,
    })),
  }
}

/** The same without secrets. */
export function iamWithoutSecrets(iam: IamSettings | undefined): IamSettings | undefined {
  if (iam === undefined) return undefined
  const hidden = (held: HeldText): HeldText =>
    held.kind === 'inline' ? { kind: 'inline', text: '(hidden)' } : held
  const accessKeys = iam.accessKeys.map((key) => ({
    ...key,
    secretAccessKey: hidden(key.secretAccessKey),
    sessionToken: key.sessionToken === undefined ? undefined : hidden(key.sessionToken),
  }))
  return { ...iam, accessKeys }
}

function heldText(
  value: string | { file: string } | { env: string },
  beside: (name: string) => string,
): HeldText {
  if (typeof value === 'string') return { kind: 'inline', text: value }
  if ('file' in value) return { kind: 'file', path: beside(value.file) }
  return { kind: 'env', variable: value.env }
}

/** An address of version 6 by itself is known without brackets. */
function hostText(host: string): string {
  return host.toLowerCase().replace(/^\[([0-9a-f:.]+)\]$/, '$1')
}
