/**
 * The schema told to people and to editors: every setting with all that is known of it, as rows,
 * as `explain` text, as a JSON schema and as docs/settings.md. Rule: it only prints what the
 * schema holds; whoever wants a better text changes it there.
 */
import { z } from 'zod'
import { variableOf } from './override.ts'
import { didYouMean } from './problem.ts'
import { schema } from './schema.ts'
import { aboutOf, fieldsOf, itemOf, unwrap } from './walk.ts'

export interface CatalogueEntry {
  /** `pool.borrowTimeout`; for what stands in a list, `endpoints.port`. */
  readonly setting: string
  readonly description: string
  readonly type: string
  /** As written in a file, or in words; `needed` when there must be a value. */
  readonly default: string
  readonly unit: string | undefined
  readonly range: string | undefined
  /** What RDS Proxy or Aurora calls it. */
  readonly aws: string | undefined
  readonly environment: string
  readonly example: string
  /** Names of the settings in it, when it is a section or a list of sections. */
  readonly settings: readonly string[]
}

/** Every section and setting, in the order of the schema. */
export function catalogue(): CatalogueEntry[] {
  return Object.entries(fieldsOf(schema)!).flatMap(([key, field]) => entriesOf([key], field, [key]))
}

/** A setting, and all there is in it; list items go by `NAME` in variables. */
function entriesOf(
  path: readonly string[],
  field: z.core.$ZodType,
  variable: readonly string[],
): CatalogueEntry[] {
  const item = itemOf(field)
  const fields = Object.entries(fieldsOf(item ?? field) ?? {})
  const inner = item === undefined ? variable : [...variable, 'NAME']
  return [
    entryOf(
      path,
      field,
      fields.map(([name]) => [...path, name].join('.')),
      variable,
    ),
    ...fields.flatMap(([name, one]) => entriesOf([...path, name], one, [...inner, name])),
  ]
}

function entryOf(
  path: readonly string[],
  field: z.core.$ZodType,
  settings: readonly string[],
  variable: readonly string[],
): CatalogueEntry {
  const told = aboutOf(field)
  if (told === undefined) throw new Error(`BUG: nothing is told of setting ${path.join('.')}`)
  return {
    setting: path.join('.'),
    description: told.description,
    type: told.type,
    default: defaultOf(field),
    unit: told.unit,
    range: told.range,
    aws: told.aws,
    environment: told.type === 'section' ? 'set one by one' : variableOf(variable),
    example: told.example,
    settings,
  }
}

function defaultOf(field: z.core.$ZodType): string {
  const { optional, fallback } = unwrap(field)
  const otherwise = aboutOf(field)?.otherwise
  if (otherwise !== undefined) return otherwise
  if (fallback !== undefined) {
    if (fieldsOf(field) !== undefined) return 'the defaults of its settings'
    return Array.isArray(fallback) ? `[${fallback.join(', ')}]` : String(fallback)
  }
  return optional ? 'none' : 'needed'
}

/** The text of `weir config explain`; undefined with what was meant when there is no such setting. */
export function explain(setting: string): { text: string; entry: CatalogueEntry } | undefined {
  const all = catalogue()
  const entry = all.find((e) => e.setting === setting)
  if (entry === undefined) return undefined
  const rows: [string, string | undefined][] = [
    ['type', entry.type],
    ['default', entry.default],
    ['range', entry.range],
    ['unit', entry.unit],
    ['AWS name', entry.aws],
    ['environment', entry.environment],
    ['example', exampleOf(entry)],
  ]
  const lines = rows.flatMap(([label, value]) =>
    value === undefined ? [] : [`  ${label.padEnd(12)} ${value}`],
  )
  const inner = all.filter((e) => entry.settings.includes(e.setting))
  const width = Math.max(0, ...inner.map((e) => e.setting.length))
  const list = inner.map((e) => `  ${e.setting.padEnd(width)}  ${e.default}`)
  const settings = list.length === 0 ? [] : ['', 'Settings and their defaults:', ...list]
  return {
    entry,
    text: [entry.setting, `  ${entry.description}`, '', ...lines, ...settings].join('\n'),
  }
}

/** The setting most likely meant by a mistyped name, or by its last word alone. */
export function nearestSetting(word: string): string | undefined {
  const all = catalogue().map((e) => e.setting)
  const byLastWord = all.find((s) => s.split('.').at(-1) === word)
  return byLastWord ?? didYouMean(word, all)
}

/** The JSON schema of a configuration file, for editors. */
export function jsonSchema(): object {
  return z.toJSONSchema(schema, {
    io: 'input',
    override: ({ zodSchema, jsonSchema: json }) => {
      const told = aboutOf(zodSchema)
      if (told === undefined) return
      const facts = [
        told.description,
        told.otherwise === undefined ? undefined : `Default: ${told.otherwise}.`,
        told.range === undefined ? undefined : `Range: ${told.range}.`,
        told.aws === undefined ? undefined : `AWS: ${told.aws}.`,
      ]
      json.description = facts.filter((fact) => fact !== undefined).join(' ')
      if (told.pattern !== undefined && json.type === 'string') json.pattern = told.pattern
      // A file may leave a section empty by commenting out all it holds.
      if (told.type === 'section' && unwrap(zodSchema).optional)
        json.type = ['object', 'null'] as never
    },
  })
}

/** The text of docs/settings.md. */
export function settingsPage(): string {
  const all = catalogue()
  const sections = all
    .filter((e) => e.settings.length > 0)
    .map((section) => [
      `## ${section.setting}`,
      '',
      section.description + (section.aws === undefined ? '' : ` AWS: ${section.aws}.`),
      '',
      `Default: ${section.default}. For example \`${exampleOf(section)}\`.`,
      '',
      ...table(all.filter((e) => section.settings.includes(e.setting) && e.settings.length === 0)),
      '',
    ])
  const alone = all.filter((e) => e.settings.length === 0 && !e.setting.includes('.'))
  const top = ['## In no section', '', ...table(alone), '']
  return [PAGE_HEAD, ...[...sections, top].map((lines) => lines.join('\n'))].join('\n')
}

function table(entries: readonly CatalogueEntry[]): string[] {
  const rows = entries.map((e) => {
    const about = [e.description, e.unit === undefined ? '' : `Unit: ${e.unit}.`]
    const cells = [
      `\`${e.setting.split('.').at(-1)}\``,
      about.join(' ').trim(),
      e.type,
      e.default,
      e.range ?? '',
      e.aws ?? '',
    ]
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  })
  return [
    '| setting | meaning | type | default | range | AWS name |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
  ]
}

function exampleOf(entry: CatalogueEntry): string {
  if (entry.type === 'section') return `${entry.setting}: { ${entry.example} }`
  if (entry.type === 'list of sections') return `${entry.setting}: [${entry.example}]`
  return `${entry.setting.split('.').at(-1)}: ${entry.example}`
}

const PAGE_HEAD = `# Settings

Generated from the schema in \`src/config\` by \`node scripts/generate-docs.js\`; change it there.
\`weir config explain SETTING\` prints the same for one setting, \`weir config check FILE\` judges a file.

Any setting can also come from the environment: \`pool.maxConnections\` is
\`WEIR_POOL__MAX_CONNECTIONS\`, and the port of the endpoint called \`reader\` is
\`WEIR_ENDPOINTS__READER__PORT\`. The value is written as in the file. The environment wins over the
file, and \`name=value\` arguments of a command win over both.

Durations and sizes carry their unit: \`50ms\`, \`5s\`, \`2m\`, \`24h\`; \`512B\`, \`16KiB\`, \`1MiB\`.
`
