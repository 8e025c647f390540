/**
 * Followers through Weir while the writer changes: they are sent away, come again as they do after
 * any lost connection, and find the new writer at the same address. Rule: as for programs.test.ts, a
 * missing program fails with CI=true and skips with a word without.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { type Client, connect, one } from '../support/clients.ts'
import { type FailoverHouse, startFailoverHouse } from '../support/failover-house.ts'

const run = promisify(execFile)
const bin = '/usr/lib/postgresql/15/bin'
const installed = ['pg_receivewal', 'postgres'].every((name) => existsSync(join(bin, name)))
if (!installed) {
  const missing = `pg_receivewal and postgres are not installed in ${bin}`
  if (process.env.CI === 'true') throw new Error(missing)
  console.log(`replication: skipped, because ${missing}`)
}

describe.skipIf(!installed)('A follower', () => {
  let lab: FailoverHouse
  let receiving: ChildProcess | undefined

  beforeAll(async () => {
    lab = await startFailoverHouse({ cluster: { postgresBin: bin } })
  })

  afterAll(async () => {
    receiving?.kill('SIGKILL')
    await lab?.end()
  })

  const follow = (endpoint: string): Promise<Client> =>
    connect(lab.front.url(endpoint), { replication: 'database' } as object)

  it('of the reader endpoint copies from a reader', async () => {
    const readers = new Set<string>()
    for (let i = 0; i < 6; i++) {
      const client = await follow('reader')
      expect(await one(client, 'select pg_is_in_recovery()')).toBe(true)
      readers.add(await lab.nodeOf(client))
      await client.end()
    }
    expect([...readers].sort()).toEqual(['node-2', 'node-3'])
  })

  it('of the writer endpoint goes on with the new writer, on its timeline', async () => {
    const { house, front } = lab
    const directory = join(house.directory, 'wal')
    mkdirSync(directory)
    const args = ['-D', directory, '-d', front.url(), '--no-sync']
    const receiver = spawn(join(bin, 'pg_receivewal'), args, {
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    receiving = receiver
    let said = ''
    receiver.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    await until(() => readdirSync(directory).length > 0, 15_000)
    const bystander = await follow('writer')
    const sessions = () => front.app.snapshot().clients.pinned
    expect(sessions()).toBe(2)

    await house.cluster.kill('node-1')
    await until(() => sessions() === 0, 10_000)
    await until(() => said.includes('pinned to it (replication)'), 10_000)
    await until(() => bystander.strays.length > 0, 10_000)
    // A follower that comes while there is no writer waits for the next, as everybody does.
    const waiting = follow('writer')
    await house.cluster.promote('node-2')
    expect(await lab.nodeOf(await waiting)).toBe('node-2')

    await house.ask('create table after_it as select generate_series(1, 1000) i')
    await house.ask('select pg_switch_wal()')
    const wal = (): string[] =>
      readdirSync(directory).filter((name) => /^0{7}2[0-9A-F]{16}$/.test(name))
    await until(() => wal().length > 0, 30_000, { what: 'WAL of the second timeline' })
    const file = join(directory, wal()[0]!)
    // It stops with an error where the segment was left.
    const { stdout } = await run(join(bin, 'pg_waldump'), [file]).catch((error) => error)
    expect(stdout).toContain('Heap')
    receiver.kill('SIGINT')
  })
})
