/**
 * A stream for the `pg` driver on a connection that is logged in already, by our own login: so control
 * connections have the same TLS, the same proofs and the same errors as all others. Rule: the driver
 * is told what a node tells at a login without a password, and every byte after that passes unread.
 *
 *   driver: startup ──>                           (swallowed)
 *           <── AuthenticationOk, ParameterStatus ..., BackendKeyData, ReadyForQuery
 */
import { Duplex } from 'node:stream'
import { WeirError } from '../core/errors.ts'
import type { Link } from '../net/link.ts'
import type { Introduction } from '../protocol/contract.ts'
import type { NodeAddress } from '../server/node-address.ts'
import type { LoggedIn } from '../server/node-login.ts'
import type { Opener } from '../server/opener.ts'
import {
  authenticationOk,
  backendKeyData,
  parameterStatus,
  readyForQuery,
} from '../wire/postgres/backend.ts'

export interface DriverLogin {
  readonly node: NodeAddress
  readonly user: string
  readonly database: string
  /** What `pg_stat_activity` shows. */
  readonly applicationName: string
  /** More for the startup message. */
  readonly settings?: readonly (readonly [string, string])[]
}

/** For option `stream` of a `pg` client, whose own `ssl` and `password` are to be left out. */
export function driverStream(opener: Opener, login: DriverLogin): Duplex {
  const giveUp = new AbortController()
  let link: Link | undefined
  let hello: Buffer | undefined
  let finished = false
  /** Nothing more will be read; with both ends over, the driver hears of the close. */
  const finish = (): void => {
    if (finished) return
    finished = true
    stream.push(null)
  }
  const begin = (ready: LoggedIn): void => {
    link = ready.link
    hello = helloOf(ready)
    link.receiver = {
      data: (chunk) => {
        // Its memory is used again by the next read.
        if (!stream.push(Buffer.from(chunk))) link?.pause()
      },
      drained: () => {},
      closed: (error) => {
        if (error === undefined) finish()
        else stream.destroy(error)
      },
    }
    if (link.closed) stream.destroy(new Error('the node closed the connection'))
    else stream.emit('connect')
  }
  const stream = new Duplex({
    allowHalfOpen: false,
    read: () => {
      if (hello === undefined) link?.resume()
    },
    write: (chunk: Buffer, _encoding, done) => {
      if (hello === undefined) {
        link?.write(chunk)
      } else {
        stream.push(hello)
        hello = undefined
        link?.resume()
      }
      done()
    },
    final: (done) => {
      link?.end()
      link = undefined
      finish()
      done()
    },
    destroy: (error, done) => {
      giveUp.abort()
      link?.destroy()
      done(error)
    },
  })
  const logIn = async (): Promise<void> => {
    const { node, user, database } = login
    try {
      const ready = await opener.logIn(node, database, user, giveUp.signal, introductionOf(login))
      if (stream.destroyed) ready.link.destroy()
      else begin(ready)
    } catch (error) {
      stream.destroy(driverError(error))
    }
  }
  // What the driver asks of a socket; the link has both from the start.
  const itself = () => stream
  return Object.assign(stream, {
    connect: () => {
      void logIn()
      return stream
    },
    setNoDelay: itself,
    setKeepAlive: itself,
    ref: itself,
    unref: itself,
  })
}

function introductionOf({ user, database, applicationName, settings = [] }: DriverLogin) {
  const who: Introduction = {
    user,
    database,
    endpoint: undefined,
    replication: undefined,
    settings: new Map([
      ['application_name', applicationName],
      // What the driver asks for in the startup message that goes no further than this.
      ['client_encoding', 'UTF8'],
      ...settings,
    ]),
    settingsKey: '',
    rest: Buffer.alloc(0),
  }
  return who
}

function helloOf({ conversation, rest }: LoggedIn): Buffer {
  const { parameters, cancelKey } = conversation
  return Buffer.concat([
    authenticationOk(),
    ...[...parameters].map(([name, value]) => parameterStatus(name, value)),
    ...(cancelKey === undefined ? [] : [backendKeyData(cancelKey.pid, cancelKey.secret)]),
    readyForQuery('I'),
    rest,
  ])
}

/** As errors of drivers are: `code` is what the system or the node said. */
function driverError(error: unknown): Error {
  if (!(error instanceof WeirError)) return error as Error
  const { cause, sqlstate, hint } = error
  const system = cause instanceof Error && 'code' in cause ? cause.code : undefined
  const words = hint === undefined ? error.message : `${error.message}. ${hint}`
  const code = typeof system === 'string' && !system.startsWith('WEIR_') ? system : sqlstate
  return Object.assign(new Error(words, { cause: error }), { code })
}
