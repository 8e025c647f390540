/**
 * From settings to what the rooms take: pool settings, sharing, and the words for an address that
 * cannot be listened on. Rule: pure translation; no file is read here.
 */
import type { Settings } from '../config/settings.ts'
import { messageOf, WeirError } from '../core/errors.ts'
import { Waits } from '../endpoint/waits.ts'
import type { Address } from '../net/network.ts'
import type { PoolSettings } from '../pool/settings.ts'
import { SHARING, type SharingRules } from '../session/rider.ts'

export function poolSettings({ pool }: Settings): PoolSettings {
  return {
    maximum: pool.maxConnections,
    idleTimeoutMs: pool.idleTimeoutMs,
    maxIdlePercent: Math.min(
      100,
      Math.round((pool.maxIdleConnectionsPercent / pool.maxConnectionsPercent) * 100),
    ),
    minIdle: pool.minIdle,
    maxLifetimeMs: pool.maxLifetimeMs,
    lifetimeSpread: pool.lifetimeSpread / 100,
    openingsAtOnce: pool.openingsAtOnce,
    openTimeoutMs: pool.openTimeoutMs,
    cleanTimeoutMs: 5_000,
    orphanTimeoutMs: orphanTimeoutMs(pool.orphanTimeout),
    rotate: pool.rotate,
  }
}

/**
 * For connections that listen for many clients: lent for good, and closed when they come back (their
 * lifetime is over before anybody could), because nobody else would want them.
 */
export function listenPoolSettings(settings: Settings): PoolSettings {
  return {
    ...poolSettings(settings),
    maximum: undefined,
    minIdle: 0,
    maxLifetimeMs: 1,
    lifetimeSpread: 0,
    rotate: false,
  }
}

/** How server connections are shared; undefined when they are not. */
export function sharingRules({ pool }: Settings): SharingRules | undefined {
  if (pool.sharing === 'off') return undefined
  const { sharingDepth: depth, sharingConnections: connections = 'auto' } = pool
  return { ...SHARING, depth, connections }
}

/** Bounds on those who wait for a server connection. */
export function waitsFor({ limits, pool }: Settings): Waits {
  const { waitNotice } = pool
  return new Waits({
    most: limits.maxWaitingClients,
    noticeEveryMs: waitNotice === 'off' ? undefined : waitNotice,
  })
}

function orphanTimeoutMs(setting: Settings['pool']['orphanTimeout']): number {
  if (setting === 'nowait') return 0
  return setting === 'unlimited' ? Infinity : setting
}

/** How many server connections a node with room for `limit` gives us; one is the control connection's. */
export function budgetOf({ pool }: Settings, limit: number): number {
  const share = Math.floor((limit * pool.maxConnectionsPercent) / 100)
  return Math.max(1, Math.min(share, limit - 1))
}

export function cannotListen(address: Address, endpoint: string, error: unknown): WeirError {
  const where = 'path' in address ? address.path : `${address.host}:${address.port}`
  const code = (error as { code?: string }).code
  if (code === 'EADDRINUSE') {
    return new WeirError('WEIR_PORT_TAKEN', `${where} is taken by another program`, {
      hint: `It is the port of endpoint "${endpoint}" (endpoints[].port). Change it, or move all ports with --port-offset N.`,
      cause: error,
    })
  }
  return new WeirError('WEIR_CANNOT_LISTEN', `cannot listen on ${where}: ${messageOf(error)}`, {
    hint: `It is the address of endpoint "${endpoint}" (listen.host, endpoints[].port).`,
    cause: error,
  })
}
