/**
 * TLS towards clients that misbehave. Rule: nothing a stranger sends before login may reach the
 * process as an uncaught error.
 */
import net from 'node:net'
import { Duplex } from 'node:stream'
import tls from 'node:tls'
import { afterEach, expect, it } from 'vitest'
import { until } from '../../../src/core/until.ts'
import type { Link } from '../../../src/net/link.ts'
import { type Listener, Network } from '../../../src/net/network.ts'
import type { TlsOffer } from '../../../src/net/tls-accept.ts'
import { TEST_CERTIFICATE, TEST_KEY } from '../../integration/test-certificate.ts'

const context = tls.createSecureContext({ cert: TEST_CERTIFICATE, key: TEST_KEY })
const offer: TlsOffer = {
  choose: () => ({ context, serverEndPoint: undefined }),
  asksCertificate: false,
}
const INSIDE = { direct: false, early: Buffer.alloc(0), timeoutMs: 5_000 }
/** A record of application data that no key can open. */
const BAD_RECORD = Buffer.concat([Buffer.from([0x17, 3, 3, 0, 0x20]), Buffer.alloc(32, 7)])

let listener: Listener | undefined
const raws: net.Socket[] = []

afterEach(async () => {
  for (const raw of raws.splice(0)) raw.destroy()
  await listener?.close()
})

it('a client that follows its handshake with rubbish in the same segment only loses its link', async () => {
  const network = new Network()
  const outcome: { link?: Link; error?: Error } = {}
  listener = await network.listen({ host: '127.0.0.1', port: 0 }, 10, (link) => {
    network.acceptTls(link, offer, INSIDE).done.then(
      (accepted) => {
        outcome.link = accepted.link
        accepted.link.resume()
      },
      (error: Error) => {
        outcome.error = error
      },
    )
  })
  if (!('port' in listener.address)) throw new Error('no port')
  const raw = net.connect(listener.address.port, '127.0.0.1')
  raws.push(raw)
  raw.on('error', () => {})
  let writes = 0
  const wire = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => {
      // The second write ends the client's handshake.
      raw.write(++writes === 2 ? Buffer.concat([chunk, BAD_RECORD]) : chunk)
      done()
    },
  })
  raw.on('data', (chunk) => wire.push(chunk))
  raw.on('close', () => wire.push(null))
  const client = tls.connect({ socket: wire, rejectUnauthorized: false })
  client.on('error', () => {})

  await until(() => outcome.error !== undefined || outcome.link?.closed === true, 10_000)
  expect(outcome.link?.closed ?? true).toBe(true)
})
