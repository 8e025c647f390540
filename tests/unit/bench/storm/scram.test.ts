/** The instrument's own SCRAM, against known keys and against a server side it does not share. */
import { describe, expect, it } from 'vitest'
import { formatVerifier, parseVerifier } from '../../../../src/auth/scram-keys.ts'
import { ScramServer } from '../../../../src/auth/scram-server.ts'
import { KeyRing, md5Proof, ScramLogin } from '../../../../src/bench/storm/scram.ts'

/** Password `pencil` and this salt are the example of RFC 7677. */
const SALT = 'W22ZaJ0SNY7soEsUEjb6gQ=='

async function verifierOf(password: string): Promise<string> {
  const { stored, server } = await new KeyRing(password, 'fresh').keys(SALT, 4096)
  const salt = Buffer.from(SALT, 'base64')
  return formatVerifier({ iterations: 4096, salt, storedKey: stored, serverKey: server })
}

describe('Keys', () => {
  it('are those of the example, in the form in which Postgres keeps them', async () => {
    expect(await verifierOf('pencil')).toBe(
      `SCRAM-SHA-256$4096:${SALT}$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=`,
    )
  })

  it('are derived once for each salt when they are kept, and each time when they are fresh', async () => {
    for (const [mode, times] of [
      ['cached', 2],
      ['fresh', 4],
    ] as const) {
      const ring = new KeyRing('pencil', mode)
      for (const salt of [SALT, SALT, 'AAAA', SALT]) await ring.keys(salt, 2)
      expect(ring.derivations, mode).toBe(times)
    }
  })
})

describe('A login', () => {
  const server = async (password: string): Promise<ScramServer> => {
    const verifier = parseVerifier(await verifierOf(password))
    if (verifier === undefined) throw new Error('no verifier')
    return new ScramServer({ verifier, known: true, nonce: 'x'.repeat(24) })
  }

  it('is believed by a server that knows the password, and believes it', async () => {
    const [login, judge] = [new ScramLogin(new KeyRing('pencil', 'cached')), await server('pencil')]
    const challenge = judge.begin(Buffer.from(login.first())).toString()
    const verdict = judge.finish(Buffer.from(await login.final(challenge)))
    if (verdict.kind !== 'proved') throw new Error('it was not believed')
    login.verify(verdict.data.toString())
    expect(() => login.verify('v=bGllcw==')).toThrow('does not know the password')
  })

  it('with another password is not believed', async () => {
    const [login, judge] = [new ScramLogin(new KeyRing('pen', 'cached')), await server('pencil')]
    const challenge = judge.begin(Buffer.from(login.first())).toString()
    expect(judge.finish(Buffer.from(await login.final(challenge))).kind).toBe('wrong')
  })

  it('goes on only with a challenge that carries its own nonce', async () => {
    const login = new ScramLogin(new KeyRing('pencil', 'cached'))
    await expect(login.final(`r=other,s=${SALT},i=4096`)).rejects.toThrow('cannot be read')
  })
})

describe('An MD5 proof', () => {
  it('is what Postgres expects', () => {
    // echo -n "$(echo -n secretapp | md5sum | cut -c-32)salt" | md5sum
    expect(md5Proof('app', 'secret', Buffer.from('salt'))).toBe(
      'md57f097e06031b34893c20e25a0e68242c',
    )
  })
})
