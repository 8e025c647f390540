/**
 * `Settings`, what the program sees of its configuration: the file's sections with durations named
 * `...Ms`, and nodes, endpoints and secrets with everything that was left out filled in. Rule: a
 * plain immutable value; nothing here reads files or fails.
 */
import { dirname, resolve } from 'node:path'
import { type FileSettings, schema } from './schema.ts'
import type { Ms } from './setting.ts'
import { adminWithoutSecrets, settleAdmin, settleAudit } from './settings-admin.ts'
import {
  type QuerySettings,
  type SecretSource,
  settleQuery,
  settleSecret,
} from './settings-auth.ts'
import { type NodeTlsSection, settleNodeTls, settleTls } from './settings-tls.ts'
import {
  type IamSettings,
  iamWithoutSecrets,
  settleIam,
  type UserSettings,
} from './settings-tokens.ts'
import { aboutOf, fieldsOf } from './walk.ts'

/** A section as the program sees it: `period: Ms` becomes `periodMs: number`. */
export type Inside<T> = T extends Ms
  ? number
  : T extends readonly (infer E)[]
    ? readonly Inside<E>[]
    : T extends object
      ? {
          readonly [K in keyof T as K extends string
            ? NonNullable<T[K]> extends Ms
              ? `${K}Ms`
              : K
            : never]: Inside<T[K]>
        }
      : T

type FileEndpoint = FileSettings['endpoints'][number]

export interface NodeSettings {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly socketDirectory: string | undefined
  readonly weight: number
  /** What of TLS is different here; `tls.nodes` and its like hold otherwise. */
  readonly tls?: NodeTlsSection | undefined
}

/** Holds all an endpoint rule needs, and where the endpoint listens. */
export interface EndpointSettings {
  readonly name: string
  readonly kind: FileEndpoint['kind']
  /** With `listen.portOffset` added; undefined: only reached through others. */
  readonly port: number | undefined
  readonly socketDirectory: string | undefined
  readonly tlsServerNames: readonly string[]
  /** Networks, CIDR; undefined: everybody. */
  readonly allow: readonly string[] | undefined
  readonly deny: readonly string[] | undefined
  readonly maxClients: number | undefined
  readonly customType: NonNullable<FileEndpoint['type']>
  readonly staticMembers: readonly string[] | undefined
  readonly excludedMembers: readonly string[] | undefined
  readonly node: string | undefined
  readonly balance: NonNullable<FileEndpoint['balance']>
  readonly maxLagMs: number | undefined
  readonly noReader: NonNullable<FileEndpoint['noReader']>
  readonly borrowTimeout: number | 'nowait' | 'unlimited'
  readonly pooling: FileEndpoint['pooling']
  readonly pinning: FileEndpoint['pinning']
  readonly verify: boolean
  readonly retryReads: boolean
}

type Plain = Inside<Omit<FileSettings, 'nodes' | 'endpoints' | 'auth' | 'pool'>>
type PlainPool = Inside<Omit<FileSettings['pool'], 'maxIdleConnectionsPercent'>>

export interface Settings extends Plain {
  /** Of kind static; empty when the nodes are found by `topology.source`. */
  readonly nodes: readonly NodeSettings[]
  readonly endpoints: readonly EndpointSettings[]
  readonly pool: PlainPool & { readonly maxIdleConnectionsPercent: number }
  readonly auth: {
    readonly secrets: readonly SecretSource[]
    readonly methods: FileSettings['auth']['methods']
    readonly trust: boolean
    readonly rotationWindowMs: number
    readonly query: QuerySettings | undefined
    readonly iamAuth: FileSettings['auth']['iamAuth']
    readonly iam: IamSettings | undefined
    readonly users: readonly UserSettings[]
  }
}

/**
 * Fills in what depends on other settings.
 * @param file the configuration file; names in it are relative to its directory
 */
export function settle(settings: FileSettings, file: string): Settings {
  const { nodes = [], endpoints, auth, pool, admin, audit, tls, ...rest } = settings
  const beside = (name: string) => resolve(dirname(file), name)
  const plain = renamed(schema, { ...rest, pool }) as Inside<typeof rest & { pool: typeof pool }>
  const offset = settings.listen.portOffset
  const { source } = plain.topology
  const settled = endpoints.map((e) => settleEndpoint(e, offset, pool.borrowTimeout))
  return {
    ...plain,
    topology: {
      ...plain.topology,
      source: source.caFile === undefined ? source : { ...source, caFile: beside(source.caFile) },
    },
    admin: settleAdmin(admin, offset, beside),
    audit: settleAudit(audit, beside),
    tls: settleTls(tls, beside),
    pool: {
      ...plain.pool,
      maxIdleConnectionsPercent:
        pool.maxIdleConnectionsPercent ?? Math.floor(pool.maxConnectionsPercent / 2),
    },
    nodes: nodes.map((node) => settleNode(node, beside)),
    endpoints: settled,
    auth: {
      methods: auth.methods,
      trust: auth.trust,
      secrets: auth.secrets.map((secret) => settleSecret(secret, beside)),
      rotationWindowMs: auth.rotationWindow,
      query: settleQuery(auth.query),
      iamAuth: auth.iamAuth,
      iam: settleIam(auth.iam, settings.listen.host, settled, beside),
      users: auth.users,
    },
  }
}

/** Host and port of a `url` setting; undefined when it holds anything else. */
export function addressOf(url: string): { host: string; port: number | undefined } | undefined {
  const match =
    /^postgres(?:ql)?:\/\/(\[[0-9A-Fa-f:.]+\]|[^/:@?#[\]\s]+)(?::([0-9]{1,5}))?\/?$/.exec(url)
  if (match === null) return undefined
  const port = match[2] === undefined ? undefined : Number(match[2])
  if (port !== undefined && (port < 1 || port > 65_535)) return undefined
  return { host: match[1]!.replace(/^\[|\]$/g, ''), port }
}

/** The same settings without passwords, for status pages and logs. */
export function withoutSecrets(settings: Settings): Settings {
  const secrets = settings.auth.secrets.map((s) =>
    s.kind === 'inline' ? { ...s, password: '(hidden)' } : s,
  )
  const iam = iamWithoutSecrets(settings.auth.iam)
  const admin = adminWithoutSecrets(settings.admin)
  return { ...settings, admin, auth: { ...settings.auth, secrets, iam } }
}

function settleNode(
  node: NonNullable<FileSettings['nodes']>[number],
  beside: (name: string) => string,
): NodeSettings {
  const address = node.url === undefined ? undefined : addressOf(node.url)
  return {
    name: node.name,
    host: address?.host ?? node.host ?? '127.0.0.1',
    port: address?.port ?? node.port ?? 5432,
    socketDirectory: node.socketDirectory,
    weight: node.weight,
    ...(node.tls === undefined ? {} : { tls: settleNodeTls(node.tls, beside) }),
  }
}

function settleEndpoint(
  e: FileEndpoint,
  offset: number,
  borrowTimeout: EndpointSettings['borrowTimeout'],
): EndpointSettings {
  return {
    name: e.name,
    kind: e.kind,
    port: e.port === undefined ? undefined : e.port + offset,
    socketDirectory: e.socketDirectory,
    tlsServerNames: e.tlsServerNames ?? [e.name],
    allow: e.allow,
    deny: e.deny,
    maxClients: e.maxClients,
    customType: e.type ?? 'ANY',
    staticMembers: e.staticMembers,
    excludedMembers: e.excludedMembers,
    node: e.node,
    balance: e.balance ?? 'leastLeases',
    maxLagMs: e.maxLag,
    noReader: e.noReader ?? (e.kind === 'custom' ? 'wait' : 'writer'),
    borrowTimeout: e.borrowTimeout ?? borrowTimeout,
    pooling: e.pooling,
    pinning: e.pinning,
    verify: e.verify,
    retryReads: e.retryReads,
  }
}

/** The run-time half of `Inside`: durations get their `Ms`. Lists hold no durations by now. */
function renamed(at: Parameters<typeof fieldsOf>[0], value: object): Record<string, unknown> {
  const fields = fieldsOf(at)
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const field = fields?.[key]
      if (field === undefined) return [key, inner]
      if (fieldsOf(field) !== undefined) return [key, renamed(field, inner as object)]
      return [aboutOf(field)?.type === 'duration' ? `${key}Ms` : key, inner]
    }),
  )
}
