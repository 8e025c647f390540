/**
 * Who may see or do what on the admin port. Rule: whatever is not named here needs a user, and an
 * order always needs one who may operate; without users only this machine is answered, but for what
 * `admin.open` names. No answer tells whether a user exists.
 */
import type { FastifyRequest } from 'fastify'
import { isLoopbackAddress } from '../core/address-list.ts'
import { sourceOf } from '../core/source-address.ts'
import type { AdminRole, AdminUsers, Who } from './users.ts'

/** What may be open to everybody: `status` is the page and all that it shows. */
export const OPEN_ROUTES = ['healthz', 'readyz', 'metrics', 'status'] as const
export type OpenRoute = (typeof OPEN_ROUTES)[number]

interface Need {
  readonly role: AdminRole
  readonly open?: OpenRoute
}

const STATUS: Need = { role: 'view', open: 'status' }
const ORDER: Need = { role: 'operate' }

/** By the route that answers, not by what was written in the request. */
const NEEDS: ReadonlyMap<string | undefined, Need> = new Map([
  ['/', STATUS],
  ['/tables', STATUS],
  ['/status', STATUS],
  ['/clients', STATUS],
  ['/writer', STATUS],
  ['/metrics', { role: 'view', open: 'metrics' }],
  ['/healthz', { role: 'view', open: 'healthz' }],
  ['/readyz', { role: 'view', open: 'readyz' }],
  ['/pause', ORDER],
  ['/resume', ORDER],
])
const UNKNOWN: Need = { role: 'view' }

export interface AccessRules {
  /** Undefined or empty: none are configured. */
  readonly users: AdminUsers | undefined
  readonly open: readonly OpenRoute[]
}

export type Entry =
  | { readonly kind: 'enter'; readonly who: Who | undefined }
  | {
      readonly kind: 'refuse'
      readonly status: 401 | 403 | 429
      readonly message: string
      readonly headers?: Readonly<Record<string, string>>
      /** Of a user that there is. */
      readonly name?: string | undefined
      /** Whether somebody tried to get in, and did not only come without a name. */
      readonly tried: boolean
    }

/** Whether a peer's address is of this machine. */
export function isLocal(address: string | undefined): boolean {
  return address !== undefined && isLoopbackAddress(address)
}

/** Whether a request may go on to the route that it was found to mean. */
export async function entryOf(request: FastifyRequest, rules: AccessRules): Promise<Entry> {
  const { remoteAddress } = request.socket
  const need = NEEDS.get(request.routeOptions.url) ?? UNKNOWN
  if (need.open !== undefined && rules.open.includes(need.open)) {
    return { kind: 'enter', who: undefined }
  }
  if (rules.users === undefined || rules.users.size === 0) {
    if (isLocal(remoteAddress)) return { kind: 'enter', who: undefined }
    const message = need === ORDER ? ORDERS_FROM_HERE : SEEN_FROM_HERE
    return { kind: 'refuse', status: 403, message, tried: need === ORDER }
  }
  const verdict = await rules.users.ask(
    request.headers.authorization,
    sourceOf(remoteAddress ?? ''),
  )
  switch (verdict.kind) {
    case 'known': {
      const { who } = verdict
      if (need.role === 'view' || who.role === 'operate') return { kind: 'enter', who }
      const message = `${who.name} may look, and may not give orders.`
      return { kind: 'refuse', status: 403, message, name: who.name, tried: true }
    }
    case 'nobody':
      return { ...NOBODY, tried: false }
    case 'wrong':
      return { ...NOBODY, message: WRONG, name: verdict.name, tried: true }
    case 'later': {
      const seconds = Math.ceil(verdict.waitMs / 1_000)
      return {
        kind: 'refuse',
        status: 429,
        message: `Too many wrong tries; try again in ${seconds} s.`,
        headers: { 'retry-after': String(seconds) },
        tried: false,
      }
    }
    default:
      return verdict satisfies never
  }
}

const NOBODY = {
  kind: 'refuse',
  status: 401,
  message: 'A user of admin.users is needed, by password or token.',
  headers: { 'www-authenticate': 'Basic realm="Weir", charset="UTF-8"' },
} as const

const WRONG = 'Wrong name, password or token.'
const ORDERS_FROM_HERE = 'Commands are taken from this machine only.'
const SEEN_FROM_HERE =
  'Shown on this machine only, as there are no admin users: see admin.users and admin.open.'
