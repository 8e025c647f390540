/**
 * Busy clients, and somebody who sends cancel requests for them at random. Rule: every statement
 * carries its owner and its number and must bring both back together with the owner's settings; what
 * was sent, answered and cancelled is written down in one order for the judge.
 */
import { PROTOCOL_3_0, PROTOCOL_3_2 } from '../../src/wire/postgres/codes.ts'
import * as frontend from '../../src/wire/postgres/frontend.ts'
import { readErrorFields } from '../../src/wire/postgres/read.ts'
import type { Requested, Tried } from './cancel-judge.ts'
import { RawClient, type RawMessage, rowsIn } from './raw-client.ts'
import { exchange } from './raw-session.ts'

export interface StormOptions {
  /** Ports of endpoints that lead to the same pool. */
  readonly ports: readonly number[]
  readonly clients: number
  readonly cancels: number
  readonly random: () => number
}

export interface Storm {
  readonly tried: readonly Tried[]
  readonly requested: readonly Requested[]
  /** Answers that are neither right nor 57014. */
  readonly wrong: readonly string[]
}

/** Requests under way at the same time. */
const HANDS = 6
const WRONG_SECRETS = 0.05
/** Most requests go to what runs now: in transactions, and what was sent longest ago. */
const FRONT = 4

export async function storm(options: StormOptions): Promise<Storm> {
  const book = new Book()
  const workers = await Promise.all(
    Array.from({ length: options.clients }, (_, i) => Worker.open(i, book, options)),
  )
  const work = Promise.all(workers.map((worker) => worker.work()))
  let left = options.cancels
  const hand = async (): Promise<void> => {
    while (left-- > 0) {
      await turns(options.random() * 4)
      await cancelOne(workers, book, options)
    }
  }
  await Promise.race([Promise.all(Array.from({ length: HANDS }, hand)), work])
  for (const worker of workers) worker.stop()
  await work
  for (const worker of workers) worker.client.destroy()
  return book
}

async function cancelOne(
  workers: readonly Worker[],
  book: Book,
  { random, ports }: StormOptions,
): Promise<void> {
  const busy = workers.filter((w) => w.since > 0)
  const waited = busy.filter((w) => !w.holds).sort((a, b) => a.since - b.since)
  const front = [...busy.filter((w) => w.holds), ...waited.slice(0, FRONT)]
  const among = random() < 0.8 && front.length > 0 ? front : workers
  const { id, client } = among[Math.floor(random() * among.length)]!
  const right = random() >= WRONG_SECRETS
  const secret = Buffer.from(client.secret)
  if (!right) secret[0]! ^= 1
  const port = ports[Math.floor(random() * ports.length)]!
  // Now and then two at once.
  const times = random() < 0.05 ? 2 : 1
  await Promise.all(
    Array.from({ length: times }, async () => {
      const request = { client: id, right, began: book.tick(), ended: Infinity }
      book.requested.push(request)
      const answer = await exchange(port, frontend.cancelRequest(client.pid, secret))
      request.ended = book.tick()
      if (answer.length > 0)
        book.wrong.push(`a cancel request was answered: ${answer.toString('latin1')}`)
    }),
  )
}

class Book implements Storm {
  readonly tried: Tried[] = []
  readonly requested: Requested[] = []
  readonly wrong: string[] = []
  #now = 0

  tick(): number {
    return ++this.#now
  }
}

/** One client that is never idle for long. */
class Worker {
  readonly id: number
  readonly client: RawClient
  /** When what is under way was sent; 0 when nothing is. */
  since = 0
  /** It is in a transaction. */
  holds = false
  #book: Book
  #random: () => number
  #going = true
  #number = 0
  /** Value of a setting that follows this client from connection to connection. */
  #mark = ''

  private constructor(id: number, client: RawClient, book: Book, random: () => number) {
    this.id = id
    this.client = client
    this.#book = book
    this.#random = random
  }

  static async open(id: number, book: Book, { ports, random }: StormOptions): Promise<Worker> {
    const port = ports[id % ports.length]!
    const parameters = { application_name: `client-${id}` }
    // Some with the long secrets of protocol 3.2.
    const version = id % 2 === 0 ? PROTOCOL_3_0 : PROTOCOL_3_2
    const client = await RawClient.open({ port, parameters, version })
    return new Worker(id, client, book, random)
  }

  stop(): void {
    this.#going = false
  }

  async work(): Promise<void> {
    while (this.#going) {
      const kind = this.#random()
      if (kind < 0.4) await this.#ask(frontend.query)
      else if (kind < 0.6) await this.#askPrepared()
      else if (kind < 0.75) await this.#set()
      else await this.#transaction()
      await turns(this.#random() * 3)
    }
  }

  async #transaction(): Promise<void> {
    let { status } = await this.#send(frontend.query('begin'))
    for (let i = 0; i < 3 && status === 'T'; i++) status = await this.#ask(frontend.query)
    while (status !== 'I') {
      const end = status === 'T' && this.#random() < 0.5 ? 'commit' : 'rollback'
      status = (await this.#send(frontend.query(end))).status
    }
  }

  async #ask(message: (text: string) => Buffer): Promise<string> {
    const tag = this.#tag()
    const text = `select '${tag}', ${REST} from ${this.#pause()}`
    return (await this.#send(message(text), tag)).status
  }

  /** A named statement that has the same name and another text in each client. */
  async #askPrepared(): Promise<void> {
    const tag = this.#tag()
    const text = `select '${tag}', ${REST} from ${this.#pause()}`
    const batch = [
      frontend.close('S', 's'),
      frontend.parse('s', text, []),
      frontend.bind('', 's'),
      frontend.execute('', 0),
      frontend.sync(),
    ]
    await this.#send(Buffer.concat(batch), tag)
  }

  /** A SET that was cancelled has not been; any other has, whatever a request hits behind it. */
  async #set(): Promise<void> {
    const mark = this.#tag()
    const set = `select pg_sleep(${(this.#random() * 0.004).toFixed(4)}); set storm.mark = '${mark}'`
    if ((await this.#send(frontend.query(set))).code === undefined) this.#mark = mark
  }

  #tag(): string {
    return `${this.id}:${this.#number + 1}`
  }

  /** About as long as a cancel request takes, so that many come when it is just over. */
  #pause(): string {
    return `pg_sleep(${(this.#random() * 0.02).toFixed(4)})`
  }

  /** Sends up to one ReadyForQuery and checks what comes back. */
  async #send(bytes: Buffer, tag?: string): Promise<{ status: string; code: string | undefined }> {
    const book = this.#book
    const from = this.client.messages.length
    const sent = book.tick()
    this.since = sent
    const number = ++this.#number
    const messages = await this.client.ask(bytes, 1, 60_000)
    this.since = 0
    const answered = book.tick()
    const error = messages.find((m) => m.letter === 'E')
    const fields = error === undefined ? undefined : readErrorFields(error.frame.subarray(5))
    book.tried.push({
      client: this.id,
      number,
      sent,
      answered,
      code: fields?.code,
      detail: fields?.detail,
    })
    const where = `client ${this.id}, statement ${number}`
    if (fields !== undefined) {
      if (fields.code !== '57014') book.wrong.push(`${where}: ${fields.code} ${fields.message}`)
    } else if (tag !== undefined) this.#check(messages, tag, where)
    this.client.messages.splice(from)
    const status = String.fromCharCode(messages.at(-1)!.frame[5]!)
    this.holds = status !== 'I'
    return { status, code: fields?.code }
  }

  #check(messages: readonly RawMessage[], tag: string, where: string): void {
    const got = rowsIn(messages)[0]?.join(' ')
    const due = `${tag} client-${this.id} ${this.#mark}`
    if (got !== due) this.#book.wrong.push(`${where}: got ${got}, not ${due}`)
  }
}

const REST = `current_setting('application_name'), coalesce(current_setting('storm.mark', true), '')`

async function turns(count: number): Promise<void> {
  for (let left = count; left > 1; left--) await new Promise((resolve) => setImmediate(resolve))
}
