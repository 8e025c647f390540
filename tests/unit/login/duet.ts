/**
 * Plays a greeting and a connecting against each other, without sockets: what one says the other
 * hears, cut into pieces by `cut`. Rule: each is pulled until it starves, as a session would.
 */
import { randomBytes } from 'node:crypto'
import type { CredentialLookup, Proof } from '../../../src/auth/credential.ts'
import { ScramKeyCache } from '../../../src/auth/scram-key-cache.ts'
import { Connecting } from '../../../src/protocol/postgres/connect.ts'
import type {
  ConnectFailed,
  ConnectingOptions,
  ConnectReady,
} from '../../../src/protocol/postgres/connect-step.ts'
import { Greeting } from '../../../src/protocol/postgres/greet.ts'
import type {
  Authenticated,
  GreetingOptions,
  GreetStep,
  Refused,
} from '../../../src/protocol/postgres/greet-step.ts'
import {
  backendKeyData,
  parameterStatus,
  readyForQuery,
} from '../../../src/wire/postgres/backend.ts'

export type Cut = (bytes: Buffer) => Buffer[]

export const whole: Cut = (bytes) => [bytes]
export const byteByByte: Cut = (bytes) => Array.from(bytes, (byte) => Buffer.from([byte]))

export interface Outcome {
  client: ConnectReady | ConnectFailed
  door: Authenticated | Refused | undefined
  /** Kinds of steps, in order: `>` from the client's side, `<` from the door's. */
  steps: string[]
}

export function greetingOptions(
  secrets: CredentialLookup,
  more: Partial<GreetingOptions> = {},
): GreetingOptions {
  return {
    secrets,
    methods: ['scram-sha-256'],
    loopback: true,
    tls: 'off',
    secure: false,
    startupLimit: 10_000,
    random: randomBytes,
    ...more,
  }
}

export function connectingOptions(more: Partial<ConnectingOptions> = {}): ConnectingOptions {
  return {
    user: 'app',
    proof: { kind: 'password', password: 's3cret' } satisfies Proof,
    database: 'shop',
    parameters: [],
    tls: 'disable',
    secureOrLocal: false,
    scramKeys: new ScramKeyCache(),
    random: randomBytes,
    ...more,
  }
}

/** What a door says once the login stands. */
export const WELCOME = Buffer.concat([
  parameterStatus('server_version', '16.4'),
  backendKeyData(-7, Buffer.from('key!')),
  readyForQuery('I'),
])

export async function duet(
  doorOptions: GreetingOptions,
  clientOptions: ConnectingOptions,
  cut: Cut = whole,
): Promise<Outcome> {
  const door = new Greeting(doorOptions)
  const client = new Connecting(clientOptions)
  const steps: string[] = []
  let doorEnd: Authenticated | Refused | undefined
  const toDoor: Buffer[] = []
  const toClient: Buffer[] = []
  for (let turn = 0; turn < 10_000; turn++) {
    const said = client.next()
    if (said.kind !== 'starved') steps.push(`>${said.kind}`)
    switch (said.kind) {
      case 'ready':
      case 'failed':
        return { client: said, door: doorEnd, steps }
      case 'send':
        toDoor.push(...cut(said.bytes))
        continue
      case 'waiting':
        await new Promise<void>((resolve) => {
          client.onReady = resolve
        })
        continue
      case 'upgrade-tls':
        client.secured()
        continue
    }
    if (doorEnd === undefined) {
      doorEnd = await pullDoor(door, toDoor, toClient, cut, steps)
    }
    const chunk = toClient.shift()
    if (chunk === undefined) throw new Error(`both starve after ${steps.join(' ')}`)
    lend(client, chunk)
  }
  throw new Error(`no end after ${steps.slice(-20).join(' ')}`)
}

/** A link lends its chunk for the time of the call; the next read overwrites it. */
function lend(machine: { push(chunk: Buffer): void }, chunk: Buffer): void {
  const lent = Buffer.from(chunk)
  machine.push(lent)
  lent.fill(0xaa)
}

async function pullDoor(
  door: Greeting,
  toDoor: Buffer[],
  toClient: Buffer[],
  cut: Cut,
  steps: string[],
): Promise<Authenticated | Refused | undefined> {
  for (;;) {
    const step: GreetStep = door.next()
    if (step.kind !== 'starved') steps.push(`<${step.kind}`)
    switch (step.kind) {
      case 'authenticated':
        toClient.push(...cut(WELCOME))
        return step
      case 'refused':
        toClient.push(...cut(step.bytes))
        return step
      case 'answer':
        toClient.push(...cut(step.bytes))
        break
      case 'upgrade-tls':
        door.secured()
        break
      case 'waiting':
        await new Promise<void>((resolve) => {
          door.onReady = resolve
        })
        break
      case 'cancel':
        throw new Error('a login became a cancel')
      case 'starved': {
        const chunk = toDoor.shift()
        if (chunk === undefined) return undefined
        lend(door, chunk)
      }
    }
  }
}
