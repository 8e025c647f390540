/**
 * All threads of a storm as one. Rule: they begin at the same moment, their histograms are merged, and
 * a thread that dies ends the measurement with its error; a share of a storm is not the storm.
 */
import { lookup } from 'node:dns/promises'
import { Worker } from 'node:worker_threads'
import { Load, warmUp } from './load.ts'
import {
  type LoadOrder,
  type LoadWord,
  type OverWord,
  type SliceWord,
  StormClock,
} from './load-words.ts'
import type { StormPlan } from './plan.ts'
import type { TargetAddress } from './target-address.ts'

/** Time for every thread to hear of the start (ms). */
const LEAD = 100

/** The last sessions of the warm-up end on the node (ms). */
const SETTLE = 500

export interface FleetOptions {
  readonly plan: StormPlan
  readonly address: TargetAddress
  readonly threads: number
  readonly onSlice: (word: SliceWord) => void
  /** After the warm-up. */
  readonly beforeStart?: () => Promise<void>
  /** Told the moment of the start (`StormClock` ms), before it. */
  readonly onStart: (startAt: number) => void
  readonly signal?: AbortSignal
}

/** Runs the storm; one word a thread. Rejects when the address is unknown or a thread dies. */
export async function runFleet(options: FleetOptions): Promise<OverWord[]> {
  const { plan, address, threads, signal } = options
  const ip = (await lookup(address.host)).address
  const hands = Array.from({ length: threads }, (_, thread) =>
    handOf({ plan, address, ip, thread, threads }, options.onSlice),
  )
  const stop = (): void => {
    for (const hand of hands) hand.stop()
  }
  signal?.addEventListener('abort', stop)
  try {
    await Promise.all(hands.map((hand) => hand.ready))
    if (plan.warmUp > 0 && signal?.aborted !== true) {
      await Promise.all(hands.map((hand) => hand.warmUp()))
      await new Promise((resolve) => setTimeout(resolve, SETTLE))
    }
    await options.beforeStart?.()
    const startAt = new StormClock().now() + LEAD
    options.onStart(startAt)
    if (signal?.aborted === true) stop()
    return await Promise.all(hands.map((hand) => hand.run(startAt)))
  } finally {
    signal?.removeEventListener('abort', stop)
    await Promise.all(hands.map((hand) => hand.end()))
  }
}

interface Hand {
  readonly ready: Promise<void>
  warmUp(): Promise<void>
  run(startAt: number): Promise<OverWord>
  stop(): void
  end(): Promise<void>
}

function handOf(order: LoadOrder, onSlice: (word: SliceWord) => void): Hand {
  // From source there is nothing that a thread could load.
  return import.meta.url.endsWith('.ts') ? inline(order, onSlice) : threaded(order, onSlice)
}

function inline(order: LoadOrder, onSlice: (word: SliceWord) => void): Hand {
  let over: OverWord | undefined
  const load = new Load(order, (word) => {
    if (word.kind === 'over') over = word
    else onSlice(word)
  })
  return {
    ready: Promise.resolve(),
    warmUp: () => warmUp(order),
    run: async (startAt) => {
      await load.run(startAt)
      if (over === undefined) throw new Error('BUG: a load ended without a word')
      return over
    },
    stop: () => load.stop(),
    end: async () => {},
  }
}

function threaded(order: LoadOrder, onSlice: (word: SliceWord) => void): Hand {
  const worker = new Worker(new URL('./load-thread.js', import.meta.url), { workerData: order })
  let isReady = (): void => {}
  let isWarm = (): void => {}
  let isOver = (_word: OverWord): void => {}
  const ready = new Promise<void>((resolve) => {
    isReady = resolve
  })
  const over = new Promise<OverWord>((resolve) => {
    isOver = resolve
  })
  const died = new Promise<never>((_, reject) => {
    worker.once('error', reject)
    worker.once('exit', (code) => reject(new Error(`a thread of the load ended (${code})`)))
  })
  died.catch(() => {})
  worker.on('message', (word: LoadWord | { kind: 'ready' } | { kind: 'warm' }) => {
    if (word.kind === 'ready') isReady()
    else if (word.kind === 'warm') isWarm()
    else if (word.kind === 'slice') onSlice(word)
    else isOver(word)
  })
  return {
    ready: Promise.race([ready, died]),
    warmUp: () => {
      const warm = new Promise<void>((resolve) => {
        isWarm = resolve
      })
      worker.postMessage('warm-up')
      return Promise.race([warm, died])
    },
    run: (startAt) => {
      worker.postMessage({ start: startAt })
      return Promise.race([over, died])
    },
    stop: () => worker.postMessage('stop'),
    end: async () => void (await worker.terminate()),
  }
}
