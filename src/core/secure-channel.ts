/**
 * What is known of a TLS channel once its handshake is over. Rule: `peer` is there only when its
 * certificate was verified against the configured authorities; whoever finds it may rely on it.
 */

/** A verified certificate of the other side. */
export interface PeerCertificate {
  /** The last CN of its subject; undefined when it has none. */
  readonly commonName: string | undefined
  /** Subject alternative names of kinds DNS, email and URI, as they stand in the certificate. */
  readonly names: readonly string[]
  /** SHA-256 of the whole certificate, lower-case hex without colons. */
  readonly fingerprint: string
  /** Its subject on one line, `O=Example, CN=alice`; control characters are escaped. */
  readonly subject: string
}

export interface SecureChannel {
  /**
   * Hash of OUR certificate, the data of channel binding `tls-server-end-point` (RFC 5929); undefined
   * when its signature has no hash of its own, as those of Ed25519.
   */
  readonly serverEndPoint: Buffer | undefined
  /** Undefined when the client showed none that could be verified. */
  readonly peer: PeerCertificate | undefined
  /** Why the certificate it showed could not be verified, in OpenSSL's words. */
  readonly peerFault: string | undefined
  /** The name the client asked for (SNI), lower case; undefined when it sent none. */
  readonly serverName: string | undefined
  /** As OpenSSL prints them: `TLSv1.3` and `TLS_AES_256_GCM_SHA384`. */
  readonly version: string
  readonly cipher: string
}

/** A channel of which nothing is known but that it is encrypted. */
export const BARE_CHANNEL: SecureChannel = {
  serverEndPoint: undefined,
  peer: undefined,
  peerFault: undefined,
  serverName: undefined,
  version: 'unknown',
  cipher: 'unknown',
}
