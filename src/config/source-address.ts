/**
 * Addresses as they are written for a source of nodes. Rule: what is not plainly an address is
 * refused here, so that nothing odd is ever looked up or connected to.
 */
import { isIPv6 } from 'node:net'

const LABELS =
  /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?)*\.?$/

export function isHost(text: string): boolean {
  return LABELS.test(text)
}

/** Of `HOST`, `HOST:PORT` or `[IPV6]:PORT`; undefined when it is none of these. */
export function hostAndPort(text: string): { host: string; port: number | undefined } | undefined {
  const [, six, name, digits] =
    /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+))(?::([0-9]{1,5}))?$/.exec(text) ?? []
  const host = six ?? name
  if (host === undefined || !(six === undefined ? isHost(host) : isIPv6(host))) return undefined
  const port = digits === undefined ? undefined : Number(digits)
  if (port !== undefined && (port < 1 || port > 65_535)) return undefined
  return { host, port }
}

/**
 * How instances of an Aurora cluster are called, from one of its cluster endpoints:
 * `app.cluster-abc123.REGION.rds.amazonaws.com` leads to `?.abc123.REGION.rds.amazonaws.com`.
 */
export function patternOf(hosts: readonly string[]): string | undefined {
  for (const text of hosts) {
    const { host = '' } = hostAndPort(text) ?? {}
    const [, own] =
      /^[^.]+\.cluster-(?:ro-|custom-)?([^.]+\.[^.]+\.rds\.amazonaws\.com(?:\.cn)?)$/.exec(host) ??
      []
    if (own !== undefined) return `?.${own}`
  }
  return undefined
}
