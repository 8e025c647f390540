/**
 * The kinds of value a setting can have, each a zod schema with what a person should know of it
 * kept beside it in `about`. Rule: `want` is built here from kind and range and is the only text a
 * wrong value is answered with, so checks, `explain`, the JSON schema and the docs cannot disagree.
 */
import { z } from 'zod'
import {
  DURATION_PATTERN,
  parseDuration,
  parseRate,
  parseSize,
  printDuration,
  printSize,
  RATE_PATTERN,
  SIZE_PATTERN,
} from './quantity.ts'

/** Milliseconds; `Settings` renames what has this type from `name` to `nameMs`. */
export type Ms = number & z.$brand<'ms'>

/** What is written in the schema beside a setting. */
export interface Told {
  readonly description: string
  /** What RDS Proxy or Aurora calls it, with its default or range where that differs. */
  readonly aws?: string
  /** As one would write it in the file. */
  readonly example: string
  /** Said instead of a fixed default when the default depends on something. */
  readonly otherwise?: string
}

/** Everything known of a setting except its name and default. */
export interface About extends Told {
  /** `duration`, `whole number`, `text`, `yes or no`, `one of`, `list` ... */
  readonly type: string
  readonly unit?: string
  readonly range?: string
  /** Finishes the sentence "got ..., want ...". */
  readonly want: string
  /** For the JSON schema, where the type alone says too little. */
  readonly pattern?: string
  /** The value is never shown. */
  readonly secret?: boolean
  /** The value is taken as it stands when it comes from the environment or the command line. */
  readonly verbatim?: boolean
}

export const about = z.registry<About>()

export interface DurationRange {
  /** In milliseconds. */
  readonly min: number
  readonly max: number
}

export function duration(range: DurationRange, told: Told) {
  const between = `${printDuration(range.min)} to ${printDuration(range.max)}`
  return z
    .string()
    .transform((text, context) => inRange(parseDuration(text), range, context) as Ms)
    .register(about, {
      ...told,
      type: 'duration',
      unit: 'ms, s, m, h or d, written after the number',
      range: between,
      want: `a duration from ${between} such as "${told.example}"`,
      pattern: `^${DURATION_PATTERN}$`,
    })
}

/** A duration, or one of some words; keeps its name in `Settings` as it is not always a number. */
export function durationOr<const W extends string>(
  words: readonly W[],
  range: DurationRange,
  told: Told,
) {
  const between = `${printDuration(range.min)} to ${printDuration(range.max)}`
  const isWord = (text: string): text is W => (words as readonly string[]).includes(text)
  return z
    .string()
    .transform((text, context): number | W =>
      isWord(text) ? text : inRange(parseDuration(text), range, context),
    )
    .register(about, {
      ...told,
      type: `duration, or ${words.join(', or ')}`,
      unit: 'ms, s, m, h or d, written after the number',
      range: between,
      want: `a duration from ${between} such as "${told.example}", or ${words.join(', or ')}`,
      pattern: `^(${words.join('|')}|${DURATION_PATTERN})$`,
    })
}

export function size(range: { min: number; max: number }, told: Told) {
  const between = `${printSize(range.min)} to ${printSize(range.max)}`
  return z
    .string()
    .transform((text, context) => inRange(parseSize(text), range, context))
    .register(about, {
      ...told,
      type: 'size',
      unit: 'B, KiB, MiB or GiB, written after the number',
      range: between,
      want: `a size from ${between} such as "${told.example}"`,
      pattern: `^${SIZE_PATTERN}$`,
    })
}

function inRange(
  value: number | undefined,
  range: { min: number; max: number },
  context: z.core.$RefinementCtx,
): number {
  if (value !== undefined && value >= range.min && value <= range.max) return value
  context.addIssue({ code: 'custom', message: 'out of range' })
  return z.NEVER
}

/** So many in a second, or one of some words; a number in `Settings`, of each second. */
export function rateOr<const W extends string>(words: readonly W[], told: Told) {
  const isWord = (text: string): text is W => (words as readonly string[]).includes(text)
  return z
    .string()
    .transform((text, context): number | W => {
      const rate = isWord(text) ? text : parseRate(text)
      if (rate !== undefined) return rate
      context.addIssue({ code: 'custom', message: 'no rate' })
      return z.NEVER
    })
    .register(about, {
      ...told,
      type: `rate, or ${words.join(', or ')}`,
      unit: '/s or /m, written after the number',
      want: `a rate such as "${told.example}", or ${words.join(', or ')}`,
      pattern: `^(${words.join('|')}|${RATE_PATTERN})$`,
    })
}

export function count(range: { min: number; max: number; unit?: string }, told: Told) {
  return z
    .number()
    .int()
    .min(range.min)
    .max(range.max)
    .register(about, {
      ...told,
      type: 'whole number',
      ...(range.unit === undefined ? {} : { unit: range.unit }),
      range: `${range.min} to ${range.max}`,
      want: `a whole number from ${range.min} to ${range.max}`,
    })
}

/** A whole number, or one of some words. */
export function countOr<const W extends string>(
  words: readonly [W, ...W[]],
  range: { min: number; max: number; unit?: string },
  told: Told,
) {
  const number = z.number().int().min(range.min).max(range.max)
  return z.union([z.enum(words), number]).register(about, {
    ...told,
    type: `whole number, or ${words.join(', or ')}`,
    ...(range.unit === undefined ? {} : { unit: range.unit }),
    range: `${range.min} to ${range.max}`,
    want: `a whole number from ${range.min} to ${range.max}, or ${words.join(', or ')}`,
  })
}

export function yesNo(told: Told) {
  return z.boolean().register(about, { ...told, type: 'yes or no', want: 'true or false' })
}

export function oneOf<const V extends string>(values: readonly [V, ...V[]], told: Told) {
  return z.enum(values).register(about, {
    ...told,
    type: `one of ${values.join(', ')}`,
    want: `one of ${values.join(', ')}`,
    verbatim: true,
  })
}

/** Any text of at least one character. `what` finishes "want ...". */
export function text(what: string, told: Told) {
  return z
    .string()
    .min(1)
    .register(about, { ...told, type: 'text', want: what, verbatim: true })
}

/** A name of a node or endpoint; short and plain, for it becomes part of metrics and options. */
export function name(told: Told) {
  const pattern = '^[A-Za-z][A-Za-z0-9_-]{0,62}$'
  return z
    .string()
    .regex(new RegExp(pattern))
    .register(about, {
      ...told,
      type: 'name',
      range: '1 to 63 characters',
      want: 'a name of 1 to 63 letters, digits, - and _ that begins with a letter',
      pattern,
      verbatim: true,
    })
}

export function names(told: Told) {
  const item = z
    .string()
    .min(1)
    .register(about, { ...told, type: 'name', want: 'a name' })
  return z.array(item).register(about, {
    ...told,
    type: 'list of names',
    want: `a list of names such as ${told.example}`,
  })
}

/** Texts of at least one character each. `what` names one of them, as in "want ...". */
export function texts(what: string, told: Told) {
  const item = z
    .string()
    .min(1)
    .register(about, { ...told, type: 'text', want: what })
  return z.array(item).register(about, {
    ...told,
    type: 'list of texts',
    want: `a list such as ${told.example}`,
  })
}

export function choices<const V extends string>(values: readonly [V, ...V[]], told: Told) {
  const item = z
    .enum(values)
    .register(about, { ...told, type: 'choice', want: `one of ${values.join(', ')}` })
  return z
    .array(item)
    .min(1)
    .register(about, {
      ...told,
      type: `list of ${values.join(', ')}`,
      want: `a list of at least one of ${values.join(', ')}`,
    })
}

export interface HostAndPort {
  readonly host: string
  readonly port: number
}

const HOST_AND_PORT = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/@[\]]+)):([1-9][0-9]{0,4})$/

/** 1 to 255, as a key. */
const SMALL_NUMBER = /^(?:[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])$/

/** Addresses by a number from 1 to 255. */
export function addresses(told: Told) {
  const address = z.string().transform((text, context): HostAndPort => {
    const [, ipv6, host, port] = HOST_AND_PORT.exec(text) ?? []
    if (port !== undefined && Number(port) <= 65_535) {
      return { host: (ipv6 ?? host)!, port: Number(port) }
    }
    context.addIssue({ code: 'custom', message: 'no host and port' })
    return z.NEVER
  })
  return z.record(z.string().regex(SMALL_NUMBER), address).register(about, {
    ...told,
    type: 'HOST:PORT by number',
    range: '1 to 255',
    want: `HOST:PORT under a number from 1 to 255, such as ${told.example}`,
  })
}

/** A mapping of settings; knows every key it may have. */
export function section<S extends z.core.$ZodShape>(shape: S, told: Told) {
  return z.strictObject(shape).register(about, {
    ...told,
    type: 'section',
    want: `a section with settings such as ${told.example}`,
  })
}

/** A list of sections. */
export function sections<S extends z.core.$ZodType>(item: S, told: Told) {
  return z
    .array(item)
    .min(1)
    .register(about, {
      ...told,
      type: 'list of sections',
      want: `a list of at least one section such as ${told.example}`,
    })
}
