/**
 * A configuration that need not be right: every part that stands by itself, defaults filled in, and
 * holes where something is wrong. Rule: the checks between settings read drafts only, so they work
 * alike on right and wrong files.
 */
import { z } from 'zod'
import { type FileSettings, schema } from './schema.ts'
import { secret } from './schema-doors.ts'
import { fieldsOf, isRecord, itemOf, type Path, unwrap } from './walk.ts'

export type Draft = Omit<FileSettings, 'nodes' | 'endpoints'> & {
  readonly nodes: readonly (FileSettings['nodes'][number] | undefined)[]
  readonly endpoints: readonly (FileSettings['endpoints'][number] | undefined)[]
  /** Also of nodes that are wrong otherwise. */
  readonly nodeNames: readonly string[]
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
    return [key, Array.isArray(items) ? items.map((one) => salvageSection(item, one)) : []]
  })
  return {
    ...(Object.fromEntries(parts) as Omit<Draft, 'nodeNames' | 'secrets'>),
    nodeNames: namesIn(given.nodes),
    secrets: secretsIn(given.auth),
  }
}

/** A section without its wrong settings; undefined when one that is needed is missing. */
function salvageSection(section: z.core.$ZodType, value: unknown): unknown {
  const fields = fieldsOf(section) ?? {}
  const right = Object.entries(isRecord(value) ? value : {}).filter(([key, inner]) => {
    const field = fields[key]
    return field !== undefined && z.safeParse(field, inner).success
  })
  return z.safeParse(section, Object.fromEntries(right)).data
}

export function draftOf(settings: FileSettings): Draft {
  return { ...settings, nodeNames: namesIn(settings.nodes), secrets: settings.auth.secrets }
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
