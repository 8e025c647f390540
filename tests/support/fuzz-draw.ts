/**
 * Where a fuzzed input gets its randomness: numbers drawn one after another, all written on a tape.
 * Rule: the same tape gives the same input, and a shorter tape or smaller numbers give a simpler one
 * (0 is the first choice, the shortest list, "no"), so that tapes can be mutated and minimised
 * without knowing what is made of them.
 */
const WHOLE = 0x1_0000_0000

export class Draw {
  /** Every number drawn so far, 32 bits each. */
  readonly tape: number[] = []
  #given: readonly number[]
  #more: (() => number) | undefined

  /**
   * @param given drawn first, one by one
   * @param more 32 bit numbers for what is behind its end; without it, zeros
   */
  constructor(given: readonly number[], more?: () => number) {
    this.#given = given
    this.#more = more
  }

  /** 32 bits. */
  number(): number {
    const n = this.#given[this.tape.length] ?? this.#more?.() ?? 0
    this.tape.push(n)
    return n
  }

  /** A whole number from 0 to `most`. */
  upTo(most: number): number {
    return Math.floor((this.number() / WHOLE) * (most + 1))
  }

  between(least: number, most: number): number {
    return least + this.upTo(most - least)
  }

  /** True about `percent` times in a hundred; "no" is the simpler answer. */
  maybe(percent: number): boolean {
    return this.upTo(99) >= 100 - percent
  }

  /** The first is the simplest. */
  pick<T>(choices: readonly T[]): T {
    return choices[this.upTo(choices.length - 1)]!
  }

  /** One of several ways, the heavier the more often; the first is the simplest. */
  way<T>(...ways: readonly (readonly [weight: number, make: () => T])[]): T {
    const total = ways.reduce((sum, [weight]) => sum + weight, 0)
    let at = this.upTo(total - 1)
    for (const [weight, make] of ways) {
      if (at < weight) return make()
      at -= weight
    }
    throw new Error('BUG: no way chosen')
  }

  list<T>(most: number, make: () => T): T[] {
    const items: T[] = []
    while (items.length < most && this.maybe(Math.max(50, 100 - 100 / most))) items.push(make())
    return items
  }

  /** Four bytes a number, so that tapes stay short. */
  bytes(most: number): Buffer {
    const out = Buffer.alloc(this.upTo(most))
    for (let i = 0; i < out.length; i += 4) {
      const n = this.number()
      for (let j = i; j < Math.min(i + 4, out.length); j++) out[j] = n >>> (8 * (j - i))
    }
    return out
  }

  /** Text put together of `shards` and single characters, without zero bytes. */
  text(most: number, shards: readonly string[] = []): string {
    return this.list(most, () =>
      this.way<string>(
        [shards.length === 0 ? 0 : 6, () => this.pick(shards)],
        [4, () => String.fromCharCode(this.between(0x20, 0x7e))],
        [1, () => this.pick(['\n', '\r', '\t', '\u001b[31m', '\u0001', '\u007f', '\\', '"', "'"])],
        [1, () => this.pick(['é', '\u00a0', '\u00ad', '\u2028', '\u202e', '漢', '😀', '\ufeff'])],
      ),
    ).join('')
  }
}

/** A copy of `bytes` with a few bytes changed, dropped, doubled, or others put between. */
export function tamper(draw: Draw, bytes: Buffer): Buffer {
  let out = Buffer.from(bytes)
  for (let times = 1 + draw.upTo(2); times > 0; times--) {
    const at = draw.upTo(out.length)
    const upTo = Math.min(out.length, at + 1 + draw.upTo(draw.maybe(20) ? 40 : 3))
    const [before, hit, after] = [out.subarray(0, at), out.subarray(at, upTo), out.subarray(upTo)]
    const instead = draw.way<Buffer>(
      [4, () => Buffer.from(hit.map((byte) => byte ^ (1 << draw.upTo(7))))],
      [2, () => Buffer.alloc(0)],
      [1, () => Buffer.concat([hit, hit])],
      [2, () => Buffer.concat([draw.bytes(8), hit])],
      [2, () => Buffer.alloc(hit.length, draw.pick([0, 0xff, 0x7f, 0x80, 0x2c, 0x3d]))],
    )
    out = Buffer.concat([before, instead, after])
  }
  return out
}

/** Cuts into pieces of 1 byte to all, in a way that often hits headers. */
export function cuts(draw: Draw, bytes: Buffer): Buffer[] {
  if (!draw.maybe(40)) return bytes.length === 0 ? [] : [bytes]
  const most = draw.pick([1, 3, 7, 40])
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const n = 1 + draw.upTo(most - 1)
    pieces.push(bytes.subarray(at, at + n))
    at += n
  }
  return pieces
}
