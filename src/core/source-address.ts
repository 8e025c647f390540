/**
 * What counts as one source of connections, for bounds on how often somebody may come or try. Rule: an
 * IPv4 address by itself, however it is written; of IPv6 the /64 network, which one owner has whole.
 */

/** @param address as the system writes the peer of a socket */
export function sourceOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  if (!address.includes(':')) return address
  const [before = '', after] = address.replace(/%.*$/, '').split('::')
  const groups = before === '' ? [] : before.split(':')
  if (after !== undefined) {
    const behind = after === '' ? 0 : after.split(':').length
    while (groups.length < 8 - behind) groups.push('0')
  }
  return `${groups.slice(0, 4).join(':')}::/64`
}
