/**
 * Asks a source again and again and tells what is new. Rule: a source that fails changes nothing:
 * the last list stays until there is a better one. That it fails, and that it is back, is said once
 * each; nodes are handed on only when they differ.
 *
 *   idle --timer or hurry--> asking --answer, failure, time limit--> idle, timer set
 */
import type { Clock, Timer } from '../../core/clock.ts'
import { messageOf } from '../../core/errors.ts'
import type { NodeSpec } from '../topology.ts'
import type { Listing, Source } from './source.ts'

/** What is known of a source now; plain values, for the status. */
export interface SourceState {
  readonly kind: Source['kind']
  readonly place: string
  /** Whether the last question was answered; undefined until the first one is over. */
  readonly ok: boolean | undefined
  /** One sentence. */
  readonly because: string
  /** Wall-clock milliseconds since when it is so. */
  readonly since: number
}

export interface SourceWatchOptions {
  readonly source: Source
  readonly clock: Clock
  /** Both in milliseconds; an answer that takes longer than the limit is a failure. */
  readonly periodMs: number
  readonly limitMs: number
  /** Another list than before; the first one comes here too. */
  readonly onNodes: (nodes: readonly NodeSpec[]) => void
  /** The source names another leader than before: worth a look at once. */
  readonly onLeader: (name: string) => void
  /** A sentence for log and events; `bad` while it is trouble. */
  readonly say: (sentence: string, bad: boolean) => void
}

export class SourceWatch {
  #options: SourceWatchOptions
  #state: SourceState
  #listing: Listing | undefined
  /** Whom it named last; between two leaders there may be none. */
  #leader: string | undefined
  #timer: Timer | undefined
  #asking: AbortController | undefined
  #stopped = false

  constructor(options: SourceWatchOptions) {
    this.#options = options
    const { kind, place } = options.source
    const since = options.clock.wall()
    this.#state = { kind, place, ok: undefined, because: 'it was not asked yet', since }
  }

  get state(): SourceState {
    return this.#state
  }

  /** Asks at once, and from then on every period. */
  start(): void {
    void this.#ask()
  }

  /** Something has changed elsewhere: asks now instead of at the end of the period. */
  hurry(): void {
    if (this.#asking === undefined && this.#listing !== undefined) void this.#ask()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    this.#asking?.abort()
    await this.#options.source.close()
  }

  async #ask(): Promise<void> {
    if (this.#stopped || this.#asking !== undefined) return
    const { source, clock, limitMs, periodMs } = this.#options
    this.#timer?.cancel()
    const asking = new AbortController()
    this.#asking = asking
    const limit = clock.after(limitMs, () => asking.abort())
    let listing: Listing | undefined
    let fault = ''
    try {
      listing = await orAborted(source.list(asking.signal), asking.signal, limitMs)
    } catch (error) {
      fault = messageOf(error)
    }
    limit.cancel()
    this.#asking = undefined
    if (this.#stopped) return
    this.#timer = clock.after(periodMs, () => void this.#ask())
    if (listing === undefined) this.#failed(fault)
    else this.#answered(listing)
  }

  #answered(listing: Listing): void {
    const { onNodes, onLeader, clock } = this.#options
    const before = this.#listing
    const { ok, kind, since } = this.#state
    this.#listing = listing
    const count = listing.nodes.length === 1 ? '1 node' : `${listing.nodes.length} nodes`
    const because = `${listing.from} names ${count}`
    if (ok === true) this.#state = { ...this.#state, because }
    else {
      const away = ok === false ? ` again, after ${clock.wall() - since} ms` : ''
      this.#turn(true, because, `the source of nodes (${kind}) answers${away}: ${because}`)
    }
    if (before === undefined || !sameNodes(before.nodes, listing.nodes)) onNodes(listing.nodes)
    const { leader } = listing
    if (leader === undefined || leader === this.#leader) return
    this.#leader = leader
    if (before !== undefined) onLeader(leader)
  }

  #failed(fault: string): void {
    const { ok, kind } = this.#state
    if (ok === false) {
      this.#state = { ...this.#state, because: fault }
      return
    }
    const kept = this.#listing?.nodes.length
    const rest = kept === undefined ? 'no node is known yet' : `the last list of ${kept} stays`
    this.#turn(false, fault, `the source of nodes (${kind}) does not answer: ${fault}; ${rest}`)
  }

  #turn(ok: boolean, because: string, sentence: string): void {
    const { clock, say } = this.#options
    this.#state = { ...this.#state, ok, because, since: clock.wall() }
    say(sentence, !ok)
  }
}

/** A source that does not heed the signal must not keep us waiting. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal, limitMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    // Its own words come first where it has some.
    signal.addEventListener('abort', () =>
      setImmediate(() => reject(new Error(`no answer in ${limitMs} ms`))),
    )
    work.then(resolve, reject)
  })
}

function sameNodes(a: readonly NodeSpec[], b: readonly NodeSpec[]): boolean {
  return a.length === b.length && a.every((spec, i) => sameNode(spec, b[i]!))
}

function sameNode(a: NodeSpec, b: NodeSpec): boolean {
  return (
    a.name === b.name &&
    a.host === b.host &&
    a.port === b.port &&
    a.weight === b.weight &&
    a.socketDirectory === b.socketDirectory &&
    a.noReads === b.noReads
  )
}
