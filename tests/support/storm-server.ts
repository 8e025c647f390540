/**
 * A whole Postgres on one screen for the instrument of storms: it lets everybody in and answers
 * everything, unless it was told otherwise. Rule: no clocks and no passwords; what it saw can be asked.
 */
import net from 'node:net'

export interface StormServerOptions {
  /** Who comes when so many are there is refused with 53300. */
  readonly most?: number
  /** Called for each statement of each client; what it returns is done instead of answering. */
  readonly onQuery?: (text: string, nth: number) => 'silence' | 'close' | 'error' | undefined
  /** Answer to an SSLRequest. */
  readonly ssl?: 'N'
  /** Says nothing to a startup message. */
  readonly mute?: boolean
}

export interface StormServer {
  readonly port: number
  /** Logins that were let in, and clients that are there now and were at most. */
  readonly logins: number
  readonly there: number
  readonly peak: number
  readonly sslRequests: number
  readonly goodbyes: number
  readonly refused: number
  /** Statements in the order in which they came. */
  readonly statements: readonly string[]
  close(): Promise<void>
}

function message(type: string, body: string): Buffer {
  const head = Buffer.alloc(5)
  head.write(type, 'latin1')
  head.writeInt32BE(4 + Buffer.byteLength(body), 1)
  return Buffer.concat([head, Buffer.from(body)])
}

const READY = message('Z', 'I')
const HELLO = Buffer.concat([message('R', '\0\0\0\0'), message('S', 'a\0b\0'), READY])
const ANSWER = Buffer.concat([message('D', 'x'.repeat(300)), message('C', 'SELECT 1\0'), READY])
const error = (code: string, text: string): Buffer => message('E', `SERROR\0C${code}\0M${text}\0\0`)

export async function startStormServer(options: StormServerOptions = {}): Promise<StormServer> {
  const sockets = new Set<net.Socket>()
  const seen = { logins: 0, there: 0, peak: 0, sslRequests: 0, goodbyes: 0, refused: 0 }
  const statements: string[] = []
  const server = net.createServer((socket) => {
    sockets.add(socket)
    let bytes: Buffer = Buffer.alloc(0)
    let isIn = false
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      if (isIn) seen.there--
    })
    const startup = (packet: Buffer): void => {
      if (packet.readInt32BE(4) === 80_877_103) {
        seen.sslRequests++
        socket.write(options.ssl ?? 'N')
        return
      }
      if (options.mute === true) return
      if (seen.there >= (options.most ?? Number.POSITIVE_INFINITY)) {
        seen.refused++
        socket.end(error('53300', 'sorry, too many clients already'))
        return
      }
      isIn = true
      seen.logins++
      seen.there++
      seen.peak = Math.max(seen.peak, seen.there)
      socket.write(HELLO)
    }
    const statement = (type: number, body: Buffer): void => {
      if (type === 0x58) {
        seen.goodbyes++
        return
      }
      const text = body.toString().slice(0, -1)
      statements.push(text)
      const act = options.onQuery?.(text, statements.length)
      if (act === 'silence') return
      if (act === 'close') socket.destroy()
      else if (act === 'error') socket.write(Buffer.concat([error('57014', 'canceled'), READY]))
      else socket.write(ANSWER)
    }
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk])
      for (;;) {
        const head = isIn ? 1 : 0
        if (bytes.length < head + 4) return
        const end = head + bytes.readInt32BE(head)
        if (bytes.length < end) return
        const [whole, type] = [bytes.subarray(0, end), bytes[0] ?? 0]
        bytes = bytes.subarray(end)
        if (isIn) statement(type, whole.subarray(5))
        else startup(whole)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 4_096, resolve))
  return {
    port: (server.address() as net.AddressInfo).port,
    get logins() {
      return seen.logins
    },
    get there() {
      return seen.there
    },
    get peak() {
      return seen.peak
    },
    get sslRequests() {
      return seen.sslRequests
    },
    get goodbyes() {
      return seen.goodbyes
    },
    get refused() {
      return seen.refused
    },
    statements,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
