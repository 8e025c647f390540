import { describe, expect, it } from 'vitest'
import { ScramClient } from '../../../src/auth/scram-client.ts'
import {
  deriveKeys,
  formatVerifier,
  parseVerifier,
  type ScramVerifier,
} from '../../../src/auth/scram-keys.ts'
import { ScramServer } from '../../../src/auth/scram-server.ts'
import type { WeirError } from '../../../src/core/errors.ts'

/** The exchange printed in RFC 7677 section 3. */
const RFC = {
  password: 'pencil',
  salt: Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'),
  clientNonce: 'rOprNGfwEbeRWgbNEkqO',
  serverNonce: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
  clientFirst: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
  serverFirst:
    'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  clientFinal:
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
}

const keys = await deriveKeys(RFC.password, RFC.salt, 4096)
const verifier: ScramVerifier = { iterations: 4096, salt: RFC.salt, ...keys }
const bytes = (text: string) => Buffer.from(text, 'utf8')

function thrownBy(work: () => unknown): WeirError {
  try {
    work()
  } catch (error) {
    return error as WeirError
  }
  throw new Error('nothing was thrown')
}

function server(known = true) {
  return new ScramServer({ verifier, known, nonce: RFC.serverNonce })
}

describe('the exchange published in RFC 7677', () => {
  it('is what the server side says', () => {
    const s = server()
    expect(s.begin(bytes(RFC.clientFirst)).toString()).toBe(RFC.serverFirst)
    const verdict = s.finish(bytes(RFC.clientFinal))
    expect(verdict).toMatchObject({ kind: 'proved', clientKey: keys.clientKey })
    expect(verdict.kind === 'proved' && verdict.data.toString()).toBe(RFC.serverFinal)
  })

  it('is what the client side says', () => {
    const c = new ScramClient(RFC.clientNonce, 'user')
    expect(c.begin().toString()).toBe(RFC.clientFirst)
    expect(c.challenge(bytes(RFC.serverFirst))).toEqual({ salt: RFC.salt, iterations: 4096 })
    expect(c.respond(keys).toString()).toBe(RFC.clientFinal)
    c.verify(bytes(RFC.serverFinal))
  })
})

describe('the server side', () => {
  it('calls a right proof for an unknown user wrong', () => {
    const s = server(false)
    s.begin(bytes(RFC.clientFirst))
    expect(s.finish(bytes(RFC.clientFinal))).toEqual({ kind: 'wrong' })
  })

  it('takes a client that could bind channels but believes we cannot', () => {
    const s = server()
    s.begin(bytes('y,,n=,r=abc'))
    const c = `c=eSws,r=abc${RFC.serverNonce},p=${Buffer.alloc(32).toString('base64')}`
    expect(s.finish(bytes(c))).toEqual({ kind: 'wrong' })
  })

  it.each([
    ['an empty message', '', '08P01'],
    ['a zero byte', 'n,,n=,r=a\0b', '08P01'],
    ['channel binding wanted', 'p=tls-unique,,n=,r=abc', '08P01'],
    ['an unknown flag', 'x,,n=,r=abc', '08P01'],
    ['another identity', 'n,a=boss,n=,r=abc', '0A000'],
    ['a mandatory extension', 'n,,m=x,n=,r=abc', '0A000'],
    ['no name', 'n,,r=abc', '08P01'],
    ['no nonce', 'n,,n=', '08P01'],
    ['an empty nonce', 'n,,n=,r=', '08P01'],
    ['a nonce that is not printable', 'n,,n=,r=a b', '08P01'],
  ])('refuses a first message with %s', (_, text, sqlstate) => {
    expect(thrownBy(() => server().begin(bytes(text))).sqlstate).toBe(sqlstate)
  })

  const p = 'dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ='
  const r = `${RFC.clientNonce}${RFC.serverNonce}`
  it.each([
    ['no proof', `c=biws,r=${r}`, 'malformed SCRAM message'],
    ['a short proof', `c=biws,r=${r},p=AAAA`, 'malformed SCRAM message'],
    ['a proof that is not base64', `c=biws,r=${r},p=****`, 'malformed SCRAM message'],
    ['another nonce', `c=biws,r=${r}x,p=${p}`, 'invalid SCRAM response'],
    ['our nonce cut short', `c=biws,r=${RFC.clientNonce},p=${p}`, 'invalid SCRAM response'],
    [
      'another channel',
      `c=eSws,r=${r},p=${p}`,
      'unexpected SCRAM channel-binding attribute in client-final-message',
    ],
    ['its parts swapped', `r=${r},c=biws,p=${p}`, 'malformed SCRAM message'],
  ])('refuses a final message with %s', (_, text, message) => {
    const s = server()
    s.begin(bytes(RFC.clientFirst))
    const error = thrownBy(() => s.finish(bytes(text)))
    expect([error.message, error.sqlstate]).toEqual([message, '08P01'])
  })

  it('calls every proof with one changed bit wrong', () => {
    const proof = Buffer.from(p, 'base64')
    for (let bit = 0; bit < 256; bit++) {
      const changed = Buffer.from(proof)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      const s = server()
      s.begin(bytes(RFC.clientFirst))
      const text = `c=biws,r=${r},p=${changed.toString('base64')}`
      expect(s.finish(bytes(text))).toEqual({ kind: 'wrong' })
    }
  })
})

describe('the client side', () => {
  const s = 's=W22ZaJ0SNY7soEsUEjb6gQ=='
  it.each([
    ['a nonce that is only ours', `r=${RFC.clientNonce},${s},i=4096`],
    ['a nonce that is not ours', `r=other,${s},i=4096`],
    ['no salt', `r=${RFC.clientNonce}x,i=4096`],
    ['an empty salt', `r=${RFC.clientNonce}x,s=,i=4096`],
    ['no iterations', `r=${RFC.clientNonce}x,${s},i=0`],
    ['iterations that would burn hours', `r=${RFC.clientNonce}x,${s},i=2000000000`],
    ['iterations that are not a number', `r=${RFC.clientNonce}x,${s},i=4096x`],
    ['an extension', `m=x,r=${RFC.clientNonce}x,${s},i=4096`],
  ])('refuses a challenge with %s', (_, text) => {
    const c = new ScramClient(RFC.clientNonce)
    expect(thrownBy(() => c.challenge(bytes(text))).code).toMatch(/^WEIR_SCRAM_/)
  })

  it.each([
    ['a changed signature', 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=', '08P01'],
    ['another signature', `v=${Buffer.alloc(32).toString('base64')}`, '08P01'],
    ['a short signature', 'v=AAAA', '08P01'],
    ['an error', 'e=invalid-proof', '28P01'],
  ])('does not believe a server that ends with %s', (_, text, sqlstate) => {
    const c = new ScramClient(RFC.clientNonce, 'user')
    c.challenge(bytes(RFC.serverFirst))
    c.respond(keys)
    expect(thrownBy(() => c.verify(bytes(text))).sqlstate).toBe(sqlstate)
  })
})

describe('the stored form of a verifier', () => {
  it('is read and written the way Postgres does', () => {
    const text = formatVerifier(verifier)
    expect(text).toMatch(/^SCRAM-SHA-256\$4096:W22ZaJ0SNY7soEsUEjb6gQ==\$[^:]{44}:[^:]{44}$/)
    expect(parseVerifier(text)).toEqual({
      iterations: 4096,
      salt: RFC.salt,
      storedKey: keys.storedKey,
      serverKey: keys.serverKey,
    })
  })

  it.each([
    'pencil',
    'SCRAM-SHA-256$4096:AAAA$BBBB:CCCC',
    formatVerifier(verifier).replace('4096', '0'),
    formatVerifier(verifier).slice(0, -1),
  ])('is not seen in %s', (text) => {
    expect(parseVerifier(text)).toBeUndefined()
  })
})
