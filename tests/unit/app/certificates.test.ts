import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Certificates } from '../../../src/app/certificates.ts'
import { serverEndPoint } from '../../../src/auth/tls-end-point.ts'
import {
  type Authority,
  issue,
  makeAuthority,
  type Pair,
} from '../../../src/certificates/authority.ts'
import type { Settings } from '../../../src/config/settings.ts'
import { FakeClock } from '../../../src/core/clock.ts'
import { type Log, silentLog } from '../../../src/core/log.ts'
import { until } from '../../../src/core/until.ts'

let directory: string
let authority: Authority
const opened: Certificates[] = []

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'weir-certificates-'))
  authority = await makeAuthority('Test CA', 400)
})
afterEach(() => {
  for (const certificates of opened.splice(0)) certificates.stop()
})
afterAll(() => rm(directory, { recursive: true, force: true }))

async function put(name: string, pair: Pair) {
  const certFile = join(directory, `${name}.crt`)
  const keyFile = join(directory, `${name}.key`)
  await writeFile(keyFile, pair.key)
  await writeFile(certFile, pair.certificate)
  return { certFile, keyFile }
}

const server = (commonName: string, days = 90) =>
  issue(authority, { purpose: 'server', commonName, days })
const endPoint = ({ certificate }: Pair) => serverEndPoint(new X509Certificate(certificate).raw)

function settings(more: Partial<Settings['tls']>): Settings['tls'] {
  const plain = { mode: 'allowed', minVersion: 'TLSv1.2', nodes: 'prefer' }
  const lists = { certificates: [], certificateUsers: [], clientCertificates: 'off' }
  return { ...plain, ...lists, ...more } as unknown as Settings['tls']
}

/** A clock whose hands stand at the real time of day. */
class TodayClock extends FakeClock {
  #today = Date.now() - super.wall()
  override wall(): number {
    return super.wall() + this.#today
  }
}

async function open(tls: Settings['tls']) {
  const warnings: string[] = []
  const clock = new TodayClock()
  const log: Log = { ...silentLog, warn: (_, message) => void warnings.push(message) }
  const certificates = await Certificates.open({ tls, clock, log })
  if (certificates !== undefined) opened.push(certificates)
  return { certificates: certificates!, warnings, clock }
}

describe('certificates', () => {
  it('are chosen by server name, a wildcard standing for one label', async () => {
    const [standard, one, wild] = [await server('a'), await server('b'), await server('c')]
    const { certificates } = await open(
      settings({
        ...(await put('a', standard)),
        certificates: [
          { serverNames: ['*.eu.test'], ...(await put('c', wild)) },
          { serverNames: ['DB.eu.test'], ...(await put('b', one)) },
        ],
      }),
    )
    const shown = (name: string | undefined) => certificates.offer.choose(name).serverEndPoint
    for (const [name, pair] of [
      [undefined, standard],
      ['other.test', standard],
      ['eu.test', standard],
      ['x.db.eu.test', standard],
      ['db.eu.test', one],
      ['x.eu.test', wild],
      ['localhost', standard],
    ] as const) {
      expect([name, shown(name)]).toEqual([name, endPoint(pair)])
    }
  })

  it('are none when TLS is off', async () => {
    const tls = settings({ mode: 'off', ...(await put('a', await server('a'))) })
    expect((await open(tls)).certificates).toBeUndefined()
  })

  it('that cannot be used at the start are an error that names the files', async () => {
    const { certFile } = await put('a', await server('a'))
    const { keyFile } = await put('b', await server('b'))
    await expect(open(settings({ certFile, keyFile }))).rejects.toMatchObject({
      code: 'WEIR_CERTIFICATE',
      message: expect.stringMatching(/a\.crt, .*b\.key: .*mismatch/),
    })
    const missing = join(directory, 'missing.crt')
    await expect(open(settings({ certFile: missing, keyFile }))).rejects.toThrow('missing.crt')
  })

  it('that end soon are warned of once a day, and their end is known', async () => {
    const pair = await put('soon', await server('soon', 10.5))
    const { certificates, warnings, clock } = await open(settings(pair))
    expect(warnings).toEqual([expect.stringMatching(/soon\.crt ends on .* \(10 days\)/)])
    clock.advance(86_400_000)
    expect(warnings.at(-1)).toContain('(9 days)')
    clock.advance(86_400_000 * 10)
    expect(warnings.at(-1)).toContain('has ended')
    const [expiry] = certificates.expiries
    expect(expiry!.file).toBe(pair.certFile)
    expect(Math.abs(expiry!.at - Date.now() - 10.5 * 86_400_000)).toBeLessThan(600_000)
    const far = await open(settings(await put('far', await server('far'))))
    expect(far.warnings).toEqual([])
  })

  it('are read anew without a sign from the file system, once key and certificate fit', async () => {
    const first = await server('first')
    const next = await server('next')
    const pair = await put('torn', first)
    const { certificates, clock } = await open(settings(pair))
    const shown = () => certificates.offer.choose(undefined).serverEndPoint
    await writeFile(pair.keyFile, next.key)
    clock.advance(10_000)
    expect(shown()).toEqual(endPoint(first))
    await writeFile(pair.certFile, next.certificate)
    await until(() => {
      clock.advance(1_000)
      return shown()?.equals(endPoint(next)!) === true
    }, 10_000)
  })

  it('stay as they are when the authorities of clients are cut off in the middle', async () => {
    const pair = await put('whole', await server('whole'))
    const clientCaFile = join(directory, 'clients.crt')
    await writeFile(clientCaFile, authority.certificate)
    const tls = settings({ ...pair, clientCaFile, clientCertificates: 'required' })
    const { certificates } = await open(tls)
    const before = certificates.offer.choose(undefined).context
    for (const cut of ['', authority.certificate.slice(0, 100)]) {
      await writeFile(clientCaFile, cut)
      await expect(certificates.renew(tls)).rejects.toThrow('clients.crt')
    }
    expect(certificates.offer.choose(undefined).context).toBe(before)
  })

  it('stay as they are when others cannot be taken over', async () => {
    const pair = await put('stay', await server('stay'))
    const { certificates } = await open(settings(pair))
    const before = certificates.offer.choose(undefined).serverEndPoint
    const { keyFile } = await put('strange', await server('strange'))
    await expect(certificates.renew(settings({ ...pair, keyFile }))).rejects.toThrow('mismatch')
    expect(certificates.offer.choose(undefined).serverEndPoint).toEqual(before)
    await certificates.renew(settings(await put('strange', await server('strange'))))
    expect(certificates.offer.choose(undefined).serverEndPoint).not.toEqual(before)
  })
})
