/** The admin port's files while it is open: another certificate, other users, and wrong ones. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { AdminDoor } from '../../../src/app/admin-door.ts'
import { issue, makeAuthority, type Pair } from '../../../src/certificates/authority.ts'
import { adminTarget } from '../../../src/cli/admin-target.ts'
import { fetchStatus } from '../../../src/cli/status.ts'
import type { AuditEvent } from '../../../src/core/audit.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { silentLog } from '../../../src/core/log.ts'
import { until } from '../../../src/core/until.ts'
import { GeneralCounters } from '../../../src/metrics/counters.ts'
import { exampleStatus } from '../admin/example.ts'

const FIRST = 'the-first-token-that-is-long-enough'
const SECOND = 'the-second-token-that-is-long-enough'

let directory: string
let door: AdminDoor
let told: AuditEvent[]
let counters: GeneralCounters
let first: Pair
let second: Pair
const at = (name: string): string => join(directory, name)

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'weir-admin-'))
  const authority = await makeAuthority('Test', 2)
  const wanted = {
    commonName: 'localhost',
    names: ['localhost'],
    days: 1,
    purpose: 'server',
  } as const
  first = await issue(authority, wanted)
  second = await issue(authority, wanted)
  await writeFile(at('ca'), authority.certificate)
  await writeFile(at('crt'), first.certificate)
  await writeFile(at('key'), first.key)
  await writeFile(at('token'), `${FIRST}\n`)
  told = []
  counters = new GeneralCounters()
  door = new AdminDoor({
    settings: {
      ...{ enabled: true, host: '127.0.0.1', allowPublic: false, port: 0 },
      tls: { certFile: at('crt'), keyFile: at('key') },
      users: [{ name: 'viewer', role: 'view', tokenFile: at('token') }],
    },
    clock: systemClock,
    log: silentLog,
    audit: { tell: (event) => told.push(event), wants: () => true, closed: undefined },
    counters,
    shown: {
      snapshot: () => exampleStatus(),
      clients: () => [],
      metrics: async () => '',
      ready: () => ({ ready: true, why: '' }),
      commands: {
        pause: () => Promise.reject(new Error('nobody pauses here')),
        resume: () => ({ ended: [] }),
        writer: async () => null,
      },
    },
  })
  await door.open()
})

afterEach(async () => {
  await door.close()
  await rm(directory, { recursive: true, force: true })
})

async function shown(): Promise<string> {
  const socket = connect({ port: door.admin!.port, host: '127.0.0.1', rejectUnauthorized: false })
  await new Promise((resolve, reject) =>
    socket.once('secureConnect', resolve).once('error', reject),
  )
  const { serialNumber } = socket.getPeerCertificate()
  socket.destroy()
  return serialNumber
}

async function letsIn(token: string): Promise<boolean> {
  const admin = `https://localhost:${door.admin!.port}`
  const target = adminTarget({ admin, ca: at('ca') }, { WEIR_ADMIN_TOKEN: token })
  return fetchStatus(target).then(
    () => true,
    () => false,
  )
}

const outcomes = (): string[] => told.flatMap((one) => (one.kind === 'change' ? [one.outcome] : []))

test('another certificate is shown once its key has come too', async () => {
  const before = await shown()
  await writeFile(at('crt'), second.certificate)
  await until(() => outcomes().includes('failed'), 20_000)
  expect(await shown()).toBe(before)
  await writeFile(at('key'), second.key)
  await until(async () => (await shown()) !== before, 20_000)
  await until(() => outcomes().at(-1) === 'done', 20_000)
  expect(told.at(-1)).toMatchObject({ kind: 'change', what: 'certificate' })
})

test('another token is taken, and one that is none changes nothing', async () => {
  expect([await letsIn(FIRST), await letsIn(SECOND)]).toEqual([true, false])
  await writeFile(at('token'), SECOND)
  await until(() => outcomes().includes('done'), 20_000)
  expect(await letsIn(SECOND)).toBe(true)
  expect(await letsIn(FIRST)).toBe(false)
  await writeFile(at('token'), 'short')
  await until(() => outcomes().includes('failed'), 20_000)
  expect(await letsIn(SECOND)).toBe(true)
  expect(counters.adminRefused.snapshot()).toEqual({ 'wrong-password': 2 })
  expect(JSON.stringify(told)).not.toMatch(/token-that|short/)
})

test('a file that is read while a reload takes its user away does not bring the user back', async () => {
  const settings = { enabled: true, host: '127.0.0.1', allowPublic: false, port: 0 }
  const THIRD = 'the-third-token-that-is-long-enough'
  await writeFile(at('other'), THIRD)
  const other = { name: 'other', role: 'view', tokenFile: at('other') } as const
  let renewed: Promise<void> | undefined
  let armed = false
  await door.renew({
    ...settings,
    users: [
      {
        get name() {
          if (armed) renewed ??= door.renew({ ...settings, users: [other] })
          return 'viewer'
        },
        ...{ role: 'view', tokenFile: at('token') },
      },
    ],
  })
  armed = true
  await writeFile(at('token'), SECOND)
  await until(() => renewed !== undefined, 20_000)
  await renewed
  for (let i = 0; i < 50; i++) await readFile(at('token'))
  expect([await letsIn(FIRST), await letsIn(SECOND), await letsIn(THIRD)]).toEqual([
    ...[false, false, true],
  ])
})
