/**
 * Looks at node, proxy and machine while a storm is on. Rule: it looks twice a second from the main
 * thread, where no load runs; the first look is before the storm, so that growth can be told.
 */
import type { NodeWatch } from './node-watch.ts'
import { MachineWatch, usageOf } from './process-watch.ts'
import type { ServerSummary, Sight, Usage, UsageSummary } from './result.ts'

const EVERY = 500
/** Memory grows slowly, and to look at it costs the processes something: every so many looks. */
const MEMORY_EVERY = 4
/** CPU is counted in hundredths of a second; over less than this it is not a rate (ms). */
const RATE_OVER = 900

export interface Watched {
  readonly node: NodeWatch | undefined
  readonly nodePid: number | undefined
  readonly proxyPid: number | undefined
}

export class Watch {
  readonly sights: Sight[] = []
  readonly #watched: Watched
  /** Ms after the start. */
  readonly #now: () => number
  readonly #machine = new MachineWatch()
  readonly #first: { readonly proxy: Usage | undefined; readonly node: Usage | undefined }
  #timer: NodeJS.Timeout | undefined

  constructor(watched: Watched, now: () => number) {
    this.#watched = watched
    this.#now = now
    this.#first = { proxy: usage(watched.proxyPid), node: usage(watched.nodePid) }
  }

  start(): void {
    this.#timer = setInterval(() => void this.#look(), EVERY)
    void this.#look()
  }

  /** Takes a last look. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#look(true)
  }

  get last(): Sight | undefined {
    return this.sights.at(-1)
  }

  /** @param opened sessions that began meanwhile */
  server(opened: number | undefined): ServerSummary | undefined {
    const counts = this.sights.flatMap(({ server }) => server ?? [])
    if (counts.length === 0) return undefined
    return {
      peak: Math.max(...counts.map(({ load }) => load)),
      otherPeak: Math.max(...counts.map(({ other }) => other)),
      opened,
    }
  }

  summary(whose: 'proxy' | 'node'): UsageSummary | undefined {
    const before = this.#first[whose]
    const known = this.sights.flatMap(({ at, [whose]: used }) => (used ? [{ at, ...used }] : []))
    if (before === undefined || known.length === 0) return undefined
    return {
      cpuSeconds: Math.max(...known.map(({ cpu }) => cpu)),
      cpuPeak: cpuRates(this.sights, whose).reduce((most, [, rate]) => Math.max(most, rate), 0),
      memoryBefore: before.memory,
      memoryPeak: Math.max(before.memory, ...known.map(({ memory }) => memory)),
    }
  }

  get machineBusiest(): number | undefined {
    const shares = this.sights.flatMap(({ machine }) => machine ?? [])
    return shares.length === 0 ? undefined : Math.max(...shares)
  }

  async #look(last = false): Promise<void> {
    const { node, nodePid, proxyPid } = this.#watched
    const fresh = last || this.sights.length % MEMORY_EVERY === 0
    const before = this.sights.at(-1)
    const server = await node?.count()
    this.sights.push({
      at: this.#now(),
      server,
      proxy: since(usage(proxyPid, fresh ? undefined : before?.proxy?.memory), this.#first.proxy),
      node: since(usage(nodePid, fresh ? undefined : before?.node?.memory), this.#first.node),
      machine: this.#machine.share(),
    })
  }
}

/** Cores in use at a time: `[ms, cores]`, each over a second or so. */
export function cpuRates(sights: readonly Sight[], whose: 'proxy' | 'node'): [number, number][] {
  const known = sights.flatMap(({ at, [whose]: used }) => (used ? [{ at, cpu: used.cpu }] : []))
  const rates: [number, number][] = []
  let from = known[0]
  for (const to of known.slice(1)) {
    if (from === undefined || to.at - from.at < RATE_OVER) continue
    rates.push([to.at, Math.max(0, ((to.cpu - from.cpu) * 1000) / (to.at - from.at))])
    from = to
  }
  return rates
}

const usage = (pid: number | undefined, memory?: number): Usage | undefined =>
  pid === undefined ? undefined : usageOf(pid, memory)

function since(now: Usage | undefined, first: Usage | undefined): Usage | undefined {
  if (now === undefined || first === undefined) return undefined
  return { cpu: now.cpu - first.cpu, memory: now.memory }
}
