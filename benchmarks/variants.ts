/**
 * Weir configured otherwise, as rows of its own. Rule: a variant is nothing but overrides on the
 * command line of `weir serve` and its environment; whether a setting exists is Weir's to say, when
 * it is started.
 */
import { UsageError } from './usage-error.ts'

export interface Variant {
  /** The row is called `weir+NAME`. */
  readonly name: string
  /** Each `setting=value`, as `weir serve --set` takes it. */
  readonly settings: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

/** What the short names stand for. */
export const KNOWN_VARIANTS: Readonly<Record<string, Omit<Variant, 'name'>>> = {
  sharing: { settings: ['pool.sharing=on'], environment: {} },
  alone: { settings: ['pool.sharing=off'], environment: {} },
  'busy-poll': { settings: ['listen.busyPoll=100'], environment: {} },
  workers: { settings: ['workers=2'], environment: {} },
  streams: { settings: [], environment: { WEIR_NET: 'streams' } },
}

/** `sharing`, or `deep:pool.sharing=on+pool.sharingDepth=32`. Throws UsageError. */
export function parseVariant(text: string): Variant {
  const [, name, rest] = /^([\w-]+)(?::(.+))?$/.exec(text) ?? []
  if (name === undefined) throw wrong(text)
  if (rest === undefined) {
    const known = KNOWN_VARIANTS[name]
    if (known === undefined) throw wrong(text)
    return { name, ...known }
  }
  const settings = rest.split('+')
  if (settings.some((setting) => !/^[\w.-]+=.*$/.test(setting))) throw wrong(text)
  return { name, settings, environment: {} }
}

function wrong(text: string): UsageError {
  return new UsageError(
    `--variants got '${text}'; known are ${Object.keys(KNOWN_VARIANTS).join(', ')}, ` +
      'or write NAME:setting=value',
  )
}
