/**
 * Settings from outside the file: environment variables (`WEIR_POOL__MAX_CONNECTIONS=10`) and
 * `name=value` arguments (`pool.maxConnections=10`), later ones winning. Rule: they are laid over
 * the file's value before it is checked, and each remembers who set it so that errors can say.
 */
import { parse } from 'yaml'
import { didYouMean } from './problem.ts'
import { schema } from './schema.ts'
import { aboutOf, fieldsOf, isRecord, itemOf, nearest, type Path } from './walk.ts'

export interface Override {
  readonly path: Path
  readonly value: unknown
  /** `WEIR_POOL__MAX_CONNECTIONS` or `--set pool.maxConnections`. */
  readonly source: string
}

/** A source whose name leads to no setting. */
export interface Stray {
  readonly source: string
  readonly meant: string | undefined
}

type Entry = Override | Stray

export function isStray(entry: Override | Stray): entry is Stray {
  return !('path' in entry)
}

export function isOverride(entry: Override | Stray): entry is Override {
  return 'path' in entry
}

/** `maxConnections` is `MAX_CONNECTIONS`, `node-1` is `NODE_1`. */
export function variablePart(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/[^A-Za-z0-9]/g, '_')
    .toUpperCase()
}

/** `['pool', 'maxConnections']` is `WEIR_POOL__MAX_CONNECTIONS`. */
export function variableOf(path: readonly string[]): string {
  return `WEIR_${path.map(variablePart).join('__')}`
}

/**
 * The overrides found in `env`. Other variables may begin with `WEIR_` too: only those with `__`,
 * or named after a list (`WEIR_NODES`), are taken for settings.
 * @param base the file's value, in which list items are found by name
 */
export function fromEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  base: unknown,
): Entry[] {
  const entries: Entry[] = []
  for (const [source, text] of Object.entries(env)) {
    if (!source.startsWith('WEIR_') || text === undefined) continue
    const words = source.slice('WEIR_'.length).split('__')
    const path = follow(words, base, (name, word) => variablePart(name) === word)
    const isList = path !== undefined && itemOf(nearest(schema, path)) !== undefined
    if (words.length === 1 && !isList) continue
    entries.push(entry(path, source, text, () => variableMeant(words)))
  }
  return entries
}

/** The overrides written as `name=value`. */
export function fromArguments(texts: readonly string[], base: unknown): Entry[] {
  return texts.map((text) => {
    const [name = '', ...rest] = text.split('=')
    const words = name.split('.')
    const path = rest.length === 0 ? undefined : follow(words, base, (a, b) => a === b)
    return entry(path, `--set ${name}`, rest.join('='), () => settingMeant(words))
  })
}

/** A copy of `base` with `overrides` laid over it, in order. */
export function lay(base: unknown, overrides: readonly Override[]): unknown {
  const result: unknown = structuredClone(base)
  if (!isRecord(result)) return result
  for (const { path, value } of overrides) {
    let at: Record<string | number, unknown> = result
    for (const step of path.slice(0, -1)) {
      if (!isRecord(at[step]) && !Array.isArray(at[step])) at[step] = {}
      at = at[step] as Record<string | number, unknown>
    }
    at[path.at(-1)!] = value
  }
  return result
}

function entry(
  path: Path | undefined,
  source: string,
  text: string,
  meant: () => string | undefined,
): Entry {
  if (path === undefined) return { source, meant: meant() }
  return { path, source, value: valueFor(path, text) }
}

function valueFor(path: Path, text: string): unknown {
  if (aboutOf(nearest(schema, path))?.verbatim === true) return text
  try {
    return parse(text) as unknown
  } catch {
    return text
  }
}

/** Leads `words` through the schema and, at lists, through the items there are. */
function follow(
  words: readonly string[],
  base: unknown,
  same: (name: string, word: string) => boolean,
): Path | undefined {
  const path: (string | number)[] = []
  let value = base
  for (const word of words) {
    const at = nearest(schema, path)
    const step =
      itemOf(at) === undefined
        ? Object.keys(fieldsOf(at) ?? {}).find((key) => same(key, word))
        : indexOf(value, word, same)
    if (step === undefined) return undefined
    path.push(step)
    value = isRecord(value) || Array.isArray(value) ? (value as never)[step] : undefined
  }
  return path
}

function indexOf(
  list: unknown,
  word: string,
  same: (name: string, word: string) => boolean,
): number | undefined {
  if (!Array.isArray(list)) return undefined
  const index = list.findIndex(
    (item) => isRecord(item) && typeof item.name === 'string' && same(item.name, word),
  )
  if (index >= 0) return index
  return /^[0-9]+$/.test(word) && Number(word) < list.length ? Number(word) : undefined
}

function variableMeant(words: readonly string[]): string | undefined {
  const known = settingPaths().map((path) => path.map(variablePart).join('__'))
  const meant = didYouMean(words.join('__'), known)
  return meant === undefined ? undefined : `WEIR_${meant}`
}

function settingMeant(words: readonly string[]): string | undefined {
  return didYouMean(
    words.join('.'),
    settingPaths().map((path) => path.join('.')),
  )
}

function settingPaths(): string[][] {
  return Object.entries(fieldsOf(schema)!).flatMap(([key, field]) => pathsIn([key], field))
}

function pathsIn(path: string[], field: Parameters<typeof fieldsOf>[0]): string[][] {
  const fields = Object.entries(fieldsOf(field) ?? {})
  return [path, ...fields.flatMap(([name, inner]) => pathsIn([...path, name], inner))]
}
