import { X509Certificate } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { serverContext } from '../../../src/net/tls-accept.ts'
import { weirSays } from '../../support/command-line.ts'

let dir: string

beforeEach(async () => {
  dir = join(await mkdtemp(join(tmpdir(), 'weir-cert-')), 'certs')
})
afterEach(() => rm(join(dir, '..'), { recursive: true, force: true }))

const cert = (...args: string[]) => weirSays('cert', '--dir', dir, ...args)
const text = (name: string) => readFile(join(dir, name), 'utf8')
const certificate = async (name: string) => new X509Certificate(await text(name))

describe('weir cert', () => {
  it('makes an authority and a server that it vouches for', async () => {
    const { out, exitCode } = await cert('--names', 'localhost,db.internal,127.0.0.1')
    expect(exitCode).toBeUndefined()
    expect((await readdir(dir)).sort()).toEqual(['ca.crt', 'ca.key', 'server.crt', 'server.key'])
    const [ca, server] = [await certificate('ca.crt'), await certificate('server.crt')]
    expect(ca.ca).toBe(true)
    expect(server.ca).toBe(false)
    expect(server.checkIssued(ca) && server.verify(ca.publicKey)).toBe(true)
    for (const host of ['localhost', 'db.internal']) expect(server.checkHost(host)).toBe(host)
    expect(server.checkIP('127.0.0.1')).toBe('127.0.0.1')
    const days = (Date.parse(server.validTo) - Date.now()) / 86_400_000
    expect(Math.round(days)).toBe(397)
    expect(out).toContain(`certFile: ${join(dir, 'server.crt')}`)
    expect(out).toContain('psql "host=localhost port=6432 sslmode=verify-full')
    // What is written fits together.
    serverContext({ cert: await text('server.crt'), key: await text('server.key') })
  })

  it('gives each client a certificate of its own, and says how to use it', async () => {
    const { out } = await cert('--clients', 'alice, bob')
    for (const user of ['alice', 'bob']) {
      expect((await certificate(`client-${user}.crt`)).subject).toBe(`CN=${user}`)
    }
    expect(out).toContain('methods: [cert, scram-sha-256]')
    expect(out).toContain('user=alice sslcert=')
  })

  it('lets nobody else read a key', async () => {
    await cert('--clients', 'alice')
    for (const name of await readdir(dir)) {
      if (!name.endsWith('.key')) continue
      expect((await stat(join(dir, name))).mode & 0o777).toBe(0o600)
    }
    expect((await stat(dir)).mode & 0o777).toBe(0o700)
  })

  it('writes over nothing unless told to, and never over the authority', async () => {
    await cert()
    const before = [await text('ca.crt'), await text('server.key')]
    const refused = await cert()
    expect(refused.exitCode).toBe(1)
    expect(refused.err).toMatch(/there already: .*server\.key/)
    expect(refused.err).toContain('--force')
    expect([await text('ca.crt'), await text('server.key')]).toEqual(before)
    const forced = await cert('--force')
    expect(forced.exitCode).toBeUndefined()
    expect(await text('ca.crt')).toBe(before[0])
    expect(await text('server.key')).not.toBe(before[1])
  })

  it('adds a client to what is there, from the same authority', async () => {
    await cert('--clients', 'alice')
    const server = await text('server.key')
    expect((await cert('--clients', 'carol')).exitCode).toBeUndefined()
    const carol = await certificate('client-carol.crt')
    expect(carol.verify((await certificate('ca.crt')).publicKey)).toBe(true)
    expect(await text('server.key')).toBe(server)
    expect((await cert('--clients', 'dave,carol')).exitCode).toBe(1)
    expect(await readdir(dir)).not.toContain('client-dave.key')
  })

  it.each([
    [['--clients', '../root'], 'is no name for a client certificate'],
    [['--days', '0'], 'want a number from 1'],
    [['--days', 'many'], 'want a number from 1'],
  ])('refuses %j before it writes anything', async (args, words) => {
    const { err, exitCode } = await cert(...args)
    expect(exitCode).toBe(1)
    expect(err).toContain(words)
    await expect(readdir(dir)).rejects.toThrow('ENOENT')
  })

  it('says so when the authority that is there is of no use', async () => {
    await cert()
    await writeFile(join(dir, 'ca.key'), 'not a key')
    const { err, exitCode } = await cert('--clients', 'alice')
    expect(exitCode).toBe(1)
    expect(err).toMatch(/cannot use the authority in .*certs/)
  })
})
