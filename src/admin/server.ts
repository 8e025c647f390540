/**
 * The HTTP server under the admin port, in clear or over TLS. Rule: whoever connects is bounded, in
 * time, in bytes and in number, before anything is known of him.
 */
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import { WeirError } from '../core/errors.ts'

/** Certificate chain and private key, as PEM. */
export interface AdminTls {
  readonly cert: string | Buffer
  readonly key: string | Buffer
}

export interface AdminServer {
  readonly http: Server | TlsServer
  /** @throws when certificate and key do not fit; then nothing has changed */
  renew(tls: AdminTls): void
}

/** Browsers open six each, and monitoring one or two. */
const MOST_CONNECTIONS = 256
const LIMITS = {
  maxHeaderSize: 16_384,
  /** For the head of a request, and with its body (ms). */
  headersTimeout: 10_000,
  requestTimeout: 20_000,
  keepAliveTimeout: 65_000,
  /** How often the two above are looked after. */
  connectionsCheckingInterval: 5_000,
}

export function adminServer(handler: RequestListener, tls: AdminTls | undefined): AdminServer {
  if (tls === undefined) {
    const http = createServer(LIMITS, handler)
    http.maxConnections = MOST_CONNECTIONS
    return {
      http,
      renew: () => {
        throw new WeirError('WEIR_ADMIN_TLS', 'the admin port was opened without a certificate')
      },
    }
  }
  const options = { minVersion: 'TLSv1.2', handshakeTimeout: 10_000 } as const
  const http = createTlsServer({ ...LIMITS, ...options, ...tls }, handler)
  http.maxConnections = MOST_CONNECTIONS
  return { http, renew: (next) => http.setSecureContext({ minVersion: 'TLSv1.2', ...next }) }
}
