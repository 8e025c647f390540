/**
 * Answers to those who came to a Postgres port speaking something else, each in the stranger's own
 * language. Rule: fixed bytes; nothing the stranger sent is echoed.
 */
const TEXT = [
  'This is a Postgres port; it does not speak HTTP.',
  'Connect with a Postgres client, for example: psql -h HOST -p PORT -U USER DATABASE',
  '',
].join('\n')

/** Shown by a browser or curl. */
export const HTTP_ANSWER = Buffer.from(
  [
    'HTTP/1.1 400 Bad Request',
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(TEXT)}`,
    'Connection: close',
    '',
    TEXT,
  ].join('\r\n'),
)

/** An alert record of TLS 1.0 framing: fatal (2), handshake_failure (40). */
export const TLS_ALERT = Buffer.from([0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x28])
