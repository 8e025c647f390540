/**
 * The server side of a TLS handshake: which certificate to show, whose certificates to believe, and
 * what is known of the channel afterwards. Rule: a handshake that fails leaves no socket behind, and a
 * client certificate that cannot be verified is told of and never taken for a name.
 *
 * Sessions are not resumed and 1.2 is not renegotiated: a client certificate is verified on each
 * connection, against the authorities and the revocation list of that moment.
 */
import { constants } from 'node:crypto'
import type { Socket } from 'node:net'
import tls from 'node:tls'
import type { SecureChannel } from '../core/secure-channel.ts'
import { peerOf } from './peer-certificate.ts'

/** What clients that begin with their handshake must name (ALPN), as libpq 17 does. */
const PROTOCOL = 'postgresql'

/** A certificate with its key, ready to be shown. */
export interface Shown {
  readonly context: tls.SecureContext
  /** See `SecureChannel`. */
  readonly serverEndPoint: Buffer | undefined
}

/** Files' contents, PEM. */
export interface ContextParts {
  readonly cert: Buffer | string
  readonly key: Buffer | string
  /** Authorities that may vouch for client certificates. */
  readonly ca?: Buffer | string
  readonly crl?: Buffer | string
  readonly minVersion?: tls.SecureVersion
}

/** No tickets, no second handshake: every connection is verified by itself, and once. */
const SECURE_OPTIONS =
  constants.SSL_OP_NO_TICKET |
  constants.SSL_OP_NO_RENEGOTIATION |
  constants.SSL_OP_CIPHER_SERVER_PREFERENCE

/**
 * What a certificate is shown with.
 * @throws Error of OpenSSL when something is not PEM, or the key does not fit the certificate
 */
export function serverContext(parts: ContextParts): tls.SecureContext {
  return tls.createSecureContext({
    minVersion: 'TLSv1.2',
    ...parts,
    secureOptions: SECURE_OPTIONS,
    sessionIdContext: 'weir',
  })
}

export interface TlsOffer {
  /** Which certificate to show to a client that asks for this name; undefined when it names none. */
  choose(serverName: string | undefined): Shown
  /** Whether clients are asked for a certificate. */
  readonly asksCertificate: boolean
}

export interface AcceptOptions {
  /** The client began with its handshake and said nothing in clear; it must name the protocol. */
  readonly direct: boolean
  /** Bytes of the handshake that were read already. */
  readonly early: Buffer
  readonly timeoutMs: number
}

/** A handshake under way. */
export interface Handshake<T> {
  /** Rejects with why there is no channel; the socket is gone then. */
  readonly done: Promise<T>
  /** Nobody waits for it any more; without effect once it is over. */
  stop(): void
}

/** What Node has no public word for: the result of OpenSSL's verification, and what is called late. */
interface Inside {
  readonly servername?: string | false | null
  readonly ssl?: { verifyError?(): (Error & { code?: string }) | null }
}

/** @param made is called as soon as the channel is there, in the same read of the socket */
export function beginHandshake<T>(
  plain: Socket,
  offer: TlsOffer,
  options: AcceptOptions,
  made: (socket: tls.TLSSocket, channel: SecureChannel) => T,
): Handshake<T> {
  const { direct, early, timeoutMs } = options
  if (early.length > 0) plain.unshift(Buffer.from(early))
  let shown = offer.choose(undefined)
  const socket = new tls.TLSSocket(plain, {
    isServer: true,
    secureContext: shown.context,
    ALPNProtocols: [PROTOCOL],
    requestCert: offer.asksCertificate,
    // A certificate that is not good enough is answered in words, once there is a channel for them.
    rejectUnauthorized: false,
    SNICallback: (name, use) => {
      shown = offer.choose(name.toLowerCase())
      use(null, shown.context)
    },
  })
  // Without a `tls.Server` above it, Node tells of a broken record by this event and does no more.
  socket.on('_tlsError', (error: Error) => socket.destroy(error))
  return settle(socket, 'secure', timeoutMs, () => {
    if (direct && socket.alpnProtocol !== PROTOCOL) {
      throw new Error('a TLS handshake without ALPN protocol "postgresql"')
    }
    return made(socket, channelOf(socket, shown, offer))
  })
}

function channelOf(socket: tls.TLSSocket, shown: Shown, offer: TlsOffer): SecureChannel {
  const { servername, ssl } = socket as unknown as Inside
  const certificate = offer.asksCertificate ? socket.getPeerX509Certificate() : undefined
  const error = certificate === undefined ? null : (ssl?.verifyError?.() ?? null)
  // No way to ask means that nothing was verified.
  const asked = typeof ssl?.verifyError === 'function'
  const trusted = certificate !== undefined && asked && error === null
  return {
    serverEndPoint: shown.serverEndPoint,
    peer: trusted ? peerOf(certificate) : undefined,
    peerFault:
      certificate === undefined || trusted ? undefined : (error?.message ?? 'not verified'),
    serverName: typeof servername === 'string' ? servername.toLowerCase() : undefined,
    version: socket.getProtocol() ?? 'unknown',
    cipher: socket.getCipher()?.standardName ?? 'unknown',
  }
}

/** @param event says that the handshake is over @param result is asked in the same call */
export function settle<T>(
  socket: tls.TLSSocket,
  event: string,
  timeoutMs: number,
  result: () => T,
): Handshake<T> {
  let fail = (_error: Error): void => {}
  const done = new Promise<T>((resolve, reject) => {
    const over = (): void => {
      clearTimeout(timer)
      socket.removeListener('error', failed)
      socket.removeListener('close', ended)
      socket.removeListener(event, secured)
    }
    fail = (error) => {
      over()
      fail = () => {}
      // What it still has to say of its end is heard by nobody, and must not end the process.
      socket.on('error', () => {})
      socket.destroy()
      reject(error)
    }
    const ended = (): void => fail(new Error('peer left during the TLS handshake'))
    const secured = (): void => {
      try {
        const value = result()
        over()
        fail = () => {}
        resolve(value)
      } catch (error) {
        fail(error as Error)
      }
    }
    const late = (): void => fail(new Error('TLS handshake took too long'))
    const timer = setTimeout(late, timeoutMs)
    const failed = fail
    socket.once('error', failed)
    socket.once('close', ended)
    socket.once(event, secured)
  })
  return { done, stop: () => fail(new Error('nobody waits for this TLS handshake any more')) }
}
