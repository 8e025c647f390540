/** TLS towards nodes in the file: what is taken, for all and for one, and what does not go together. */
import { describe, expect, it } from 'vitest'
import { NodeTlsBook } from '../../../src/app/node-tls.ts'
import { load, problemsOf } from './scratch-file.ts'

const SECRETS = 'auth: { secrets: [{ username: app, password: pw }] }\n'
const withTls = (tls: string, node = ''): string =>
  `${SECRETS}tls: ${tls}\nnodes: [{ name: db, host: db.internal${node} }]\n`

function termsOf(text: string, name = 'db') {
  return new NodeTlsBook(load(text)).of({ name, host: 'db.internal' })
}

describe('what holds for a node', () => {
  it('is prefer, asked for, with channel binding where it is offered', () => {
    expect(termsOf(withTls('{}'))).toMatchObject({
      ...{ mode: 'prefer', direct: false, channelBinding: 'prefer' },
    })
  })

  it('is what stands at it, else what stands for all', () => {
    const file = withTls(
      '{ nodes: verify-full, nodesNegotiation: direct }',
      ', tls: { mode: require, channelBinding: require }',
    )
    const own = { mode: 'require', direct: true, channelBinding: 'require' }
    expect(termsOf(file)).toMatchObject(own)
    const others = { mode: 'verify-full', direct: true, channelBinding: 'prefer' }
    expect(termsOf(file, 'another')).toMatchObject(others)
  })

  it('is the name it is reached by, unless another is set', () => {
    const named = (node: string) => {
      const options = termsOf(withTls('{ nodes: verify-full }', node)).options()
      return [options.servername, options.rejectUnauthorized, 'checkServerIdentity' in options]
    }
    expect(named('')).toEqual(['db.internal', true, false])
    expect(named(', tls: { serverName: real.internal }')).toEqual(['real.internal', true, false])
    expect(named(', tls: { mode: verify-ca }')).toEqual(['db.internal', true, true])
    expect(named(', tls: { mode: require }')).toEqual(['db.internal', false, true])
  })
})

describe('what does not go together', () => {
  it.each([
    [
      '{ nodes: prefer, nodesNegotiation: direct }',
      '',
      'tls.nodesNegotiation: got "direct", want postgres, since the mode is prefer; direct needs require, verify-ca or verify-full',
    ],
    [
      '{ nodes: disable, nodesChannelBinding: require }',
      '',
      'tls.nodesChannelBinding: got "require", want prefer or disable, since the mode is disable; require needs TLS',
    ],
    [
      '{ nodes: require, nodesNegotiation: direct }',
      ', tls: { mode: prefer }',
      'nodes.db.tls.negotiation: got nothing, want postgres, since the mode is prefer; direct needs require, verify-ca or verify-full',
    ],
    [
      '{ nodesKeyFile: nothing.key }',
      '',
      'tls.nodesCertFile: got nothing, want the name of a PEM file, since its other half is there',
    ],
  ])('%s%s', (tls, node, problem) => {
    const found = problemsOf(withTls(tls, node)).map((line) => line.replace(/^\d+:\d+ +/, ''))
    expect(found).toContain(problem)
  })
})
