/** Patroni as a source: what is read from `/cluster`, and whom it asks when servers go away. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { getJson } from '../../../../src/app/get-json.ts'
import { systemClock } from '../../../../src/core/clock.ts'
import { patroniSource, readCluster } from '../../../../src/topology/source/patroni.ts'

/** As Patroni 3.0 answers; the second member is one that is being made. */
const CLUSTER = {
  members: [
    {
      ...{ name: 'db-2', role: 'replica', state: 'running', host: '10.0.0.12', port: 5432 },
      ...{ api_url: 'http://10.0.0.12:8008/patroni', timeline: 3, lag: 0 },
      tags: { noloadbalance: true },
    },
    {
      ...{ name: 'db-10', role: 'replica', state: 'creating replica', host: '10.0.0.20' },
      ...{ port: 5433, api_url: 'http://10.0.0.20:8008/patroni', lag: 'unknown' },
    },
    {
      ...{ name: 'db-1', role: 'leader', state: 'running', host: '10.0.0.11', port: 5432 },
      ...{ api_url: 'https://10.0.0.11:8008/patroni', timeline: 3 },
    },
  ],
}

describe('what is read', () => {
  test('members become nodes in a lasting order, the leader is only named', () => {
    expect(readCluster(CLUSTER, 'http://h:8008')).toEqual({
      nodes: [
        { name: 'db-1', host: '10.0.0.11', port: 5432, weight: 1 },
        { name: 'db-2', host: '10.0.0.12', port: 5432, weight: 1, noReads: true },
        { name: 'db-10', host: '10.0.0.20', port: 5433, weight: 1 },
      ],
      leader: 'db-1',
      from: 'http://h:8008',
      urls: ['http://10.0.0.12:8008', 'http://10.0.0.20:8008', 'https://10.0.0.11:8008'],
    })
  })

  test('a member without an address is passed over, and names that would hurt are made plain', () => {
    const members = [
      { name: 'no-host', port: 5432 },
      { name: 'no-port', host: 'h' },
      { name: 'bad-port', host: 'h', port: '5432' },
      'nonsense',
      { name: 'a/b c', host: 'h', port: 1 },
      { name: 'twin', host: 'h', port: 2 },
      { name: 'twin', host: 'h', port: 3 },
    ]
    const { nodes } = readCluster({ members }, 'x')
    expect(nodes.map((n) => n.name)).toEqual(['a-b-c', 'twin-2', 'twin-3'])
  })

  test("an answer that is not Patroni's is said to be so", () => {
    for (const answer of [undefined, null, 7, [], {}, { members: {} }]) {
      expect(() => readCluster(answer, 'http://h')).toThrow(
        'http://h does not answer as Patroni does',
      )
    }
    expect(() => readCluster({ members: [] }, 'http://h')).toThrow('names no member')
  })
})

describe('whom it asks', () => {
  const servers: Server[] = []
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections()
      server.close()
    }
  })

  /** A REST server that gives `answer`: a body, a status, or silence. */
  async function rest(answer: object | number | 'silence', asked: string[] = []): Promise<string> {
    const server = createServer((request, response) => {
      asked.push(`${server.address() === null ? '' : url}${request.url}`)
      if (answer === 'silence') return
      response.statusCode = typeof answer === 'number' ? answer : 200
      response.end(typeof answer === 'number' ? 'sorry' : JSON.stringify(answer))
    })
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return url
  }

  const source = (urls: readonly string[], staggerMs = 60_000) =>
    patroniSource({ urls, getJson: (url, off) => getJson(url, off), clock: systemClock, staggerMs })
  const never = () => new AbortController().signal

  test('the next one when the first refuses or fails, and from then on the one that answered', async () => {
    const asked: string[] = []
    const closed = await rest(CLUSTER)
    servers.pop()!.close()
    const failing = await rest(503, asked)
    const good = await rest(CLUSTER, asked)
    const patroni = source([`${closed}/`, failing, good])
    expect((await patroni.list(never())).from).toBe(good)
    expect((await patroni.list(never())).nodes).toHaveLength(3)
    expect(asked).toEqual([`${failing}/cluster`, `${good}/cluster`, `${good}/cluster`])
  })

  test('the next one too when the first keeps us waiting', async () => {
    const silent = await rest('silence')
    const good = await rest(CLUSTER)
    expect((await source([silent, good], 10).list(never())).from).toBe(good)
  })

  test('members that told of themselves, when all that are configured are gone', async () => {
    const other = await rest(CLUSTER)
    const told = structuredClone(CLUSTER)
    told.members[0]!.api_url = `${other}/patroni`
    const first = await rest(told)
    const patroni = source([first])
    expect((await patroni.list(never())).from).toBe(first)
    servers.pop()!.close()
    servers.at(-1)!.closeAllConnections()
    expect((await patroni.list(never())).from).toBe(other)
  })

  test('all of them fail: each is named with what was wrong', async () => {
    const failing = await rest(503)
    const odd = await rest({ hello: 1 })
    await expect(source([failing, odd]).list(never())).rejects.toThrow(
      `${failing}/cluster: answered 503; ${odd} does not answer as Patroni does`,
    )
  })

  test('nobody waits any more: the question is called off', async () => {
    const off = new AbortController()
    const silent = await rest('silence')
    const list = source([silent]).list(off.signal)
    off.abort()
    await expect(list).rejects.toThrow('no answer in time')
  })
})
