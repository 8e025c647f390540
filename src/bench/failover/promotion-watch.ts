/**
 * When did a node become the writer: each node that may is asked, over a connection that was open
 * before the fault, to look at itself every millisecond, so that a busy instrument blurs nothing.
 * Rule: the time given is the last moment at which the promoted node was still known to be a reader,
 * so that what is counted from it is never too short; how far the truth may lie behind it is given
 * too. A node that cannot look at itself is asked again and again from here.
 */
import type pg from 'pg'
import { SEQUENCE_TABLE } from './sequence-table.ts'

export interface Seen {
  readonly name: string
  /** Wall ms: when the last question was sent that was answered "in recovery". */
  readonly at: number
  /** The first answer "not in recovery" came so much later (ms). */
  readonly withinMs: number
}

/** Looks of one statement: it ends by itself after so many milliseconds, whoever is there to hear it. */
const LOOKS = 150

/**
 * Says in a notice when it last was a reader, and since when it is a writer, if it is: milliseconds
 * by the node's own clock.
 */
const LOOK = `do $watch$ declare asked float8; reader float8; begin
  for look in 1..${LOOKS} loop
    asked := extract(epoch from clock_timestamp()) * 1000;
    if not pg_is_in_recovery() then
      raise notice 'looked % %', reader, extract(epoch from clock_timestamp()) * 1000;
      return;
    end if;
    reader := asked;
    perform pg_sleep(0.001);
    commit;
  end loop;
  raise notice 'looked % %', reader, null::float8;
end $watch$`

/** Row of the reference write; no client of the load has this number. */
const REFERENCE = 0

export interface Watched {
  readonly name: string
  readonly client: pg.Client
}

export class PromotionWatch {
  readonly #nodes: readonly Watched[]
  readonly #now: () => number
  #going = true
  #seen: Seen | undefined
  #loops: Promise<void>[] = []
  #written: Promise<number | undefined> = Promise.resolve(undefined)

  constructor(nodes: readonly Watched[], now: () => number) {
    this.#nodes = nodes
    this.#now = now
  }

  get seen(): Seen | undefined {
    return this.#seen
  }

  /**
   * When a write of our own was acknowledged by the new writer, asked the moment it was seen: no
   * subject can be sooner. Undefined without a promotion or when the write failed.
   */
  get written(): Promise<number | undefined> {
    return this.#written
  }

  start(): void {
    this.#loops = this.#nodes.map((node) => this.#watch(node))
  }

  async stop(): Promise<void> {
    this.#going = false
    await Promise.all(this.#loops)
  }

  async #watch({ name, client }: Watched): Promise<void> {
    let reader: Moment = { at: this.#now(), sure: 0 }
    const seen = ({ at, sure }: Moment, since: number): void => {
      if (this.#seen !== undefined) return
      this.#seen = { name, at: at - sure, withinMs: since - at + 2 * sure }
      this.#written = this.#write(client)
    }
    try {
      const clock = await clockOf(client, this.#now)
      await client.query('set client_min_messages = notice')
      while (this.#going && this.#seen === undefined) {
        const [last, since] = await looked(client)
        if (last !== undefined) reader = { at: last + clock.offset, sure: clock.sure }
        if (since !== undefined) seen(reader, since + clock.offset)
      }
    } catch (error) {
      // A node that goes away is not the one that is promoted; one without the language may be.
      if ((error as { severity?: unknown }).severity === 'ERROR')
        await this.#ask(client, reader, seen)
    }
  }

  /** The same by questions. */
  async #ask(
    client: pg.Client,
    reader: Moment,
    seen: (reader: Moment, since: number) => void,
  ): Promise<void> {
    let last = reader
    while (this.#going && this.#seen === undefined) {
      const asked = this.#now()
      try {
        const { rows } = await client.query('select pg_is_in_recovery() as recovery')
        if (rows[0].recovery === false) return seen(last, this.#now())
        last = { at: asked, sure: 0 }
      } catch {
        return
      }
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }

  async #write(client: pg.Client): Promise<number | undefined> {
    const row = `insert into ${SEQUENCE_TABLE} values (${REFERENCE}, 1, 1)`
    return client.query(row).then(this.#now, () => undefined)
  }
}

/** Wall ms by the instrument's clock; `sure` to so many either way. */
interface Moment {
  readonly at: number
  readonly sure: number
}

/** When it was last a reader, and since when it is a writer, by its own clock. Throws what the driver throws. */
async function looked(client: pg.Client): Promise<readonly (number | undefined)[]> {
  let said: readonly (number | undefined)[] = []
  const hear = ({ message = '' }: { message?: string | undefined }): void => {
    const [, ...times] = /^looked (\S+) (\S+)$/.exec(message) ?? []
    if (times.length > 0) said = times.map((time) => (time === '<NULL>' ? undefined : Number(time)))
  }
  client.on('notice', hear)
  try {
    await client.query(LOOK)
  } finally {
    client.off('notice', hear)
  }
  return said
}

/** What to add to the node's clock; the quickest of a few questions tells best. */
async function clockOf(
  client: pg.Client,
  now: () => number,
): Promise<{ readonly offset: number; readonly sure: number }> {
  let best = { offset: 0, sure: Infinity }
  for (let i = 0; i < 5; i++) {
    const asked = now()
    const { rows } = await client.query(
      'select extract(epoch from clock_timestamp())::float8 * 1000 as ms',
    )
    const sure = (now() - asked) / 2
    if (sure < best.sure) best = { offset: asked + sure - rows[0].ms, sure }
  }
  return best
}
