/**
 * What a changed configuration changes while Weir runs. Rule: whatever is not taken over is named, so
 * nobody believes that it holds.
 */
import type { Settings } from '../../config/settings.ts'
import { messageOf, WeirError } from '../../core/errors.ts'

/** Sections that new workers take over. */
const ROLLED = ['endpoints', 'pool', 'limits', 'auth', 'tls', 'audit', 'rollTimeout'] as const

/** What is taken over in either case. */
const ALWAYS = ['admin.users', 'listen.allow', 'listen.deny']

/** What one process takes over while it runs; more would cut its clients off. */
const IN_PLACE = [
  'auth.secrets',
  'auth.rotationWindowMs',
  'auth.iamAuth',
  'auth.users',
  'auth.iam',
  'tls.certFile',
  'tls.keyFile',
  'tls.certificates',
]

export interface Change {
  /** The settings that hold from now on. */
  readonly settings: Settings
  /** Names of settings, `pool.maxConnections`. */
  readonly taken: readonly string[]
  /** Changed in the file, and not to be changed without a restart. */
  readonly refused: readonly string[]
}

/** @param rolls whether there are workers, which can be replaced */
export function changeOf(now: Settings, next: Settings, rolls: boolean): Change {
  const changed = differences(now, next)
  const takes = (name: string): boolean =>
    ALWAYS.includes(name) ||
    (rolls
      ? ROLLED.some((section) => section === sectionOf(name))
      : IN_PLACE.includes(name) || sectionOf(name) === 'audit')
  return {
    settings: {
      ...(rolls ? rolled(now, next) : inPlace(now, next)),
      audit: next.audit,
      admin: withUsers(now.admin, next.admin),
      listen: withLists(now.listen, next.listen),
    },
    taken: changed.filter(takes),
    refused: changed.filter((name) => !takes(name)),
  }
}

/** What went wrong in a reload, with what was taken over before: that holds from then on. */
export function inPart(done: readonly string[], cause: unknown): WeirError {
  const why = messageOf(cause)
  const message = done.length === 0 ? why : `${why}; taken over before that: ${done.join(', ')}`
  const code = cause instanceof WeirError ? cause.code : 'WEIR_RELOAD'
  return new WeirError(code, message, { cause })
}

function withUsers(now: Settings['admin'], { users }: Settings['admin']): Settings['admin'] {
  const { users: _, ...rest } = now
  return users === undefined ? rest : { ...rest, users }
}

function withLists(now: Settings['listen'], next: Settings['listen']): Settings['listen'] {
  const { allow, deny } = next
  const { allow: _, deny: __, ...rest } = now
  return {
    ...rest,
    ...(allow === undefined ? {} : { allow }),
    ...(deny === undefined ? {} : { deny }),
  }
}

function rolled(now: Settings, next: Settings): Settings {
  const { endpoints, pool, limits, auth, tls, rollTimeout } = next
  return { ...now, endpoints, pool, limits, auth, tls, rollTimeout }
}

function inPlace(now: Settings, next: Settings): Settings {
  const { certFile, keyFile, certificates } = next.tls
  return {
    ...now,
    auth: {
      ...now.auth,
      secrets: next.auth.secrets,
      rotationWindowMs: next.auth.rotationWindowMs,
      iamAuth: next.auth.iamAuth,
      users: next.auth.users,
      iam: next.auth.iam,
    },
    tls: {
      ...now.tls,
      certificates,
      ...(certFile === undefined ? {} : { certFile }),
      ...(keyFile === undefined ? {} : { keyFile }),
    },
  }
}

function differences(now: Settings, next: Settings): string[] {
  const sections = new Set([...Object.keys(now), ...Object.keys(next)])
  return [...sections].flatMap((section) => {
    const [a, b] = [partOf(now, section), partOf(next, section)]
    if (isTable(a) && isTable(b)) {
      const keys = new Set([...Object.keys(a), ...Object.keys(b)])
      const other = [...keys].filter((key) => !same(partOf(a, key), partOf(b, key)))
      return other.map((key) => `${section}.${key}`)
    }
    return same(a, b) ? [] : [section]
  })
}

function sectionOf(name: string): string {
  return name.split('.')[0] ?? name
}

function partOf(of: object, key: string): unknown {
  return (of as Readonly<Record<string, unknown>>)[key]
}

function isTable(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
