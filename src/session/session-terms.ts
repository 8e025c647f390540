/** What an endpoint's rule says of session state, in the words of the contract. */
import type { Endpoint } from '../endpoint/router.ts'
import type { SessionTerms } from '../protocol/contract.ts'

/** `process`: what the client takes for the number of its server process. */
export function termsOf({ rule }: Endpoint, process: number): SessionTerms {
  const { pooling, pinning, verify, retryReads = false } = rule
  return { pinning: pooling === 'session' ? 'session' : pinning, verify, retryReads, process }
}
