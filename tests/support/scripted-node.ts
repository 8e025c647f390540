/**
 * A node without Postgres: listens, lets everybody in, answers the probe as a writer, and speaks for
 * the rest as a model server does. Rule: it is fast and forgets everything, for tests of what stands
 * in front of it.
 */
import { createServer, type Socket } from 'node:net'
import * as backend from '../../src/wire/postgres/backend.ts'
import {
  CANCEL_REQUEST_CODE,
  GSS_REQUEST_CODE,
  SSL_REQUEST_CODE,
} from '../../src/wire/postgres/codes.ts'
import { ModelServer } from './model-server.ts'

export interface ScriptedNode {
  readonly port: number
  /** What committed transactions inserted. */
  readonly committed: readonly string[]
  readonly connections: number
  close(): Promise<void>
}

const PROBE_ROW = ['f', '00000001', '1', null, null, null, '100', '180004']

export async function startScriptedNode(): Promise<ScriptedNode> {
  const committed: string[] = []
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => {})
    serve(socket, new ModelServer({ committed }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    committed,
    get connections() {
      return open.size
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of open) socket.destroy()
        server.close(() => resolve())
      }),
  }
}

function serve(socket: Socket, model: ModelServer): void {
  let early = Buffer.alloc(0)
  let greeted = false
  socket.on('data', (chunk: Buffer) => {
    early = Buffer.concat([early, chunk])
    while (!greeted && early.length >= 8) {
      const length = early.readUInt32BE(0)
      if (early.length < length) return
      const code = early.readUInt32BE(4)
      early = early.subarray(length)
      if (code === CANCEL_REQUEST_CODE) {
        socket.end()
        return
      }
      if (code === SSL_REQUEST_CODE || code === GSS_REQUEST_CODE) socket.write('N')
      else {
        greeted = true
        socket.write(welcome())
      }
    }
    if (!greeted) return
    const probe = early.indexOf('pg_is_in_recovery')
    if (probe >= 0) {
      const total = early.readUInt32BE(1) + 1
      if (early.length < total) return
      early = early.subarray(total)
      socket.write(probeAnswer())
      return
    }
    socket.write(model.push(early))
    early = Buffer.alloc(0)
    if (model.closed) socket.end()
  })
}

function welcome(): Buffer {
  return Buffer.concat([
    backend.authenticationOk(),
    backend.parameterStatus('server_version', '18.4'),
    backend.parameterStatus('client_encoding', 'UTF8'),
    backend.backendKeyData(1, Buffer.alloc(4, 7)),
    backend.readyForQuery('I'),
  ])
}

function probeAnswer(): Buffer {
  const columns = PROBE_ROW.map((_, i) => ({ name: `c${i}`, typeOid: i === 0 ? 16 : 25 }))
  return Buffer.concat([
    backend.rowDescription(columns),
    backend.dataRow(PROBE_ROW),
    backend.commandComplete('SELECT 1'),
    backend.readyForQuery('I'),
  ])
}
