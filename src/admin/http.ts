/**
 * Weir over HTTP, for people and monitoring. Rule: it only reads, but for the few commands of
 * `commands.ts`, which no web page can give; anything else but GET is refused. Who may see what is
 * decided in `access.ts`, once, before any route. There are no CORS headers, and the `Host` must be
 * one that no stranger can own (see `host-guard.ts`).
 */
import { createHash } from 'node:crypto'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import { type Audit, noAudit } from '../core/audit.ts'
import { messageOf, WeirError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { type AccessRules, type Entry, entryOf, type OpenRoute } from './access.ts'
import { auditedRequest, COMMANDS, commandRoutes, mayNotCommand } from './commands.ts'
import { type HostRules, hostAllowed } from './host-guard.ts'
import type { AdminCommands } from './orders.ts'
import { page, tables } from './page.ts'
import { SCRIPT } from './page-style.ts'
import { type AdminServer, type AdminTls, adminServer } from './server.ts'
import type { ClientStatus, Readiness, StatusSnapshot } from './snapshot.ts'
import type { AdminUsers, Who } from './users.ts'

export interface AdminOptions {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** Names to answer to besides loopback, `host`, this machine's name and its addresses. */
  readonly names?: readonly string[]
  /** Certificate and key; without them HTTP in clear. */
  readonly tls?: AdminTls | undefined
  /** Who may come in; undefined: whoever is on this machine. */
  readonly users?: AdminUsers | undefined
  /** What everybody may see. */
  readonly open?: readonly OpenRoute[]
  readonly audit?: Audit
  /** Told of each request that is refused, by reason; for the metric. */
  readonly refused?: (reason: AdminRefusal) => void
  readonly snapshot: () => StatusSnapshot | Promise<StatusSnapshot>
  readonly clients: () => readonly ClientStatus[] | Promise<readonly ClientStatus[]>
  /** Text format of Prometheus, version 0.0.4. */
  readonly metrics: () => Promise<string>
  readonly ready: () => Readiness
  readonly commands: AdminCommands
  readonly log: Log
}

/** Why a request was refused; a metric label. */
export const ADMIN_REFUSALS = [
  'host',
  'web-page',
  'no-user',
  'wrong-password',
  'role',
  'too-many-tries',
  'method',
] as const
export type AdminRefusal = (typeof ADMIN_REFUSALS)[number]

export interface Admin {
  readonly host: string
  readonly port: number
  /** `http://127.0.0.1:6480` */
  readonly address: string
  /**
   * New connections are shown this certificate.
   * @throws when certificate and key do not fit, or there was none before
   */
  renewTls(tls: AdminTls): void
  close(): Promise<void>
}

/** @throws WeirError `WEIR_PORT_TAKEN` or `WEIR_CANNOT_LISTEN`, naming port and setting */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  // One for each address that the name `localhost` has.
  const servers: AdminServer[] = []
  // Connections are cut on close: a browser's keep-alive must not hold up a shutdown.
  const app = fastify({
    logger: false,
    forceCloseConnections: true,
    bodyLimit: 1024,
    serverFactory: (handler) => {
      const server = adminServer(handler, options.tls)
      servers.push(server)
      return server.http
    },
  })
  const visitors = new WeakMap<FastifyRequest['raw'], Who>()
  guard(app, options, visitors)
  routes(app, options)
  const { commands, audit } = options
  commandRoutes(app, { commands, audit, whoOf: ({ raw }) => visitors.get(raw) })
  app.setErrorHandler((error, request, reply) => {
    // What fastify itself refuses: a body that is no JSON, or too long.
    const { statusCode } = error as { statusCode?: number }
    if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
      return reply
        .code(statusCode)
        .type(TEXT)
        .send(`${messageOf(error)}\n`)
    }
    options.log.error({ url: request.url, error: messageOf(error) }, 'admin request failed')
    return reply.code(500).type(TEXT).send('Something went wrong; the log of Weir says what.\n')
  })
  try {
    await app.listen({ host: options.host, port: options.port })
  } catch (error) {
    throw cannotListen(error, options)
  }
  const bound = app.server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : options.port
  const host = options.host
  const scheme = options.tls === undefined ? 'http' : 'https'
  const address = `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`
  const renewTls = (tls: AdminTls): void => {
    for (const server of servers) server.renew(tls)
  }
  return { host, port, address, renewTls, close: () => app.close() }
}

const TEXT = 'text/plain; charset=utf-8'

function guard(
  app: FastifyInstance,
  options: AdminOptions,
  visitors: WeakMap<FastifyRequest['raw'], Who>,
): void {
  const { audit = noAudit } = options
  const names: HostRules = { configured: [options.host, ...(options.names ?? [])] }
  const access: AccessRules = { users: options.users, open: options.open ?? [] }
  const refuse = (reply: FastifyReply, code: number, reason: AdminRefusal, message: string) => {
    options.refused?.(reason)
    return reply.code(code).type(TEXT).send(`${message}\n`)
  }
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(SAFE)
    const { headers, method } = request
    if (!hostAllowed(headers.host, request.socket.localAddress, names)) {
      return refuse(reply, 403, 'host', NOT_THIS_NAME)
    }
    if (isReadByAnother(request)) return refuse(reply, 403, 'web-page', NOT_ANOTHER_PAGE)
    const entry = await entryOf(request, access)
    if (entry.kind === 'refuse') {
      const { name: user, message } = entry
      if (entry.tried) {
        audit.tell({ ...auditedRequest(request), outcome: 'refused', user, answer: message })
        options.log.warn({ user, from: request.ip }, `admin request refused: ${message}`)
      }
      reply.headers(entry.headers ?? {})
      return refuse(reply, entry.status, refusalOf(entry), message)
    }
    if (entry.who !== undefined) visitors.set(request.raw, entry.who)
    if (method === 'POST' && COMMANDS.includes(request.routeOptions.url ?? '')) {
      const why = mayNotCommand({
        origin: headers.origin,
        site: headers['sec-fetch-site'] as string | undefined,
        contentType: headers['content-type'],
      })
      return why === undefined ? undefined : refuse(reply, 403, 'web-page', why)
    }
    if (method !== 'GET' && method !== 'HEAD') {
      reply.header('allow', 'GET, HEAD')
      return refuse(reply, 405, 'method', 'Only GET is answered.')
    }
    return undefined
  })
}

/**
 * A page of another site has the browser ask, with what the browser knows of this one's password.
 * It could not read the answer; it need not have one either. Links are followed.
 */
function isReadByAnother({ headers }: FastifyRequest): boolean {
  const site = headers['sec-fetch-site']
  if (site === undefined || site === 'same-origin' || site === 'none') return false
  return headers['sec-fetch-mode'] !== 'navigate'
}

function refusalOf({ status, tried }: Extract<Entry, { kind: 'refuse' }>): AdminRefusal {
  if (status === 429) return 'too-many-tries'
  if (status === 401) return tried ? 'wrong-password' : 'no-user'
  return 'role'
}

const NOT_THIS_NAME =
  'Not under this host name: ask for 127.0.0.1, localhost or the name of this machine.'
const NOT_ANOTHER_PAGE = 'Not for pages of other sites.'

const SAFE = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'content-security-policy': [
    "default-src 'none'",
    `script-src 'sha256-${sha256(SCRIPT)}'`,
    // The bars carry their width in a style attribute, which a hash does not cover.
    "style-src 'unsafe-inline'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
}

function routes(app: FastifyInstance, options: AdminOptions): void {
  app.get('/', async (_, reply) =>
    reply.type('text/html; charset=utf-8').send(page(await options.snapshot())),
  )
  app.get('/tables', async (_, reply) =>
    reply.type('text/html; charset=utf-8').send(tables(await options.snapshot())),
  )
  app.get('/status', async () => options.snapshot())
  app.get('/clients', async () => ({ clients: await options.clients() }))
  app.get('/healthz', (_, reply) => reply.type(TEXT).send('alive\n'))
  app.get('/readyz', (_, reply) => {
    const { ready, why } = options.ready()
    return reply
      .code(ready ? 200 : 503)
      .type(TEXT)
      .send(`${why}\n`)
  })
  app.get('/metrics', async (_, reply) =>
    reply.type('text/plain; version=0.0.4; charset=utf-8').send(await options.metrics()),
  )
  app.setNotFoundHandler((_, reply) =>
    reply
      .code(404)
      .type(TEXT)
      .send(
        'Nothing here. There is /, /status, /clients, /writer, /metrics, /healthz and /readyz, and POST /pause and /resume.\n',
      ),
  )
}

function cannotListen(error: unknown, { host, port }: AdminOptions): WeirError {
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
    return new WeirError(
      'WEIR_PORT_TAKEN',
      `port ${port} on ${host} is taken by another program (setting admin.port)`,
      { hint: 'set admin.port to a free port, or start with --port-offset N', cause: error },
    )
  }
  return new WeirError(
    'WEIR_CANNOT_LISTEN',
    `cannot listen on ${host} port ${port} (settings admin.host, admin.port): ${messageOf(error)}`,
    { cause: error },
  )
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64')
}
