/**
 * Logins of the load without their slow part. A thousand clients on a thousand machines each derive
 * their own SCRAM key; here all of them would do it on this one, and starve the instrument, the
 * subjects and the nodes alike. Rule: each password is derived once for each salt and the key is
 * shared; what goes over the wire, and what the servers do, is what it always is.
 */
import type pg from 'pg'
import { KeyRing, ScramLogin } from '../storm/scram.ts'

/** The only way in that we know; another that a server offers is left to the driver. */
const MECHANISM = 'SCRAM-SHA-256'

/** What the driver calls at each step of a login; it has no public way to take part. */
interface Inner {
  readonly password: unknown
  readonly connection: {
    sendSASLInitialResponseMessage(mechanism: string, response: string): void
    sendSCRAMClientFinalMessage(response: string): void
    emit(event: 'error', error: unknown): void
  }
  _handleAuthSASL(message: { readonly mechanisms: readonly string[] }): void
  _handleAuthSASLContinue(message: { readonly data: string }): void
  _handleAuthSASLFinal(message: { readonly data: string }): void
}

export class SharedKeys {
  readonly #rings = new Map<string, KeyRing>()

  /** How often the slow derivation was done. */
  get derivations(): number {
    return [...this.#rings.values()].reduce((sum, ring) => sum + ring.derivations, 0)
  }

  /** To be called before it connects. A client without a password in plain text is left as it is. */
  lend(client: pg.Client): void {
    const inner = client as unknown as Inner
    if (typeof inner.password !== 'string' || inner.password === '') return
    const { connection } = inner
    const wrong = (error: unknown): void => connection.emit('error', error)
    const [first, next, last] = [
      inner._handleAuthSASL.bind(client),
      inner._handleAuthSASLContinue.bind(client),
      inner._handleAuthSASLFinal.bind(client),
    ]
    const ring = this.#ring(inner.password)
    let login: ScramLogin | undefined
    inner._handleAuthSASL = (message) => {
      if (!message.mechanisms.includes(MECHANISM)) return first(message)
      login = new ScramLogin(ring)
      connection.sendSASLInitialResponseMessage(MECHANISM, login.first())
    }
    inner._handleAuthSASLContinue = (message) => {
      if (login === undefined) return next(message)
      const send = (response: string): void => connection.sendSCRAMClientFinalMessage(response)
      login.final(message.data).then(send, wrong)
    }
    inner._handleAuthSASLFinal = (message) => {
      if (login === undefined) return last(message)
      try {
        login.verify(message.data)
      } catch (error) {
        wrong(error)
      }
    }
  }

  #ring(password: string): KeyRing {
    const known = this.#rings.get(password)
    if (known !== undefined) return known
    const ring = new KeyRing(password, 'cached')
    this.#rings.set(password, ring)
    return ring
  }
}
