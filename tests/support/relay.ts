/**
 * A load balancer for tests: passes each connection on with a header of the PROXY protocol in front.
 * Rule: the header is whatever the test wants it to be, right or wrong, and may be another each time.
 */
import { connect, createServer, type Socket } from 'node:net'

export interface Relay {
  readonly port: number
  /** What the connections from now on begin with. */
  header: Buffer
  end(): Promise<void>
}

export const v1 = (address: string, port = 50_000): Buffer =>
  Buffer.from(`PROXY TCP4 ${address} 192.0.2.10 ${port} 5432\r\n`)

/** @param tlvs behind the addresses */
export function v2(address: string, port = 50_000, tlvs = Buffer.alloc(0)): Buffer {
  const addresses = Buffer.from([...address.split('.').map(Number), 192, 0, 2, 10, 0, 0, 0, 0])
  addresses.writeUInt16BE(port, 8)
  addresses.writeUInt16BE(5_432, 10)
  const begin = Buffer.from('0d0a0d0a000d0a515549540a21110000', 'hex')
  begin.writeUInt16BE(addresses.length + tlvs.length, 14)
  return Buffer.concat([begin, addresses, tlvs])
}

/** Version 2 of a sender that speaks for itself. */
export const LOCAL = Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex')

export async function startRelay(target: number, first: Buffer): Promise<Relay> {
  const open = new Set<Socket>()
  const relay = { port: 0, header: first, end: async () => {} }
  const server = createServer((client) => {
    const upstream = connect({ port: target, host: '127.0.0.1' })
    for (const socket of [client, upstream]) {
      open.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        open.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    upstream.write(relay.header)
    client.pipe(upstream).pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const bound = server.address()
  relay.port = bound !== null && typeof bound === 'object' ? bound.port : 0
  relay.end = async () => {
    for (const socket of open) socket.destroy()
    await new Promise((done) => server.close(done))
  }
  return relay
}
