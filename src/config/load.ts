/**
 * From a file, the environment and the command line to `Settings`, or to every problem there is.
 * Rule: the order is read, lay overrides over, check each setting, check them together; a later
 * step looks at whatever the earlier ones left standing.
 */
import type { z } from 'zod'
import { checkAll } from './check.ts'
import { readYaml, type YamlDocument } from './document.ts'
import { draftOf, salvage } from './draft.ts'
import {
  fromArguments,
  fromEnvironment,
  isOverride,
  isStray,
  lay,
  type Override,
} from './override.ts'
import { ConfigErrors, didYouMean, type Problem, printValue } from './problem.ts'
import { schema } from './schema.ts'
import { DEFAULT_ENDPOINTS } from './schema-routes.ts'
import { readable } from './secret-file.ts'
import { type Settings, settle } from './settings.ts'
import { aboutOf, fieldsOf, isRecord, nearest, type Path, valueAt } from './walk.ts'

export interface LoadOptions {
  /** Shown in messages as given; names in the file are relative to its directory. */
  readonly file: string
  readonly env?: Readonly<Record<string, string | undefined>>
  /** `name=value`, such as `pool.maxConnections=10`; they win over the environment. */
  readonly overrides?: readonly string[]
}

/** Where a setting got its value: a place in the file, or the override that set it. */
export interface SettingPlace {
  readonly file: string
  readonly line: number | undefined
  readonly column: number | undefined
}

export interface Loaded {
  readonly settings: Settings
  /** For what the file leaves out, the section that would hold it. */
  placeOf(path: Path): SettingPlace
  /** Whether file or overrides say anything there, or it is as by default. */
  isGiven(path: Path): boolean
}

/** @throws ConfigErrors with all problems, in the order of the file */
export function loadSettings({ file, env = {}, overrides = [] }: LoadOptions): Loaded {
  const read = readable(file)
  if ('got' in read) throw new ConfigErrors([fileProblem(file, read.got, read.want)])
  const document = readYaml(read.text)
  const problems: Problem[] = document.faults.map(({ place, message }) => ({
    ...{ file, ...place, setting: '', got: message, want: 'valid YAML' },
    message,
  }))
  if (document.value === undefined) throw new ConfigErrors(problems)

  const base = completed(document.value)
  const entries = [...fromEnvironment(env, base), ...fromArguments(overrides, base)]
  for (const entry of entries.filter(isStray)) problems.push(strayProblem(entry))
  const laid = entries.filter(isOverride)
  const value = lay(base, laid)
  const placeOf = placer(file, document, laid)
  const say = speaker(placeOf, value)

  const parsed = schema.safeParse(value)
  const wrong: Path[] = []
  for (const issue of parsed.error?.issues ?? []) {
    for (const path of pathsOf(issue)) {
      if (wrong.some((other) => other.join() === path.join())) continue
      wrong.push(path)
      problems.push(fromIssue(issue, path, value, say))
    }
  }
  const draft = parsed.success ? draftOf(parsed.data) : salvage(value)
  checkAll(draft, file, (path, want, got = printValue(valueAt(value, path))) => {
    if (!wrong.some((other) => overlap(path, other))) problems.push(say(path, got, want))
  })
  if (problems.length > 0 || !parsed.success) throw new ConfigErrors(inOrder(problems))
  const isGiven = (path: Path) => valueAt(value, path) !== undefined
  return { settings: settle(parsed.data, file), placeOf, isGiven }
}

type Say = (path: Path, got: string, want: string, message?: string, key?: boolean) => Problem

type PlaceOf = (path: Path, key?: boolean) => SettingPlace

/** Who set a value: an override, or a place in the file. */
function placer(file: string, document: YamlDocument, overrides: readonly Override[]): PlaceOf {
  return (path, key) => {
    const override = overrides.findLast((o) => o.path.every((step, i) => step === path[i]))
    return override === undefined
      ? { file, ...document.locate(path, key) }
      : { file: override.source, line: undefined, column: undefined }
  }
}

/** Makes problems that name who set the value. */
function speaker(placeOf: PlaceOf, value: unknown): Say {
  return (path, got, want, message, key) => {
    const setting = settingName(path, value)
    const place = placeOf(path, key)
    const named = setting === '' ? '' : `${setting}: `
    return {
      ...place,
      setting,
      got,
      want,
      message: `${named}${message ?? `got ${got}, want ${want}`}`,
    }
  }
}

/** An unknown key is reported by zod at the section that has it; we want the key. */
function pathsOf(issue: z.core.$ZodIssue): Path[] {
  const path = issue.path as Path
  return issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...path, key]) : [path]
}

function fromIssue(issue: z.core.$ZodIssue, path: Path, value: unknown, say: Say): Problem {
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(fieldsOf(nearest(schema, issue.path as Path)) ?? {})
    const meant = didYouMean(String(path.at(-1)), known)
    const { want: whole = 'another' } = aboutOf(nearest(schema, issue.path as Path)) ?? {}
    const choices = known.length === 0 ? whole : `one of ${known.join(', ')}`
    const advice = meant === undefined ? `want ${choices}` : `did you mean ${meant}?`
    return say(path, 'an unknown setting', meant ?? choices, `no such setting; ${advice}`, true)
  }
  const { want = 'another value', secret = false } = aboutOf(nearest(schema, path)) ?? {}
  return say(path, printValue(valueAt(value, path), secret), want)
}

/** Whether one path leads to or through the other. */
function overlap(a: Path, b: Path): boolean {
  return a.every((step, i) => i >= b.length || step === b[i])
}

/**
 * `pool:` with all its settings commented out is an empty section, not a mistake; and endpoints
 * nobody wrote are there by name, for overrides and messages.
 */
function completed(value: unknown): unknown {
  if (!isRecord(value)) return value
  const fields = fieldsOf(schema)!
  const sections = Object.entries(value).map(([key, inner]) => {
    const field = fields[key]
    return [key, inner === null && field && fieldsOf(field) !== undefined ? {} : inner]
  })
  return { endpoints: structuredClone(DEFAULT_ENDPOINTS), ...Object.fromEntries(sections) }
}

/** `endpoints.reader.port`: list items go by their name, or else by their number from 0. */
function settingName(path: Path, value: unknown): string {
  return path
    .map((step, i) => {
      const item = typeof step === 'number' ? valueAt(value, path.slice(0, i + 1)) : undefined
      return isRecord(item) && typeof item.name === 'string' ? item.name : String(step)
    })
    .join('.')
}

function strayProblem({ source, meant }: { source: string; meant: string | undefined }): Problem {
  const advice = meant === undefined ? 'see weir config explain' : `did you mean ${meant}?`
  const message = `leads to no setting; ${advice}`
  const want = meant ?? 'a setting'
  return { ...fileProblem(source, 'an unknown setting', want), message }
}

function fileProblem(file: string, got: string, want: string): Problem {
  const message = `got ${got}, want ${want}`
  return { file, line: undefined, column: undefined, setting: '', got, want, message }
}

/** Overrides last, everything else as it stands in the file. */
function inOrder(problems: readonly Problem[]): Problem[] {
  const place = (n: number | undefined) => n ?? Number.MAX_SAFE_INTEGER
  return problems.toSorted(
    (a, b) => place(a.line) - place(b.line) || place(a.column) - place(b.column),
  )
}
