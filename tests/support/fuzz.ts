/**
 * Runs one fuzz target: makes inputs, checks each, and on a fault finds the smallest input that still
 * shows it. Rule: what a check returns names the outcome; inputs that reached a new outcome are kept
 * and mutated, so that a run works its way in deeper than chance would. All follows from one seed.
 *
 * `WEIR_FUZZ_RUNS` is the number of inputs for each target, `WEIR_FUZZ_SEED` plays a run again or is
 * `random`; the first n inputs of a seed are the same however many follow. The suite has one seed, so
 * that it fails for what was changed and not by luck; `measure.js` takes another each time.
 */
import { randomOf } from './client-scripts.ts'
import { Draw } from './fuzz-draw.ts'

export interface Target<Input = unknown> {
  /** File name of its finds, too. */
  readonly name: string
  /** What must hold, in one sentence. */
  readonly promise: string
  /** Inputs in the suite. */
  readonly runs: number
  make(draw: Draw): Input
  /**
   * Throws when the promise is broken; otherwise says how it came out. Few different words: each
   * new one is remembered.
   */
  check(input: Input): string | Promise<string>
  /** Called once behind the last check. */
  close?: () => Promise<void>
}

export interface Fault {
  /** As small as it got. */
  readonly input: unknown
  readonly error: Error
  /** Which input of the run it was, from 0. */
  readonly index: number
}

export interface Report {
  readonly name: string
  readonly seed: number
  readonly inputs: number
  readonly outcomes: ReadonlyMap<string, number>
  readonly fault: Fault | undefined
}

const USUAL_SEED = 2_082_600_066
const KEPT_PER_OUTCOME = 4
const MOST_KEPT = 4_000
const BREATHE_EVERY_MS = 500

export async function fuzz<Input>(
  target: Target<Input>,
  options: { readonly runs: number; readonly seed: number },
): Promise<Report> {
  const random = randomOf(options.seed)
  const number = (): number => Math.floor(random() * 0x1_0000_0000)
  const outcomes = new Map<string, number>()
  const kept: (readonly number[])[] = []
  let rested = Date.now()
  for (let index = 0; index < options.runs; index++) {
    const given = kept.length > 0 && random() < 0.5 ? mutate(kept, number) : []
    const draw = new Draw(given, number)
    const input = target.make(draw)
    try {
      const checked = target.check(input)
      const outcome = typeof checked === 'string' ? checked : await checked
      const times = (outcomes.get(outcome) ?? 0) + 1
      outcomes.set(outcome, times)
      if (times <= KEPT_PER_OUTCOME && kept.length < MOST_KEPT) kept.push([...draw.tape])
    } catch (thrown) {
      const { input: smallest, error } = await minimise(target, draw.tape, asError(thrown))
      const fault = { input: smallest ?? input, error, index }
      return { name: target.name, seed: options.seed, inputs: index + 1, outcomes, fault }
    }
    // A test runner in the same process wants to hear from us now and then.
    if (index % 64 === 0 && Date.now() - rested > BREATHE_EVERY_MS) {
      await new Promise((resolve) => setImmediate(resolve))
      rested = Date.now()
    }
  }
  return {
    name: target.name,
    seed: options.seed,
    inputs: options.runs,
    outcomes,
    fault: undefined,
  }
}

function mutate(kept: readonly (readonly number[])[], number: () => number): number[] {
  const below = (n: number): number => Math.floor((number() / 0x1_0000_0000) * n)
  const tape = [...kept[below(kept.length)]!]
  for (let times = 1 + below(4); times > 0; times--) {
    const at = below(tape.length + 1)
    switch (below(5)) {
      case 0:
        tape.splice(at, 1 + below(8))
        break
      case 1:
        tape.splice(at, 0, number())
        break
      case 2:
        tape[Math.min(at, Math.max(0, tape.length - 1))] = number()
        break
      case 3: {
        const other = kept[below(kept.length)]!
        const from = below(other.length)
        tape.splice(at, 0, ...other.slice(from, from + 1 + below(12)))
        break
      }
      default:
        tape.length = at
    }
  }
  return tape
}

const MOST_TRIES = 3_000

/** Drops spans of the tape and makes its numbers smaller as long as the check still fails. */
async function minimise<Input>(
  target: Target<Input>,
  tape: readonly number[],
  first: Error,
): Promise<{ input: Input | undefined; error: Error }> {
  let best = [...tape]
  let error = first
  let input: Input | undefined
  let tries = 0
  const fails = async (candidate: readonly number[]): Promise<boolean> => {
    if (tries++ > MOST_TRIES) return false
    const draw = new Draw(candidate)
    const made = target.make(draw)
    try {
      await target.check(made)
      return false
    } catch (thrown) {
      best = [...draw.tape]
      error = asError(thrown)
      input = made
      return true
    }
  }
  await fails(best)
  for (let before = ''; before !== best.join() && tries <= MOST_TRIES; ) {
    before = best.join()
    for (let span = best.length; span >= 1; span = Math.floor(span / 2)) {
      for (let at = 0; at + span <= best.length; ) {
        const shorter = [...best.slice(0, at), ...best.slice(at + span)]
        if (!(await fails(shorter)) || best.length > shorter.length) at += span
      }
    }
    for (let at = 0; at < best.length; at++) {
      for (const smaller of [0, Math.floor(best[at]! / 2)]) {
        if (smaller >= best[at]!) continue
        if (await fails(best.with(at, smaller))) break
      }
    }
  }
  return { input, error }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}

/** An input as one line of JSON, bytes as `{"$hex":"..."}`. */
export function written(input: unknown): string {
  return JSON.stringify(input, function (this: Record<string, unknown>, key, value: unknown) {
    const raw = this[key]
    return Buffer.isBuffer(raw) ? { $hex: raw.toString('hex') } : value
  })
}

export function readBack(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || !('$hex' in value)) return value
    return Buffer.from(String(value.$hex), 'hex')
  })
}

/** How many inputs, and from which seed: what the environment asks for, or the target's own. */
export function wanted(target: Target): { runs: number; seed: number } {
  const { WEIR_FUZZ_RUNS: runs, WEIR_FUZZ_SEED: seed } = process.env
  return {
    runs: runs === undefined ? target.runs : Number(runs),
    seed: seed === 'random' ? Math.floor(Math.random() * 2 ** 31) : Number(seed ?? USUAL_SEED),
  }
}

/** One line about a run, with the seed that plays it again. */
export function told({ name, seed, inputs, outcomes }: Report): string {
  return `fuzz ${name}: seed ${seed}, ${inputs} inputs, ${outcomes.size} outcomes`
}

/** What to say of a fault, ready to be kept as a file of tests/fuzz/finds. */
export function describeFault({ name, seed, fault }: Report, promise: string): string {
  if (fault === undefined) return ''
  return [
    `${name} broke its promise: ${promise}`,
    `  ${fault.error.stack ?? fault.error.message}`,
    `  input ${fault.index} of WEIR_FUZZ_SEED=${seed}; to keep it, write to tests/fuzz/finds/${name}.jsonl:`,
    `  ${written(fault.input)}`,
  ].join('\n')
}
