/** Where the nodes come from, in the file: what is taken, and what a person is told of mistakes. */
import { expect, test } from 'vitest'
import { explain, nearestSetting } from '../../../src/config/catalogue.ts'
import { load, problemsOf, scratchFile } from './scratch-file.ts'

const SECRETS = 'auth: { secrets: [{ username: app, password: pw }] }\n'

/** A file with this source and nothing else of note; the source stands in line 2. */
const withSource = (source: string, more = ''): string =>
  `${SECRETS}topology: { source: ${source} }\n${more}`

const endpoints = `endpoints:
  - { name: one, kind: instance, node: db-1, port: 6432 }
  - { name: some, kind: custom, staticMembers: [db-2], port: 6433 }
`

test('without a source the list in the file counts', () => {
  const settings = load(`nodes: [{ name: db, host: h }]\n${SECRETS}`)
  expect(settings.topology.source).toEqual({ kind: 'static' })
  expect(problemsOf(SECRETS)).toEqual([
    '1:1  nodes: got nothing, want a list of at least one section such as { name: node-1, host: 127.0.0.1, port: 5432 }',
  ])
})

test('Patroni, DNS and Aurora need no list, and endpoints may name nodes nobody has seen yet', () => {
  const patroni = load(
    withSource('{ kind: patroni, urls: [http://h:8008], period: 2s }', endpoints),
  )
  expect(patroni.topology.source).toMatchObject({ kind: 'patroni', periodMs: 2_000 })
  expect(patroni.nodes).toEqual([])
  load(withSource('{ kind: dns, names: [pg.internal], port: 5433, servers: ["127.0.0.1:8600"] }'))
  load(withSource('{ kind: dns, names: [_pg._tcp.internal], record: SRV, servers: ["::1"] }'))
  const host = 'app.cluster-abc.eu-central-1.rds.amazonaws.com'
  load(withSource(`{ kind: aurora, hosts: [${host}] }`, endpoints))
  load(withSource('{ kind: aurora, hosts: ["10.0.0.1:5433"], instanceHost: "?.db.internal" }'))
})

test('a source that lacks what it asks, beside a list that nobody would read', () => {
  const nodes = 'nodes: [{ name: db, host: h }]\n'
  expect(problemsOf(withSource('{ kind: patroni }', nodes))).toEqual([
    '2:13  topology.source.urls: got nothing, want at least one URL such as [http://10.0.0.11:8008]',
    '3:1  nodes: got a list, want it left out, since topology.source finds the nodes (kind patroni)',
  ])
  expect(problemsOf(withSource('{ kind: dns, names: [] }'))).toEqual([
    '2:34  topology.source.names: got an empty list, want at least one name such as [postgres.db.internal]',
  ])
})

test('a setting of another kind of source is a mistake', () => {
  expect(
    problemsOf(withSource('{ kind: patroni, urls: [http://h:8008], record: SRV, port: 5432 }')),
  ).toEqual([
    '2:69  topology.source.record: got "SRV", want it left out, since it is for kind dns and this is patroni',
    '2:80  topology.source.port: got 5432, want it left out, since it is for kind dns or aurora and this is patroni',
  ])
  expect(problemsOf(withSource('{ period: 1s }', 'nodes: [{ name: db, host: h }]\n'))).toEqual([
    '2:31  topology.source.period: got "1s", want it left out, since it is for kind patroni or dns or aurora and this is static',
  ])
  expect(problemsOf(withSource('{ kind: dns, names: [a.b], record: SRV, port: 5432 }'))).toEqual([
    '2:67  topology.source.port: got 5432, want it left out, since SRV records name the port',
  ])
})

test('addresses that are none', () => {
  const urls =
    '["10.0.0.1:8008", "http://u:secret@h:8008", "http://h:8008/cluster", "https://[::1]:8008"]'
  expect(problemsOf(withSource(`{ kind: patroni, urls: ${urls} }`))).toEqual([
    '2:45  topology.source.urls.0: got "10.0.0.1:8008", want http://HOST:PORT or https://HOST:PORT and nothing more',
    '2:62  topology.source.urls.1: got "http://(hidden)@h:8008", want http://HOST:PORT or https://HOST:PORT and nothing more',
    '2:88  topology.source.urls.2: got "http://h:8008/cluster", want http://HOST:PORT or https://HOST:PORT and nothing more',
  ])
  expect(
    problemsOf(withSource('{ kind: dns, names: [10.0.0.1, "a b"], servers: [dns.internal] }')),
  ).toEqual([
    '2:42  topology.source.names.0: got "10.0.0.1", want a name to look up',
    '2:52  topology.source.names.1: got "a b", want a name to look up',
    '2:70  topology.source.servers.0: got "dns.internal", want the address of a name server, such as 127.0.0.1:8600',
  ])
  expect(problemsOf(withSource('{ kind: aurora, hosts: [10.0.0.1:0, h] }'))).toEqual([
    '2:13  topology.source.instanceHost: got nothing, want the address of an instance with ? for its name, since no cluster endpoint is among hosts',
    '2:45  topology.source.hosts.0: got "10.0.0.1:0", want HOST or HOST:PORT',
  ])
  expect(
    problemsOf(withSource('{ kind: aurora, hosts: [h], instanceHost: x.db.internal }')),
  ).toEqual([
    '2:63  topology.source.instanceHost: got "x.db.internal", want HOST or HOST:PORT with one ? in it, such as ?.abc123.eu-central-1.rds.amazonaws.com',
  ])
})

test('one slip is told once: the list is not missed when the kind is misspelt', () => {
  expect(problemsOf(withSource('{ kind: patronii, urls: [http://h:8008] }', endpoints))).toEqual([
    '2:29  topology.source.kind: got "patronii", want one of static, patroni, dns, aurora',
  ])
  expect(problemsOf(withSource('{ kind: patroni, ulrs: [http://h:8008] }', endpoints))).toEqual([
    '2:13  topology.source.urls: got nothing, want at least one URL such as [http://10.0.0.11:8008]',
    '2:38  topology.source.ulrs: no such setting; did you mean urls?',
  ])
})

test('a source is set from outside like any other setting', () => {
  const settings = load(withSource('{ kind: patroni, urls: [http://h:8008] }'), {
    env: { WEIR_TOPOLOGY__SOURCE__PERIOD: '3s' },
    overrides: ['topology.source.urls=[http://other:8008]'],
  })
  expect(settings.topology.source).toMatchObject({ periodMs: 3_000, urls: ['http://other:8008'] })
  expect(
    problemsOf(withSource('{ kind: patroni, urls: [http://h:8008] }'), {
      overrides: ['topology.source.peroid=3s'],
    }),
  ).toEqual([
    '--set topology.source.peroid  leads to no setting; did you mean topology.source.period?',
  ])
})

test('the certificates of Patroni are looked for beside the file', () => {
  const source = '{ kind: patroni, urls: [https://h:8008], caFile: ca.pem }'
  const [problem] = problemsOf(withSource(source))
  expect(problem).toMatch(
    /^2:70 {2}topology.source.caFile: got \S*\/ca.pem, which does not exist, /,
  )
  const file = scratchFile('-----BEGIN CERTIFICATE-----\n', 'ca.pem')
  const there = load(withSource(source.replace('ca.pem', file)))
  expect(there.topology.source.caFile).toBe(file)
})

test('the settings of a source are explained like all others', () => {
  expect(explain('topology')?.text).toContain('topology.source ')
  expect(explain('topology.source')?.entry.settings).toContain('topology.source.instanceHost')
  const told = explain('topology.source.period')
  expect(told?.entry).toMatchObject({
    default: '1s; 5s for kind dns',
    environment: 'WEIR_TOPOLOGY__SOURCE__PERIOD',
  })
  expect(nearestSetting('topology.source.url')).toBe('topology.source.urls')
})
