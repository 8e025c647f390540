/**
 * A password is changed on the node and in the secrets file while clients work and come anew. Rule:
 * whichever is changed first, nobody is refused: not those with the former password, not those with
 * the new one.
 */
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { messageOf } from '../../src/core/errors.ts'
import { silentLog } from '../../src/core/log.ts'
import { until } from '../../src/core/until.ts'
import { writeFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'
import { family, type WeirChild, weir } from '../support/weir-child.ts'

const CLIENTS = 50
const PATIENCE_MS = 60_000

let house: House
let folder: string
let file: string
const warned: string[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-rotation-'))
  file = join(folder, 'app.json')
  await put('zero')
  house = await startHouse({
    pool: 6,
    log: { ...silentLog, warn: (_, text) => warned.push(text) },
    ports: [17_300, 17_339],
    config: {
      auth: { secrets: [{ username: 'weir', password: 'weir' }, file], rotationWindow: '1h' },
      // So many come at once on a busy machine.
      limits: { loginTimeout: '60s' },
    },
  })
  await house.ask("create role app login password 'zero'")
})

afterAll(async () => {
  await house?.end()
  await rm(folder, { recursive: true, force: true })
})

/** As a careful program would: nobody ever sees half of it. */
async function put(password: string): Promise<void> {
  const text = JSON.stringify({ username: 'app', password, engine: 'postgres' })
  await writeFile(`${file}.new`, text, { mode: 0o600 })
  await rename(`${file}.new`, file)
}

const alter = (password: string) => house.ask(`alter role app password '${password}'`)

async function asApp(password: string, port = house.port): Promise<unknown> {
  const client = new pg.Client({
    ...{ host: '127.0.0.1', port, user: 'app', password, database: 'postgres' },
    connectionTimeoutMillis: PATIENCE_MS,
  })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query('select current_user')).rows[0]
  } finally {
    await client.end()
  }
}

/** Clients that log in, ask and leave, again and again, with whichever password is right. */
class Load {
  passwords: readonly string[]
  done = 0
  readonly errors: string[] = []
  #stopped = false
  #clients: Promise<void>[]
  #port: number

  constructor(password: string, port = house.port) {
    this.#port = port
    this.passwords = [password]
    this.#clients = Array.from({ length: CLIENTS }, (_, i) => this.#client(i))
  }

  async #client(i: number): Promise<void> {
    for (let round = i; !this.#stopped; round++) {
      const password = this.passwords[round % this.passwords.length]!
      try {
        await asApp(password, this.#port)
        this.done++
      } catch (error) {
        this.errors.push(`${password}: ${messageOf(error)}`)
      }
    }
  }

  /** Resolves when each client has been served about `rounds` times more. */
  async served(rounds: number): Promise<void> {
    const goal = this.done + rounds * CLIENTS
    await until(() => this.done >= goal || this.errors.length > 0, PATIENCE_MS, {
      what: `${rounds} rounds of ${CLIENTS} clients`,
    })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#clients)
  }
}

const noticed = () => house.app.snapshot().events.filter((e) => e.text.includes('have changed'))

async function noticedAfter(change: () => Promise<unknown>): Promise<void> {
  const before = noticed().length
  await change()
  await until(() => noticed().length > before, PATIENCE_MS, { what: 'the change to be noticed' })
}

describe('a password that is rotated under load', () => {
  test('refuses nobody when the node has it first', async () => {
    const load = new Load('zero')
    await load.served(2)
    await alter('one')
    await load.served(2)
    await noticedAfter(() => put('one'))
    load.passwords = ['zero', 'one']
    await load.served(4)
    await load.stop()
    expect(load.errors).toEqual([])
  })

  test('refuses nobody when the file has it first, and new connections go on with the other', async () => {
    const load = new Load('one')
    await load.served(1)
    await noticedAfter(() => put('two'))
    load.passwords = ['one', 'two']
    await load.served(2)
    // Everything must be opened anew, with a password that the file no longer has.
    await house.ask("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'")
    await load.stop()
    const cut = load.errors.filter((text) => !/terminating connection|lost/i.test(text))
    expect(cut).toEqual([])
    expect(await asApp('two')).toEqual({ current_user: 'app' })
    await alter('two')
    await house.ask("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'")
    expect(await asApp('one')).toEqual({ current_user: 'app' })
    expect(await asApp('two')).toEqual({ current_user: 'app' })
  })

  test('is not accepted when it was never right', async () => {
    await expect(asApp('never')).rejects.toThrow('password authentication failed for user "app"')
  })

  test('goes on as before when the file is broken, and takes over once it is mended', async () => {
    await writeFile(file, '{"username":"app","passw')
    await until(
      () => warned.some((text) => text.endsWith('what it last gave goes on')),
      PATIENCE_MS,
      {
        what: 'the broken file to be told of',
      },
    )
    expect(warned.join()).toContain(`${file} is not valid JSON`)
    expect(await asApp('two')).toEqual({ current_user: 'app' })
    await alter('three')
    await noticedAfter(() => put('three'))
    expect(await asApp('three')).toEqual({ current_user: 'app' })
  })

  test('opens the door the moment after it stands in the file', async () => {
    await alter('moment-0')
    await put('moment-0')
    for (let i = 1; i <= 10; i++) {
      const next = `moment-${i}`
      await alter(next)
      await put(next)
      // Nobody can have noticed the change yet.
      expect(await asApp(next)).toEqual({ current_user: 'app' })
    }
  })

  test('is found by a failed login at the node where the file had been changed unseen', async () => {
    await noticedAfter(() => put('three'))
    await alter('four')
    await put('four')
    await house.ask("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'")
    // The client still has the former one; the node takes only what is in the file by now.
    expect(await asApp('three')).toEqual({ current_user: 'app' })
  })
})

describe('with several workers', () => {
  let child: WeirChild | undefined
  afterAll(async () => {
    child?.process.kill('SIGTERM')
    await child?.ended
  })

  test('a rotation under load refuses nobody, and a worker that comes later knows both', async () => {
    await alter('w-one')
    await put('w-one')
    const { file: config, basePort } = await writeFront(house, {
      config: {
        workers: 2,
        auth: { secrets: [{ username: 'weir', password: 'weir' }, file] },
        limits: { loginTimeout: '60s' },
      },
    })
    child = weir('serve', '--config', config, '--set', 'admin.enabled=false')
    await child.says('2 workers serve clients')
    const load = new Load('w-one', basePort)
    await load.served(2)
    await alter('w-two')
    await load.served(1)
    await put('w-two')
    await child.says('have changed: app')
    load.passwords = ['w-one', 'w-two']
    await load.served(2)
    const [, killed] = family(child.pid)
    await load.stop()
    expect(load.errors).toEqual([])
    process.kill(killed!, 'SIGKILL')
    await child.says(/worker \d+ \(process \d+\) serves in its place/)
    const later = new Load('w-one', basePort)
    later.passwords = ['w-one', 'w-two']
    await later.served(2)
    await later.stop()
    expect(later.errors).toEqual([])
  })
})
