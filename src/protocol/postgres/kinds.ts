/**
 * What clients that begin alike have in common: who they say they are, what they asked for at start,
 * and what was learnt of their kind. Rule: ten thousand equal clients hold one copy of it; with too
 * many kinds all are forgotten, so that made-up settings cannot fill memory.
 */
import type { Introduction } from '../contract.ts'
import { type HandOn, handOnAddress } from './client-address.ts'
import type { Authenticated } from './greet-step.ts'
import type { Habits } from './sequence-watch.ts'
import { meaningKeyOf, settingsKeyOf } from './settings.ts'

export interface PostgresIntroduction extends Introduction {
  readonly protocolMinor: 0 | 2
}

export interface Kind {
  readonly habits: Habits
  /** Database and user, whose texts mean the same under the same settings. */
  readonly realm: string
  /** That, and those of the settings at start that decide about it. */
  readonly meaning: string
  /** See the contract. */
  readonly welcome: string
  /** The name it calls itself, as a server would report it; undefined when only a server can say. */
  readonly ownName: string | undefined
}

const MOST_KINDS = 1_000
const NOTHING = Buffer.alloc(0)

export const OWN_NAME = 'application_name'
/** What a server cuts short or changes is left to it (guc.c, check_application_name). */
const PLAIN_NAME = /^[\x20-\x7e]{0,63}$/

function plainName(name: string | undefined): string | undefined {
  return name !== undefined && PLAIN_NAME.test(name) ? name : undefined
}

/** What is kept under `key`, made when it is not there; forgets all when there are too many. */
function found<T>(known: Map<string, T>, key: string, make: () => T): T {
  let value = known.get(key)
  if (value === undefined) {
    if (known.size >= MOST_KINDS) known.clear()
    value = make()
    known.set(key, value)
  }
  return value
}

export class Kinds {
  #clientAddress: HandOn
  #introductions = new Map<string, PostgresIntroduction>()
  #kinds = new WeakMap<Introduction, Kind>()
  #habits = new Map<string, Habits>()
  #databases = new Map<string, Habits['database']>()

  /**
   * @param clientAddress how addresses are handed on to Postgres
   */
  constructor(clientAddress: HandOn = 'off') {
    this.#clientAddress = clientAddress
  }

  /** What a login from `address` has come to; the same object for clients of which all of it is equal. */
  introduce(step: Authenticated, address?: string): PostgresIntroduction {
    const { user, database, endpoint, replication, protocolMinor } = step
    const settings = new Map<string, string>()
    for (const [name, value] of step.options) settings.set(name.toLowerCase(), value)
    for (const [name, value] of step.parameters) settings.set(name.toLowerCase(), value)
    handOnAddress(this.#clientAddress, settings, address)
    const settingsKey = settingsKeyOf(settings)
    const all = [user, database, endpoint, replication, protocolMinor, settingsKey]
    const shared = found(this.#introductions, JSON.stringify(all), () => ({
      ...{ user, database, endpoint, replication, settings, settingsKey, protocolMinor },
      rest: NOTHING,
    }))
    return step.rest.length === 0 ? shared : { ...shared, rest: Buffer.from(step.rest) }
  }

  of(who: Introduction): Kind {
    let kind = this.#kinds.get(who)
    if (kind === undefined) {
      kind = this.#learn(who)
      this.#kinds.set(who, kind)
    }
    return kind
  }

  #learn({ database, user, settings, settingsKey }: Introduction): Kind {
    const minds = found(this.#databases, database, () => ({ minds: false }))
    const key = JSON.stringify([database, user, settingsKey])
    const habits = found(this.#habits, key, () => ({ readsSequences: false, database: minds }))
    const realm = JSON.stringify([database, user])
    const meaning = realm + meaningKeyOf(settings)
    const ownName = plainName(settings.get(OWN_NAME))
    if (ownName === undefined) return { habits, realm, meaning, welcome: key, ownName }
    const others = settingsKeyOf(new Map([...settings].filter(([name]) => name !== OWN_NAME)))
    // One that has a name is told of it, which is not so of one that has none.
    const welcome = JSON.stringify([database, user, others, 'named'])
    return { habits, realm, meaning, welcome, ownName }
  }
}
