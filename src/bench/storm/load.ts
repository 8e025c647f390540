/**
 * One thread's share of a storm: brings its clients in when they are due, keeps them asking, and
 * counts. Rule: what is due is begun whether or not what went before is over, and whatever delay is
 * the thread's own is measured beside the target's.
 */
import { StallWatch } from '../failover/stall-watch.ts'
import { type ClientEvents, type ClientHost, StormClient } from './client.ts'
import { type LoadOrder, type LoadWord, SLICE_MS, StormClock } from './load-words.ts'
import { query, type ServerError, startup } from './messages.ts'
import { arrivalsOf, arrivedBy, counts, cutOf, dueOf, overBy, warmUpOf } from './plan.ts'
import { Ring } from './ring.ts'
import { KeyRing } from './scram.ts'
import { sourceOf } from './source-address.ts'
import { Tally } from './tally.ts'

/** Sockets opened in one turn of the event loop; the answers of others are read in between. */
const ARRIVALS_A_TURN = 64
/** How often clients are looked through for those that have waited too long (ms). */
const PATIENCE_EVERY = 200
/** A thread's share of what comes before the storm; whatever goes wrong will go wrong again. */
export async function warmUp(order: LoadOrder): Promise<void> {
  if (order.plan.warmUp === 0) return
  const plan = warmUpOf(order.plan)
  await new Load({ ...order, plan }, () => {}).run(new StormClock().now())
}

export class Load {
  readonly #order: LoadOrder
  readonly #say: (word: LoadWord) => void
  readonly #clock = new StormClock()
  readonly #host: ClientHost
  readonly #statements: readonly Buffer[]
  readonly #clients = new Set<StormClient>()
  readonly #tally = new Tally()
  readonly #stalls: StallWatch
  readonly #events: ClientEvents
  #ring: Ring<StormClient> | undefined
  #next: number
  #retries = 0
  #cutDone = false
  #over = false
  #startAt = 0
  #slice = 0
  #lookedAt = 0
  #done: () => void = () => {}

  constructor(order: LoadOrder, say: (word: LoadWord) => void) {
    const { plan, address, thread, ip } = order
    this.#order = order
    this.#say = say
    this.#next = thread
    this.#stalls = new StallWatch(() => this.#clock.now())
    this.#host = {
      address,
      ip,
      startup: startup(address.user, address.database, 'weir storm'),
      keys: new KeyRing(address.password, plan.keys),
      readBuffer: Buffer.allocUnsafe(65_536),
    }
    const asked = plan.shape === 'waves' ? ['begin', plan.query, 'commit'] : [plan.query]
    this.#statements = asked.map(query)
    this.#events = {
      connected: (client) => this.#connected(client),
      loggedIn: (client) => this.#loggedIn(client),
      answered: (client, error) => this.#answered(client, error),
      failed: (client, error) => this.#failed(client, error),
    }
  }

  /**
   * Resolves when every client has come to an end.
   * @param startAt `StormClock` ms
   */
  async run(startAt: number): Promise<void> {
    this.#startAt = startAt
    const { everyMs, shape } = this.#order.plan
    if (everyMs > 0 && shape !== 'waves') this.#ring = new Ring(everyMs, 0)
    this.#stalls.start()
    await new Promise<void>((resolve) => {
      this.#done = resolve
      this.#turn()
    })
    this.#stalls.stop()
    this.#tally.closeSlice()
    this.#sayShare()
    this.#say({
      kind: 'over',
      ...this.#tally.total(),
      longestStallMs: this.#stalls.longest(startAt, this.#clock.now()),
      derivations: this.#host.keys.derivations,
    })
  }

  /** Ends it early: nobody new arrives and nobody asks any more. */
  stop(): void {
    this.#next = Number.POSITIVE_INFINITY
    this.#end()
  }

  #now(): number {
    return this.#clock.now() - this.#startAt
  }

  #turn(): void {
    const now = this.#now()
    this.#arrivals(now)
    if (!this.#over) this.#ring?.walk(now, (client, at) => this.#statementDue(client, at))
    if (now >= this.#lookedAt + PATIENCE_EVERY) this.#lookForPatience(now)
    if (now >= (this.#slice + 1) * SLICE_MS) this.#closeSlices(now)
    if (!this.#over && now >= overBy(this.#order.plan)) this.#end()
    if (this.#over && this.#clients.size === 0 && this.#retries === 0 && this.#allArrived()) {
      this.#done()
      return
    }
    setTimeout(() => this.#turn(), 1)
  }

  #allArrived(): boolean {
    return this.#next >= arrivalsOf(this.#order.plan)
  }

  #arrivals(now: number): void {
    const { plan, threads } = this.#order
    const all = arrivalsOf(plan)
    for (let begun = 0; begun < ARRIVALS_A_TURN && this.#next < all; begun++) {
      const due = dueOf(plan, this.#next)
      if (due > now) return
      if (plan.shape === 'reconnect' && !this.#cutDone && due >= cutOf(plan)) this.#cut()
      const number = this.#next
      this.#next += threads
      this.#tally.late(this.#now() - due)
      if (counts(plan, number)) this.#tally.arrived()
      this.#arrive(number, due)
    }
  }

  #arrive(number: number, due: number): void {
    const { ip, plan } = this.#order
    const from = sourceOf(number, arrivalsOf(plan), ip)
    const client = new StormClient(number, due, this.#host, this.#events, from)
    client.stepAt = this.#now()
    this.#clients.add(client)
  }

  #cut(): void {
    this.#cutDone = true
    for (const client of this.#clients) {
      client.cut()
      this.#forget(client)
    }
  }

  #connected(client: StormClient): void {
    const now = this.#now()
    if (this.#counts(client)) this.#tally.connect(now - client.due)
    client.stepAt = now
  }

  #loggedIn(client: StormClient): void {
    const now = this.#now()
    if (this.#counts(client)) this.#tally.loggedIn(now - client.stepAt)
    this.#tally.open++
    client.stepAt = now
    client.ask(this.#statements[0] as Buffer, now)
  }

  #answered(client: StormClient, error: ServerError | undefined): void {
    const now = this.#now()
    if (error !== undefined) this.#tally.error(error)
    if (this.#order.plan.shape === 'waves') {
      this.#functionAnswered(client, now)
      return
    }
    if (client.asked === 1) {
      if (this.#counts(client) && error === undefined) this.#tally.firstReply(now - client.due)
      this.#ring?.add(client, client.number)
    } else if (error === undefined) this.#statementOver(client, client.statementDue, now)
    this.#goOn(client)
  }

  /** Apart from the others while there are still clients to come; not at all before a cut. */
  #statementOver(client: StormClient, due: number, now: number, sent = true): void {
    const { plan } = this.#order
    if (this.#counts(client)) this.#tally.statement(now - due, due <= arrivedBy(plan), sent)
  }

  /** begin, the statement, commit, and away. */
  #functionAnswered(client: StormClient, now: number): void {
    if (client.asked === 2) this.#tally.firstReply(now - client.due)
    const next = this.#statements[client.asked]
    if (next !== undefined) {
      client.ask(next, now)
      return
    }
    this.#tally.statement(now - client.stepAt, false, true)
    client.leave()
    this.#forget(client)
  }

  #goOn(client: StormClient): void {
    if (this.#over) {
      client.leave()
      this.#forget(client)
      return
    }
    if (client.waiting === 0) return
    const due = client.waitingDue
    client.waiting--
    client.waitingDue += this.#order.plan.everyMs
    client.ask(this.#statements[0] as Buffer, due)
  }

  #statementDue(client: StormClient, at: number): void {
    if (client.state === 'busy') {
      if (client.waiting++ === 0) client.waitingDue = at
      return
    }
    this.#tally.late(this.#now() - at)
    client.ask(this.#statements[0] as Buffer, at)
  }

  #failed(client: StormClient, error: ServerError): void {
    this.#tally.error(error)
    if (client.asked > 0) this.#tally.dropped++
    this.#forget(client)
    const { retryMs } = this.#order.plan
    if (retryMs === undefined || this.#over) return
    this.#retries++
    setTimeout(() => {
      this.#retries--
      if (!this.#over) this.#arrive(client.number, this.#now())
    }, retryMs)
  }

  #forget(client: StormClient): void {
    if (!this.#clients.delete(client)) return
    this.#ring?.remove(client, client.number)
    if (client.asked > 0) this.#tally.open--
    const now = this.#now()
    for (; client.waiting > 0; client.waiting--) {
      this.#statementOver(client, client.waitingDue, now, false)
      client.waitingDue += this.#order.plan.everyMs
    }
  }

  #lookForPatience(now: number): void {
    const stoodStill = now - this.#lookedAt > 3 * PATIENCE_EVERY
    this.#lookedAt = now
    // After a stall of our own there may be answers that nobody has read yet.
    if (stoodStill) return
    const { timeoutMs } = this.#order.plan
    for (const client of this.#clients) {
      if (client.state === 'idle') continue
      const since = client.state === 'busy' ? client.statementDue : client.due
      if (now - since < timeoutMs) continue
      const what = client.state === 'busy' ? 'answer' : 'login'
      client.giveUp({ code: `${what}-timeout`, text: `no ${what} in ${timeoutMs} ms` })
    }
  }

  #end(): void {
    if (this.#over) return
    this.#over = true
    for (const client of this.#clients) {
      if (client.state !== 'idle') continue
      client.leave()
      this.#forget(client)
    }
  }

  #counts(client: StormClient): boolean {
    return counts(this.#order.plan, client.number)
  }

  #closeSlices(now: number): void {
    this.#tally.closeSlice()
    this.#sayShare()
    // A long stall is one long slice; the ones it swallowed are not made up.
    this.#slice = Math.floor(now / SLICE_MS)
  }

  #sayShare(): void {
    this.#say({ kind: 'slice', slice: this.#slice, ...this.#tally.slice() })
  }
}
