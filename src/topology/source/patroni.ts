/**
 * The members of a Patroni cluster, from `GET /cluster` of any of its REST servers. Rule: whoever
 * answered last is asked first, and members tell where more of them are, so that the addresses in the
 * configuration are a way in and need not be all of them.
 */
import type { Clock } from '../../core/clock.ts'
import type { NodeSpec } from '../topology.ts'
import { inOrder, plainName } from './naming.ts'
import type { Listing, Source } from './source.ts'
import { staggered } from './staggered.ts'

export interface PatroniOptions {
  /** `http://10.0.0.11:8008`, without a path. */
  readonly urls: readonly string[]
  /** GET: the parsed body of a 200, else a rejection that names the URL. */
  readonly getJson: (url: string, signal: AbortSignal) => Promise<unknown>
  readonly clock: Clock
  readonly staggerMs: number
}

export function patroniSource({ urls, getJson, clock, staggerMs }: PatroniOptions): Source {
  const asked = urls.map((url) => url.replace(/\/+$/, ''))
  let last: string | undefined
  let told: readonly string[] = []
  return {
    kind: 'patroni',
    place: asked.join(', '),
    list: async (signal) => {
      const all = [...(last === undefined ? [] : [last]), ...asked, ...told]
      const { answer, place } = await staggered(
        [...new Set(all)],
        async (url, off) => readCluster(await getJson(`${url}/cluster`, off), url),
        { clock, staggerMs, signal },
      )
      last = place
      told = answer.urls
      return answer
    },
    close: () => Promise.resolve(),
  }
}

/** A listing, and the REST servers of all members. */
export interface PatroniListing extends Listing {
  readonly urls: readonly string[]
}

/** The roles under which Patroni lists who leads; `master` is what old versions say. */
const LEADS = new Set(['leader', 'master', 'primary', 'standby_leader'])

/**
 * What Patroni answered, read with distrust: a member without an address is passed over.
 *
 * @param from the URL asked, for messages
 * @throws Error when no member is left
 */
export function readCluster(answer: unknown, from: string): PatroniListing {
  const members = isRecord(answer) && Array.isArray(answer.members) ? answer.members : undefined
  if (members === undefined) throw new Error(`${from} does not answer as Patroni does`)
  const nodes: NodeSpec[] = []
  const urls: string[] = []
  let leader: string | undefined
  for (const member of members) {
    if (!isRecord(member)) continue
    const { name, host, port, role, tags, api_url: api } = member
    if (typeof api === 'string') urls.push(restServer(api))
    if (typeof name !== 'string' || typeof host !== 'string' || !isPort(port)) continue
    const noReads = isRecord(tags) && tags.noloadbalance === true
    nodes.push({ name: plainName(name), host, port, weight: 1, ...(noReads ? { noReads } : {}) })
    if (LEADS.has(String(role))) leader = plainName(name)
  }
  if (nodes.length === 0) throw new Error(`${from} names no member with an address`)
  return { nodes: inOrder(nodes), leader, from, urls }
}

/** `http://10.0.0.11:8008/patroni`, as members tell it, without its path. */
function restServer(api: string): string {
  return api.replace(/^(https?:\/\/[^/]+).*$/, '$1')
}

function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
