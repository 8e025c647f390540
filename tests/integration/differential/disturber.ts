/**
 * Other clients of the same pool, who leave as much behind as they can on every server connection:
 * statements of the same names with other texts, unnamed statements, other settings, broken
 * transactions. Rule: none of it may ever be seen by the client under test.
 */
import { close, execute, parse, query, sync } from '../../../src/wire/postgres/frontend.ts'
import { RawClient } from '../../support/raw-client.ts'
import { bindTo } from './scenario.ts'

const NAMES = ['a', 'b', 'c', 'd', 'p', 'q', 'r', 'm1', 'weir:1']
const SETTINGS: readonly Readonly<Record<string, string>>[] = [
  { application_name: 'disturber', TimeZone: 'Pacific/Chatham', DateStyle: 'German, DMY' },
  { options: '-c search_path=elsewhere -c work_mem=7MB', 'x.y': 'not yours' },
  { extra_float_digits: '-3', IntervalStyle: 'sql_standard', client_encoding: 'LATIN1' },
]

/** Texts whose meaning depends on the settings of whoever prepares them. */
export const AMBIGUOUS: readonly string[] = [
  "select '01/02/2024'::date - date '2024-01-01'",
  "select extract(epoch from '2024-06-01 12:00'::timestamptz)",
  'select * from here',
  "select '1 2:03'::interval, 0.1::float8 + 0.2::float8",
]

export class Disturbers {
  #port: number
  #clients: RawClient[] = []
  #holding: RawClient | undefined
  #turn = 0

  constructor(port: number) {
    this.#port = port
  }

  /** Clients, as many as there are server connections, each with settings of its own. */
  async come(): Promise<void> {
    for (const [i, parameters] of SETTINGS.entries()) {
      const client = await RawClient.open({ port: this.#port, parameters })
      this.#clients.push(client)
      for (const name of NAMES) {
        const text = `select 'of disturber ${i}', '${name}'`
        await client.ask(Buffer.concat([parse(name, text, []), sync()]))
      }
      // The same text as a scenario has, with another meaning here.
      for (const [k, text] of AMBIGUOUS.entries()) {
        await client.ask(Buffer.concat([parse(`same${k}`, text, []), sync()]))
      }
    }
  }

  /**
   * Lets everybody do harm, then takes one server connection away for a while, so that the client
   * under test finds itself on another one than before.
   */
  async disturb(): Promise<void> {
    if (this.#holding !== undefined) await this.#holding.ask(query('rollback'))
    this.#turn++
    await Promise.all(this.#clients.map((client, i) => client.ask(this.#harm(i), 2)))
    this.#holding = this.#clients[this.#turn % this.#clients.length]!
    await this.#holding.ask(query('begin'))
  }

  async leave(): Promise<void> {
    await this.#holding?.ask(query('rollback'))
    for (const client of this.#clients) client.destroy()
  }

  /** Ends in two ReadyForQuery. */
  #harm(who: number): Buffer {
    const name = NAMES[(this.#turn + who) % NAMES.length]!
    const once = bindTo({ statement: name })
    const same = bindTo({ statement: `same${this.#turn % AMBIGUOUS.length}` })
    const fresh = parse('', `select 'unnamed of ${who}', ${this.#turn}`, [])
    const use = [once, execute('', 0)]
    switch ((this.#turn + who) % 5) {
      case 0:
        return Buffer.concat([fresh, bindTo({}), execute('', 0), sync(), ...use, sync()])
      case 1:
        return Buffer.concat([same, execute('', 0), fresh, sync(), query('select 1/0')])
      case 2:
        return Buffer.concat([query('begin; select 1/0'), query('rollback')])
      case 3: {
        const again = parse(name, `select 'again', '01/02/2024'::date`, [])
        return Buffer.concat([close('S', name), again, ...use, sync(), fresh, sync()])
      }
      default: {
        const doomed = parse(`z${this.#turn}`, 'nonsense', [])
        return Buffer.concat([bindTo({ statement: 'nobody' }), doomed, sync(), fresh, sync()])
      }
    }
  }
}
