/**
 * From which address a client of a storm comes. Pure. Rule: the kernel chooses, unless there are more
 * arrivals than one address has ports; loopback has sixteen million addresses to come from.
 */

/** One address has some 28,000 ports for one destination, and used ones rest for a minute. */
const PORTS_OF_AN_ADDRESS = 20_000
const ADDRESSES = 250

/** @returns undefined where it is left to the kernel, which may run out of ports */
export function sourceOf(
  number: number,
  arrivals: number,
  destination: string,
): string | undefined {
  if (arrivals <= PORTS_OF_AN_ADDRESS || !destination.startsWith('127.')) return undefined
  return `127.0.0.${1 + (Math.floor(number / PORTS_OF_AN_ADDRESS) % ADDRESSES)}`
}
