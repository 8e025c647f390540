/**
 * Weir over HTTP, for people and monitoring. Rule: it only reads, but for the few commands of
 * `commands.ts`, which no web page can give; anything else but GET is refused. There are no CORS
 * headers, and the `Host` must be one that no stranger can own (see `host-guard.ts`).
 */
import { createHash } from 'node:crypto'
import { type FastifyInstance, fastify } from 'fastify'
import { messageOf, WeirError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { COMMANDS, commandRoutes, mayNotCommand } from './commands.ts'
import { type HostRules, hostAllowed } from './host-guard.ts'
import type { AdminCommands } from './orders.ts'
import { page, tables } from './page.ts'
import { SCRIPT } from './page-style.ts'
import type { ClientStatus, Readiness, StatusSnapshot } from './snapshot.ts'

export interface AdminOptions {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** Names to answer to besides loopback, `host`, this machine's name and its addresses. */
  readonly names?: readonly string[]
  readonly snapshot: () => StatusSnapshot | Promise<StatusSnapshot>
  readonly clients: () => readonly ClientStatus[] | Promise<readonly ClientStatus[]>
  /** Text format of Prometheus, version 0.0.4. */
  readonly metrics: () => Promise<string>
  readonly ready: () => Readiness
  readonly commands: AdminCommands
  readonly log: Log
}

export interface Admin {
  readonly host: string
  readonly port: number
  /** `http://127.0.0.1:6480` */
  readonly address: string
  close(): Promise<void>
}

/** @throws WeirError `WEIR_PORT_TAKEN` or `WEIR_CANNOT_LISTEN`, naming port and setting */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  // Connections are cut on close: a browser's keep-alive must not hold up a shutdown.
  const app = fastify({ logger: false, forceCloseConnections: true, bodyLimit: 1024 })
  guard(app, { configured: [options.host, ...(options.names ?? [])] })
  routes(app, options)
  commandRoutes(app, options.commands)
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
  const address = `http://${host.includes(':') ? `[${host}]` : host}:${port}`
  return { host, port, address, close: () => app.close() }
}

const TEXT = 'text/plain; charset=utf-8'

function guard(app: FastifyInstance, rules: HostRules): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(SAFE)
    if (!hostAllowed(request.headers.host, request.socket.localAddress, rules)) {
      return reply
        .code(403)
        .type(TEXT)
        .send(
          'Not under this host name: ask for 127.0.0.1, localhost or the name of this machine.\n',
        )
    }
    if (request.method === 'POST' && COMMANDS.includes(request.url)) {
      const why = mayNotCommand({
        remoteAddress: request.socket.remoteAddress,
        origin: request.headers.origin,
        contentType: request.headers['content-type'],
      })
      return why === undefined ? undefined : reply.code(403).type(TEXT).send(`${why}\n`)
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return reply.code(405).header('allow', 'GET, HEAD').type(TEXT).send('Only GET is answered.\n')
    }
    return undefined
  })
}

const SAFE = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
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
