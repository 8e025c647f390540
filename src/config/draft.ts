/**
 * A configuration that need not be right: every part that stands by itself, defaults filled in, and
 * holes where something is wrong. Rule: the checks between settings read drafts only, so they work
 * alike on right and wrong files.
 */
import { z } from 'zod'
import { type FileSettings, schema } from './schema.ts'
import { secret } from './schema-auth.ts'
import { source } from './schema-topology.ts'
import { fieldsOf, isRecord, itemOf, type Path, unwrap } from './walk.ts'

export type FileNode = NonNullable<FileSettings['nodes']>[number]

export type Draft = Omit<FileSettings, 'nodes' | 'endpoints'> & {
  /** Undefined when the file has none. */
  readonly nodes: readonly (FileNode | undefined)[] | undefined
  readonly endpoints: readonly (FileSettings['endpoints'][number] | undefined)[]
  /** Also of nodes that are wrong otherwise. */
  readonly nodeNames: readonly string[]
  /** Where the nodes come from; undefined when what the file says of that is wrong. */
  readonly sourceKind: FileSettings['topology']['source']['kind'] | undefined
  /** In place of `auth.secrets`. */
  readonly secrets: readonly (FileSettings['auth']['secrets'][number] | undefined)[]
}

/** Notes a problem; `got` defaults to the value that stands at `path`. */
export type Report = (path: Path, want: string, got?: string) => void

/** What of a wrong configuration is right by itself, for the checks between settings. */
export function salvage(value: unknown): Draft {
  const given = isRecord(value) ? value : {}
  const parts = Object.entries(fieldsOf(schema)!).map(([key, field]) => {
    const item = itemOf(field)
    if (item === undefined) return [key, salvageSection(field, given[key]) ?? {}]
    const items = given[key] ?? unwrap(field).fallback
    if (items === undefined) return [key, undefined]
    return [key, Array.isArray(items) ? items.map((one) => salvageSection(item, one)) : []]
  })
  return {
    ...(Object.fromEntries(parts) as Omit<Draft, 'nodeNames' | 'sourceKind' | 'secrets'>),
    nodeNames: namesIn(given.nodes),
    sourceKind: kindIn(given.topology),
    secrets: secretsIn(given.auth),
  }
}

/** A section without its wrong settings; undefined when one that is needed is missing. */
function salvageSection(section: z.core.$ZodType, value: unknown): unknown {
  return z.safeParse(section, rightOf(section, value)).data
}

/** What of a section is right, as it stands in the file. */
function rightOf(section: z.core.$ZodType, value: unknown): Record<string, unknown> {
  const fields = fieldsOf(section) ?? {}
  const right = Object.entries(isRecord(value) ? value : {}).flatMap(([key, inner]) => {
    const field = fields[key]
    if (field === undefined) return []
    if (z.safeParse(field, inner).success) return [[key, inner]]
    if (fieldsOf(field) === undefined) return []
    const some = rightOf(field, inner)
    // Without a setting that it needs, nothing of it is of use.
    return z.safeParse(field, some).success ? [[key, some]] : []
  })
  return Object.fromEntries(right)
}

export function draftOf(settings: FileSettings): Draft {
  return {
    ...settings,
    nodes: settings.nodes,
    nodeNames: namesIn(settings.nodes),
    sourceKind: settings.topology.source.kind,
    secrets: settings.auth.secrets,
  }
}

function kindIn(topology: unknown): Draft['sourceKind'] {
  const given = isRecord(topology) && isRecord(topology.source) ? topology.source.kind : undefined
  return source.shape.kind.safeParse(given).data
}

function namesIn(nodes: unknown): string[] {
  if (!Array.isArray(nodes)) return []
  const names = nodes.map((n) => (isRecord(n) ? n.name : n)).filter((n) => typeof n === 'string')
  return [...new Set(names)]
}

function secretsIn(auth: unknown): Draft['secrets'] {
  if (!isRecord(auth) || !Array.isArray(auth.secrets)) return []
  return auth.secrets.map((one) => secret.safeParse(one).data)
}
