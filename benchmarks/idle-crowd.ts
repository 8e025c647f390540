/**
 * A process that is many idle clients: each logs in with SCRAM, asks one thing, and stays. Rule: keys
 * are derived once for all, and a client that is told no, or is left, is counted and not replaced.
 *
 *   fork(this file, [JSON of Crowd]) ──> message CrowdReport once all are there ──> SIGTERM ends it
 */
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { ScramClient } from '../src/auth/scram-client.ts'
import { ScramKeyCache } from '../src/auth/scram-key-cache.ts'
import {
  bind,
  execute,
  parse,
  query,
  saslInitialResponse,
  saslResponse,
  startupMessage,
  sync,
} from '../src/wire/postgres/frontend.ts'
import { readAuthentication, readErrorFields } from '../src/wire/postgres/read.ts'
import type { Target } from './pgbench.ts'

export interface Crowd {
  readonly target: Target
  readonly clients: number
  /** The one thing each asks: a simple query, or a prepared statement of its own name. */
  readonly asks: 'simple' | 'prepared'
}

export interface CrowdReport {
  readonly seconds: number
  /** Clients that are not there, by the reason. */
  readonly errors: Readonly<Record<string, number>>
}

/** Logins under way at the same time. */
const AT_ONCE = 100
/** From one address; beyond that the next of 127.0.0.x is used, because ports run out. */
const OF_ONE_ADDRESS = 20_000
const PROTOCOL_3_0 = 196_608
const HEADER = 5

const keys = new ScramKeyCache()

/** Resolves when it is idle, rejects when it is told no. */
function oneMore({ target, asks }: Crowd, number: number): Promise<void> {
  const question =
    asks === 'simple'
      ? query('select 1')
      : Buffer.concat([
          parse('idle', Buffer.from('select 1'), []),
          bind('', 'idle'),
          execute('', 0),
          sync(),
        ])
  return new Promise((resolve, reject) => {
    const block = Math.floor(number / OF_ONE_ADDRESS)
    const from = block === 0 ? {} : { localAddress: `127.0.0.${1 + block}` }
    const socket = connect({ port: target.port, host: '127.0.0.1', noDelay: true, ...from })
    const scram = new ScramClient(randomBytes(18).toString('base64'))
    let rest: Buffer = Buffer.alloc(0)
    let asked = false
    const take = async (type: string, body: Buffer): Promise<void> => {
      if (type === 'E') reject(new Error(readErrorFields(body).code))
      if (type === 'Z' && asked) resolve()
      if (type === 'Z' && !asked) {
        asked = true
        socket.write(question)
      }
      if (type !== 'R') return
      const step = readAuthentication(body)
      if (step.kind === 'sasl') socket.write(saslInitialResponse('SCRAM-SHA-256', scram.begin()))
      if (step.kind === 'sasl-continue') {
        const { salt, iterations } = scram.challenge(step.data)
        const derived = await keys.keysFor(target.password, salt, iterations)
        socket.write(saslResponse(scram.respond(derived)))
      }
    }
    socket.on('connect', () => {
      socket.write(
        startupMessage(PROTOCOL_3_0, [
          ['user', target.user],
          ['database', target.database],
          ['application_name', 'idle'],
          ['client_encoding', 'UTF8'],
        ]),
      )
    })
    socket.on('data', (chunk) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      while (rest.length >= HEADER) {
        const length = 1 + rest.readInt32BE(1)
        if (rest.length < length) return
        const message = rest.subarray(0, length)
        rest = rest.subarray(length)
        take(String.fromCharCode(message[0]!), message.subarray(HEADER)).catch(reject)
      }
    })
    socket.on('error', (error: NodeJS.ErrnoException) => reject(new Error(error.code ?? 'error')))
    socket.on('close', () => reject(new Error('closed')))
  })
}

async function gather(crowd: Crowd): Promise<CrowdReport> {
  const errors: Record<string, number> = {}
  const begun = performance.now()
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < crowd.clients) {
      await oneMore(crowd, next++).catch((error: Error) => {
        errors[error.message] = (errors[error.message] ?? 0) + 1
      })
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return { seconds: (performance.now() - begun) / 1_000, errors }
}

const text = process.argv[2]
if (process.send !== undefined && text !== undefined) {
  process.once('disconnect', () => process.exit(0))
  process.send(await gather(JSON.parse(text) as Crowd))
}
