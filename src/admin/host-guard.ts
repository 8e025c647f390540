/**
 * Which `Host` headers are answered. A web page on somebody's own domain can point that domain at
 * 127.0.0.1 and so have a visitor's browser read this port as if it were its own (DNS rebinding);
 * the browser still sends the page's name. Rule: answer only to names no stranger can own.
 */
import { isIP } from 'node:net'
import { hostname } from 'node:os'

/** Names to answer to besides loopback and the address a request came in on. */
export interface HostRules {
  /** `admin.host`, and names given in the configuration. */
  readonly configured: readonly string[]
  /** Name of this machine; default the system's. */
  readonly machine?: string
}

/**
 * @param header value of `Host`, port included
 * @param arrivedAt local address of the socket: asking by an address cannot be rebound
 */
export function hostAllowed(
  header: string | undefined,
  arrivedAt: string | undefined,
  rules: HostRules,
): boolean {
  const host = hostOf(header)
  if (host === undefined) return false
  if (isLoopback(host)) return true
  if (isIP(host) !== 0 && host === plainAddress(arrivedAt)) return true
  const names = [rules.machine ?? hostname(), ...rules.configured]
  return names.some((name) => name.toLowerCase() === host)
}

/** The host of `Host: name:port` or `[::1]:port` in lower case; undefined when it is neither. */
function hostOf(header: string | undefined): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]/@\s]+))(?::\d{1,5})?$/i.exec(header ?? '')
  const host = (match?.[1] ?? match?.[2])?.toLowerCase()
  return host?.endsWith('.') ? host.slice(0, -1) : host
}

function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true
  return isIP(host) === 4 && host.startsWith('127.')
}

/** A dual-stack socket shows IPv4 peers as `::ffff:10.0.0.1`. */
function plainAddress(address: string | undefined): string | undefined {
  return address?.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '')
}
