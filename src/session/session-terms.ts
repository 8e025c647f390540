/** What an endpoint's rule says of session state, in the words of the contract. */
import type { EndpointRule } from '../endpoint/endpoint.ts'
import type { SessionTerms } from '../protocol/contract.ts'

export function termsOf({ pooling, pinning, verify }: EndpointRule): SessionTerms {
  return { pinning: pooling === 'session' ? 'session' : pinning, verify }
}
