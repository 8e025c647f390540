/**
 * How many sessions there are of each user, source and endpoint. Rule: whoever is counted when it comes
 * is taken away when it goes, and a count of zero is not kept.
 */
import { sourceOf } from '../core/source-address.ts'

/** A session, as far as it is counted. */
export interface Counted {
  readonly who: { readonly user: string }
  readonly route: { readonly endpoint: { readonly rule: { readonly name: string } } }
  /** Of a Unix socket there is no address, and nothing to count. */
  readonly link: { readonly remoteAddress?: string | undefined }
}

export class Headcount {
  #users = new Map<string, number>()
  #sources = new Map<string, number>()
  #endpoints = new Map<string, number>()

  ofUser(user: string): number {
    return this.#users.get(user) ?? 0
  }

  /** @param address any of the source */
  ofSource(address: string): number {
    return this.#sources.get(sourceOf(address)) ?? 0
  }

  ofEndpoint(name: string): number {
    return this.#endpoints.get(name) ?? 0
  }

  add(session: Counted): void {
    this.#count(session, 1)
  }

  delete(session: Counted): void {
    this.#count(session, -1)
  }

  #count({ who, route, link }: Counted, by: 1 | -1): void {
    change(this.#users, who.user, by)
    change(this.#endpoints, route.endpoint.rule.name, by)
    const { remoteAddress } = link
    if (remoteAddress !== undefined) change(this.#sources, sourceOf(remoteAddress), by)
  }
}

function change(counts: Map<string, number>, key: string, by: 1 | -1): void {
  const now = (counts.get(key) ?? 0) + by
  if (now > 0) counts.set(key, now)
  else counts.delete(key)
}
