/** Aurora as a source: what is made of `aurora_replica_status()`, and which instance is asked. */
import { expect, test } from 'vitest'
import { patternOf } from '../../../../src/config/source-address.ts'
import { FakeClock } from '../../../../src/core/clock.ts'
import { type AuroraRow, auroraSource, readStatus } from '../../../../src/topology/source/aurora.ts'

const template = '?.abc.eu-central-1.rds.amazonaws.com'
const writer = (serverId: string, ageMs?: number): AuroraRow => ({
  ...{ serverId, sessionId: 'MASTER_SESSION_ID', ageMs },
})
const reader = (serverId: string, ageMs?: number): AuroraRow => ({
  ...{ serverId, sessionId: `session of ${serverId}`, ageMs },
})
const read = (rows: readonly AuroraRow[], how = template) =>
  readStatus(rows, { template: how, port: 5432, from: 'app-1:5432' })

test('instances are found by their names, and the writer among them is only named', () => {
  expect(read([reader('app-2', 20), writer('app-1'), reader('app-10')])).toEqual({
    nodes: ['app-1', 'app-2', 'app-10'].map((name) => ({
      ...{ name, host: `${name}.abc.eu-central-1.rds.amazonaws.com`, port: 5432, weight: 1 },
    })),
    leader: 'app-1',
    from: 'app-1:5432',
  })
  expect(read([writer('a')], '?.db.internal:5433').nodes[0]).toMatchObject({
    ...{ host: 'a.db.internal', port: 5433 },
  })
})

test('an instance nobody has heard of for five minutes is gone, a writer never is', () => {
  const rows = [writer('app-1', 900_000), reader('app-2', 300_001), reader('app-3', 299_999)]
  expect(read(rows).nodes.map((n) => n.name)).toEqual(['app-1', 'app-3'])
  expect(() => read([reader('app-2', 300_001)])).toThrow('app-1:5432 lists no instance')
  expect(() => read([])).toThrow('app-1:5432 lists no instance')
})

test('of two that claim to write, the one heard of last is looked at', () => {
  expect(read([writer('app-1', 9_000), writer('app-2', 30)]).leader).toBe('app-2')
  expect(read([writer('app-1'), writer('app-2', 30)]).leader).toBe('app-1')
})

test('instances that were found are asked when the configured ones are away', async () => {
  const asked: string[] = []
  let away: string[] = []
  const source = auroraSource({
    ...{ hosts: [{ host: 'cluster', port: 5432 }], template: '?.db', port: 5432 },
    ask: ({ host }) => {
      asked.push(host)
      if (away.includes(host)) return Promise.reject(new Error(`${host}:5432: refused`))
      return Promise.resolve([writer('a'), reader('b')])
    },
    ...{ close: () => Promise.resolve(), clock: new FakeClock(), staggerMs: 250 },
  })
  const list = () => source.list(new AbortController().signal)
  await list()
  away = ['cluster', 'a.db']
  expect((await list()).from).toBe('b.db:5432')
  away = ['b.db', 'cluster', 'a.db']
  await expect(list()).rejects.toThrow('b.db:5432: refused; cluster:5432: refused; a.db:5432')
  expect(asked).toEqual(['cluster', 'cluster', 'a.db', 'b.db', 'b.db', 'cluster', 'a.db'])
})

test('how instances are called follows from any cluster endpoint', () => {
  const own = 'abc123.eu-central-1.rds.amazonaws.com'
  expect(patternOf([`app.cluster-${own}`])).toBe(`?.${own}`)
  expect(patternOf(['h', `app.cluster-ro-${own}:5433`])).toBe(`?.${own}`)
  expect(patternOf([`app.cluster-custom-${own}`])).toBe(`?.${own}`)
  expect(patternOf(['app.cluster-abc.cn-north-1.rds.amazonaws.com.cn'])).toBe(
    '?.abc.cn-north-1.rds.amazonaws.com.cn',
  )
  expect(patternOf([`app-1.${own}`, 'alias.internal'])).toBeUndefined()
})
