/**
 * Five differently broken files, each with every message a person gets. Rule: the messages stand
 * here in full, so a change of words is seen in review.
 */
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { loadSettings } from '../../../src/config/load.ts'
import { ConfigErrors } from '../../../src/config/problem.ts'

const folder = relative(process.cwd(), fileURLToPath(new URL('broken', import.meta.url)))

function linesOf(name: string): string[] {
  try {
    loadSettings({ file: `${folder}/${name}` })
  } catch (error) {
    if (error instanceof ConfigErrors) return error.message.replaceAll(`${folder}/`, '').split('\n')
    throw error
  }
  throw new Error(`${name} was taken for right`)
}

describe('a broken file is answered with every mistake at its place', () => {
  test('values that are wrong by themselves', () => {
    expect(linesOf('values.yaml')).toEqual([
      'values.yaml:2:44  nodes.node-1.port: got "5501", want a whole number from 1 to 65535',
      'values.yaml:4:3  pool.borowTimeout: no such setting; did you mean borrowTimeout?',
      'values.yaml:5:18  pool.borrowTimeout: got "5 parsecs", want a duration from 1ms to 1h such as "120s", or nowait, or unlimited',
      'values.yaml:6:26  pool.maxConnectionsPercent: got 120, want a whole number from 1 to 100',
      'values.yaml:7:16  pool.openTimeout: got 5, want a duration from 100ms to 5m such as "5s"',
      'values.yaml:9:17  limits.inspectBytes: got "1MB", want a size from 1KiB to 64MiB such as "1MiB"',
      'values.yaml:12:13  auth.methods.0: got "md6", want one of scram-sha-256, md5, cert',
      'values.yaml:13:15  log.level: got "loud", want one of trace, debug, info, warn, error, silent',
    ])
  })

  test('YAML that cannot be read', () => {
    expect(linesOf('torn.yaml.txt')).toEqual([
      'torn.yaml.txt:3:1  indented with a tab; YAML takes spaces only',
      'torn.yaml.txt:6:1  not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]',
    ])
  })

  test('endpoints, nodes and ports that do not fit together', () => {
    expect(linesOf('endpoints.yaml')).toEqual([
      'endpoints.yaml:4:13  nodes.node-2.name: got "node-2", want a name that no other node has',
      'endpoints.yaml:6:56  endpoints.writer.balance: got "random", want it left out, since it is for kind reader or custom and this is kind writer',
      'endpoints.yaml:7:41  endpoints.reader.port: got 6432, want a port that endpoint writer does not use',
      'endpoints.yaml:8:13  endpoints.reader.name: got "reader", want a name that no other endpoint has',
      'endpoints.yaml:8:63  endpoints.reader.staticMembers.0: got "node-l", want one of the nodes node-1, node-2; did you mean node-1?',
      'endpoints.yaml:8:72  endpoints.reader.excludedMembers: got both, want either staticMembers or excludedMembers',
      'endpoints.yaml:9:5  endpoints.one.node: got nothing, want the name of one of the nodes',
      'endpoints.yaml:9:40  endpoints.one.port: got 6480, want a port that admin does not use',
    ])
  })

  test('doors left open and a password where none belongs', () => {
    expect(linesOf('doors.yaml')).toEqual([
      'doors.yaml:2:9  listen.host: got "0.0.0.0", want a loopback address, or listen.allowPublic: true beside it',
      'doors.yaml:4:26  nodes.node-1.url: got "postgres://(hidden)@127.0.0.1:5501/app", want postgres://HOST or postgres://HOST:PORT and nothing more',
      'doors.yaml:7:30  pool.maxIdleConnectionsPercent: got 30, want at most maxConnectionsPercent, which is 20',
      'doors.yaml:10:10  auth.trust: got true, want false, since listen.host 0.0.0.0 is not loopback',
      'doors.yaml:11:1  tls.certFile: got nothing, want the name of a PEM file, since tls.mode is required',
      'doors.yaml:11:1  tls.keyFile: got nothing, want the name of a PEM file, since tls.mode is required',
      'doors.yaml:13:1  admin.users: got none, want at least one user, or admin.open, since other machines reach admin.host 10.0.0.1',
      'doors.yaml:14:9  admin.host: got "10.0.0.1", want a loopback address, or admin.allowPublic: true beside it',
    ])
  })

  test('relays that nobody is, or that nobody asks', () => {
    expect(linesOf('relays.yaml')).toEqual([
      'relays.yaml:1:1  listen.proxyTrusted: got nothing, want at least one network, since proxyProtocol is required',
    ])
    expect(linesOf('relays-off.yaml')).toEqual([
      'relays-off.yaml:2:3  listen.proxyTrusted: got a list, want it left out, since listen.proxyProtocol is off',
      'relays-off.yaml:3:16  listen.allow.1: got "10.0.0.0/33", want a network such as 10.0.0.0/8 or 2001:db8::/32, or a single address',
      'relays-off.yaml:4:18  listen.clientAddress: got "setting:plain", want off, application-name, or setting: and a name with a dot in it, such as setting:weir.client_address',
    ])
  })

  test('secrets that are missing, torn or half there', () => {
    expect(linesOf('secrets.yaml')).toEqual([
      'secrets.yaml:7:7  auth.secrets.0: got missing.json, which does not exist, want a file that can be read',
      'secrets.yaml:8:7  auth.secrets.1: got secrets-torn.json.txt, which is no JSON, want { "username": ..., "password": ... } or a list of them',
      'secrets.yaml:9:7  auth.secrets.2: got entry 2 of secrets-half.json, which has no password, want { "username": ..., "password": ... } or a list of them',
      'secrets.yaml:10:7  auth.secrets.3: got a section without password, want a file name such as secrets.json, { username, password }, { username, passwordEnv }, { env }, { command: [...], timeout, refresh } or { secretsManager: { secretId, region, endpoint, refresh } }',
    ])
  })

  test('no message ever shows a password', () => {
    for (const name of ['doors.yaml', 'secrets.yaml']) {
      expect(linesOf(name).join('\n')).not.toContain('hunter2')
    }
  })

  test('instances that do not know who they are', () => {
    const want = 'want HOST:PORT under a number from 1 to 255, such as { 2: "10.0.0.2:6432" }'
    expect(linesOf('instances.yaml')).toEqual([
      'instances.yaml:6:7  instance.id: got 256, want a whole number from 1 to 255',
      `instances.yaml:8:8  instance.peers.1: got "10.0.0.1", ${want}`,
      `instances.yaml:9:8  instance.peers.2: got "10.0.0.2:65536", ${want}`,
      `instances.yaml:10:12  instance.peers.three: got "10.0.0.3:6432", ${want}`,
      `instances.yaml:11:10  instance.peers.256: got "[::1]:6432", ${want}`,
    ])
    expect(linesOf('own-peer.yaml')).toEqual([
      'own-peer.yaml:7:35  instance.peers.2: got "[::1]:6432", want only other instances',
    ])
    expect(linesOf('alone.yaml')).toEqual([
      'alone.yaml:5:1  instance.id: got nothing, want a number of its own, since instance.peers has others',
    ])
  })
})
