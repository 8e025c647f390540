/**
 * Networks that addresses are in or not: `10.0.0.0/8`, `2001:db8::/32`, or single addresses. Rule: an
 * IPv4 address is the same whether it is written as one or as an IPv6 one (`::ffff:10.0.0.1`), and
 * what is no address is in no list.
 */
import { BlockList, isIPv4, isIPv6 } from 'node:net'

export interface Cidr {
  readonly address: string
  readonly prefix: number
  readonly family: 'ipv4' | 'ipv6'
}

/** A network or an address as it stands in a configuration; undefined when it is neither. */
export function parseCidr(text: string): Cidr | undefined {
  const [, address, length] = /^([0-9A-Fa-f:.]+)(?:\/(0|[1-9][0-9]{0,2}))?$/.exec(text) ?? []
  if (address === undefined) return undefined
  const family = isIPv4(address) ? 'ipv4' : isIPv6(address) ? 'ipv6' : undefined
  if (family === undefined) return undefined
  const most = family === 'ipv4' ? 32 : 128
  const prefix = length === undefined ? most : Number(length)
  return prefix > most ? undefined : { address, prefix, family }
}

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/** An address without its zone, and without the cloak of IPv6 where it is an IPv4 one. */
export function plainAddress(address: string): string {
  return MAPPED.exec(address)?.[1] ?? address.replace(/%.*$/, '')
}

/** Whether an address is one of this machine alone. */
export function isLoopbackAddress(address: string): boolean {
  const plain = plainAddress(address)
  return plain === '::1' || (isIPv4(plain) && plain.startsWith('127.'))
}

export class AddressList {
  #list = new BlockList()

  /** @throws RangeError for what `parseCidr` does not know */
  constructor(networks: readonly string[]) {
    for (const network of networks) {
      const cidr = parseCidr(network)
      if (cidr === undefined) throw new RangeError(`no network: ${network}`)
      this.#list.addSubnet(cidr.address, cidr.prefix, cidr.family)
    }
  }

  has(address: string): boolean {
    const plain = plainAddress(address)
    if (isIPv4(plain)) return this.#list.check(plain, 'ipv4')
    return isIPv6(plain) && this.#list.check(plain, 'ipv6')
  }
}

/** Who may come: everybody in `allow` (undefined: everybody at all) who is not in `deny`. */
export class AddressRule {
  #allow: AddressList | undefined
  #deny: AddressList | undefined

  constructor(allow: readonly string[] | undefined, deny: readonly string[] | undefined) {
    this.#allow = allow && new AddressList(allow)
    this.#deny = deny && new AddressList(deny)
  }

  /** @param address undefined: a Unix socket, which is always of this machine */
  permits(address: string | undefined): boolean {
    if (address === undefined) return true
    if (this.#deny?.has(address) === true) return false
    return this.#allow === undefined || this.#allow.has(address)
  }
}
