/**
 * What a client is told at the end of its login. Rule: what many are told in the same words is put
 * into words once; only its own name and its cancel key are written for each.
 */
import { backendKeyData, parameterStatus, readyForQuery } from '../../wire/postgres/backend.ts'
import type { CancelKey } from '../contract.ts'
import { OWN_NAME } from './kinds.ts'

const NOTHING = Buffer.alloc(0)
const READY = readyForQuery('I')

export class WelcomeWords {
  /** Of all parameters but the name; those of a welcome that is forgotten go with it. */
  #known = new WeakMap<ReadonlyMap<string, string>, Buffer>()

  /** @param ownName what the client is told that it is called; undefined: as the parameters say */
  of(parameters: ReadonlyMap<string, string>, ownName: string | undefined, key: CancelKey): Buffer {
    const name = ownName ?? parameters.get(OWN_NAME)
    return Buffer.concat([
      this.#shared(parameters),
      name === undefined ? NOTHING : parameterStatus(OWN_NAME, name),
      backendKeyData(key.pid, key.secret),
      READY,
    ])
  }

  #shared(parameters: ReadonlyMap<string, string>): Buffer {
    const known = this.#known.get(parameters)
    if (known !== undefined) return known
    const others = [...parameters].filter(([name]) => name !== OWN_NAME)
    const words = Buffer.concat(others.map(([name, value]) => parameterStatus(name, value)))
    this.#known.set(parameters, words)
    return words
  }
}
