/**
 * So many at a time, the others in line. Rule: first come, first served; who waits is waiting as far
 * as any figure is concerned. It keeps hundreds of logins that begin in the same moment from holding
 * up the instrument's own event loop.
 */
export class Gate {
  readonly #width: number
  #inside = 0
  readonly #line: (() => void)[] = []

  constructor(width: number) {
    this.#width = width
  }

  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.#inside >= this.#width) await new Promise<void>((resolve) => this.#line.push(resolve))
    else this.#inside++
    try {
      return await work()
    } finally {
      // The place goes straight to the next in line.
      const next = this.#line.shift()
      if (next === undefined) this.#inside--
      else next()
    }
  }
}
