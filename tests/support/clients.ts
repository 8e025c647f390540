/**
 * Clients with the `pg` driver for tests of behaviour. Rule: no client makes the test process fail
 * by an error event nobody waits for; what it said is kept where a test can ask for it.
 */
import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import pg from 'pg'

export interface Client extends pg.Client {
  /** Errors outside of any query, such as the FATAL of a lost session. */
  readonly strays: pg.DatabaseError[]
}

const open = new Set<pg.Client>()

/** A logged-in client; `endClients()` ends it if the test does not. */
export async function connect(url: string, more: pg.ClientConfig = {}): Promise<Client> {
  const strays: pg.DatabaseError[] = []
  const client = Object.assign(
    new pg.Client({ connectionString: url, connectionTimeoutMillis: 30_000, ...more }),
    { strays },
  )
  client.on('error', (error) => strays.push(error as pg.DatabaseError))
  open.add(client)
  client.once('end', () => open.delete(client))
  await client.connect()
  return client
}

/** Several at once. */
export function connectAll(count: number, url: string): Promise<Client[]> {
  return Promise.all(Array.from({ length: count }, () => connect(url)))
}

/** Cuts whoever is still there, but for these; for `afterEach`. */
export function endClients(...kept: pg.Client[]): void {
  for (const client of open) {
    if (kept.includes(client)) continue
    wireOf(client).stream.destroy()
    open.delete(client)
  }
}

/**
 * The same promise, to be awaited later. Its failure is no error of its own when the test fails before
 * it comes to that: a rejection nobody handles would bury what went wrong.
 */
export function later<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}

/** The error a promise must end in; may be awaited later. */
export function failure(promise: Promise<unknown>): Promise<pg.DatabaseError> {
  return later(
    promise.then(
      () => {
        throw new Error('this should have failed')
      },
      (error: pg.DatabaseError) => error,
    ),
  )
}

/** The first column of the first row. */
export async function one(client: pg.Client, text: string): Promise<unknown> {
  const { rows } = await client.query({ text, rowMode: 'array' })
  return (rows[0] as unknown[] | undefined)?.[0]
}

/** The driver's own socket and events, which its types leave out. */
export function wireOf(client: pg.Client): EventEmitter & { stream: Socket } {
  return (client as unknown as { connection: EventEmitter & { stream: Socket } }).connection
}

/** Number and secret a cancel request for this client carries. */
export function cancelKeyOf(client: pg.Client): { pid: number; secret: number } {
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number }
  return { pid: processID, secret: secretKey }
}
