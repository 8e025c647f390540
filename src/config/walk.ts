/**
 * Finding one's way in the schema: sections, their fields, and what is known of each. Rule: the
 * wrappers zod puts around a value (optional, default) are taken off here and nowhere else.
 */
import type { z } from 'zod'
import { type About, about } from './setting.ts'

type Schema = z.core.$ZodType
type Defined = z.core.$ZodTypes

export interface Unwrapped {
  readonly bare: Schema
  /** May be left out of the file. */
  readonly optional: boolean
  /** The default as written in a file; undefined when there is none. */
  readonly fallback: unknown
}

export function unwrap(schema: Schema): Unwrapped {
  let bare = schema
  let optional = false
  let fallback: unknown
  for (;;) {
    const def = (bare as Defined)._zod.def
    if (def.type !== 'optional' && def.type !== 'prefault') return { bare, optional, fallback }
    optional = true
    if (def.type === 'prefault') fallback = def.defaultValue
    bare = def.innerType
  }
}

/** The settings of a section by name; undefined when the schema is not a section. */
export function fieldsOf(schema: Schema): Record<string, Schema> | undefined {
  const def = (unwrap(schema).bare as Defined)._zod.def
  if (def.type !== 'object') return undefined
  return Object.fromEntries(Object.entries(def.shape).map(([key, field]) => [key, field as Schema]))
}

/** What a list of sections is made of; undefined when the schema is anything else. */
export function itemOf(schema: Schema): Schema | undefined {
  const element = elementOf(schema)
  return element === undefined || fieldsOf(element) === undefined ? undefined : element
}

function elementOf(schema: Schema): Schema | undefined {
  const def = (unwrap(schema).bare as Defined)._zod.def
  return def.type === 'array' ? def.element : undefined
}

/** What is known of a setting; registered on it or on what it wraps. */
export function aboutOf(schema: Schema): About | undefined {
  return about.get(schema) ?? about.get(unwrap(schema).bare)
}

export type Path = readonly (string | number)[]

/** The setting nearest to `path`: itself, or the setting or section that holds it. */
export function nearest(root: Schema, path: Path): Schema {
  let at = root
  for (const step of path) {
    const next = typeof step === 'number' ? elementOf(at) : fieldsOf(at)?.[step]
    if (next === undefined) return at
    at = next
  }
  return at
}

/** The value at `path`; undefined when there is none. */
export function valueAt(value: unknown, path: Path): unknown {
  let at = value
  for (const step of path) {
    if (typeof at !== 'object' || at === null) return undefined
    at = (at as Record<string | number, unknown>)[step]
  }
  return at
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
