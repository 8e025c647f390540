import { expect, test } from 'vitest'
import type { SubjectStart } from '../../../src/bench/failover/subject.ts'
import { directSubject, hostsUrl } from '../../../src/bench/failover/subjects/direct.ts'
import { checksSince, haproxyConfig } from '../../../src/bench/failover/subjects/haproxy.ts'
import { pgbouncerConfig } from '../../../src/bench/failover/subjects/pgbouncer.ts'
import { poolSize } from '../../../src/bench/failover/subjects/pool-size.ts'
import { missingPrograms } from '../../../src/bench/failover/subjects/programs.ts'
import { urlSubject } from '../../../src/bench/failover/subjects/url.ts'
import { urlOf, withoutPassword } from '../../../src/bench/failover/subjects/urls.ts'
import { timelineSince } from '../../../src/bench/failover/subjects/weir-admin.ts'

const start: SubjectStart = {
  nodes: [
    { name: 'node-1', host: '127.0.0.1', port: 5501 },
    { name: 'node-2', host: '10.0.0.2', port: 5502 },
  ],
  login: { user: 'app', password: 'p@ss/word', database: 'app' },
  ports: { first: 7_000, count: 20 },
  directory: '/nowhere',
  clients: 1_000,
  nodeConnections: 100,
}
const roles = { port: (node: string) => (node === 'node-1' ? 7_003 : 7_004), close: async () => {} }

test('a program that is not installed is named with what to type', async () => {
  expect(missingPrograms(['node', 'no-such-proxy'])).toEqual([
    'no-such-proxy is not installed; on Debian and Ubuntu: apt-get install no-such-proxy',
  ])
  expect(await directSubject().missing()).toEqual([])
})

test('a URL that is none of Postgres is refused before anything starts, without its password', async () => {
  expect(await urlSubject('mine', 'http://me:secret@db/app').missing()).toEqual([
    'http://me:***@db/app is not a URL of Postgres (postgres://...)',
  ])
  const subject = urlSubject(
    'mine',
    'postgres://me:secret@db:1/app',
    'postgres://me:secret@db:2/app',
  )
  expect(await subject.missing()).toEqual([])
  expect(await subject.description()).toBe(
    'what answers at postgres://me:***@db:1/app, readers at postgres://me:***@db:2/app; not started by this run',
  )
  expect(withoutPassword('postgres://me@db/app')).toBe('postgres://me@db/app')
})

test('names and passwords are escaped in URLs', () => {
  expect(urlOf(start.login, 7_000)).toBe('postgres://app:p%40ss%2Fword@127.0.0.1:7000/app')
  expect(hostsUrl(start.nodes, start.login, 'target_session_attrs=read-write')).toBe(
    'postgres://app:p%40ss%2Fword@127.0.0.1:5501,10.0.0.2:5502/app?target_session_attrs=read-write',
  )
})

test('every pooler gets the same number of connections, and leaves room on the node', () => {
  expect([20, 100, 150, 1_100].map(poolSize)).toEqual([6, 54, 60, 60])
})

test('HAProxy checks each node at the place that knows its role, with the template’s intervals', () => {
  const config = haproxyConfig({
    nodes: start.nodes,
    roles,
    writerPort: 7_001,
    readerPort: 7_002,
    most: 100,
  })
  expect(config).toContain(
    'listen primary\n  bind 127.0.0.1:7001\n  option httpchk OPTIONS /primary',
  )
  expect(config).toContain(
    'listen replicas\n  bind 127.0.0.1:7002\n  option httpchk OPTIONS /replica',
  )
  const server = '  server node-2 10.0.0.2:5502 maxconn 100 check addr 127.0.0.1 port 7004\n'
  expect(config.split(server)).toHaveLength(3)
  expect(config).toContain('inter 3s fall 3 rise 2 on-marked-down shutdown-sessions')
})

test('PgBouncer keeps its defaults but for what a load of this size needs', () => {
  const config = pgbouncerConfig(start, 54, '/run/users.txt')
  expect(config).toContain('\napp = host=127.0.0.1 port=7001 dbname=app\n')
  expect(config).toContain('\napp_readers = host=127.0.0.1 port=7002 dbname=app\n')
  expect(config).toMatch(/\napp_sessions = .* pool_mode=session pool_size=46\n/)
  expect(config).toContain('default_pool_size = 54')
  expect(config).toContain('max_client_conn = 2100')
  expect(config).not.toMatch(/server_login_retry|query_wait_timeout|server_connect_timeout/)
  expect(config).not.toContain(start.login.password)
})

test('what HAProxy says of the writer’s servers becomes milestones, from the fault on', () => {
  const said = [
    { at: 100, line: 'Server primary/node-2 is DOWN. 1 active' },
    { at: 900, line: 'Health check for server replicas/node-1 failed, reason: Layer4' },
    { at: 1_500, line: 'Health check for server primary/node-1 failed, reason: Layer4, 2/3 UP.' },
    { at: 7_500, line: '[WARNING]  (1) : Server primary/node-1 is DOWN. 0 active' },
    { at: 9_000, line: 'Server primary/node-2 is UP. 1 active' },
  ]
  expect(checksSince(said, 1_000)).toEqual({ suspected: 1_500, down: 7_500, observed: 9_000 })
  expect(checksSince(said, 8_000)).toEqual({ observed: 9_000 })
  expect(checksSince(said, 9_500)).toEqual({})
})

test('of Weir’s failovers the one that ended after the fault is taken, unknown words left out', () => {
  const failovers = [
    { number: 1, timeline: { fault: 100, promoted: 200, 'first-reply': 210 } },
    { number: 2, timeline: { fault: 900, observed: 1_100, soon: 5, down: null, retired: 'x' } },
    { number: 3, timeline: { fault: 5_000, 'first-reply': 5_100 } },
  ]
  expect(timelineSince(failovers, 1_000)).toEqual({ fault: 900, observed: 1_100 })
  expect(timelineSince(failovers, 6_000)).toEqual({})
  expect(timelineSince([{}, { timeline: 7 }], 0)).toEqual({})
})
