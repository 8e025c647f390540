/**
 * The fields of ErrorResponse and NoticeResponse, and which letter carries which. Rule: this table
 * is the only place that knows the letters; builder and reader both walk it. Source: "Error and
 * Notice Message Fields" of the manual, src/include/postgres_ext.h (PG_DIAG_*).
 */
export const SEVERITIES = [
  'ERROR',
  'FATAL',
  'PANIC',
  'WARNING',
  'NOTICE',
  'DEBUG',
  'INFO',
  'LOG',
] as const

export type Severity = (typeof SEVERITIES)[number]

export interface ErrorFields {
  /** Never localised; the builder writes it as both S and V. */
  severity: Severity
  /** SQLSTATE, five characters. */
  code: string
  message: string
  detail?: string | undefined
  hint?: string | undefined
  /** Decimal, counted in characters from 1. */
  position?: string | undefined
  internalPosition?: string | undefined
  internalQuery?: string | undefined
  where?: string | undefined
  schema?: string | undefined
  table?: string | undefined
  column?: string | undefined
  dataType?: string | undefined
  constraint?: string | undefined
  file?: string | undefined
  line?: string | undefined
  routine?: string | undefined
}

export type OptionalField = Exclude<keyof ErrorFields, 'severity' | 'code' | 'message'>

export const SEVERITY_LETTER = 0x53 // S, may be localised
export const PLAIN_SEVERITY_LETTER = 0x56 // V, never localised, since PostgreSQL 9.6
export const CODE_LETTER = 0x43 // C
export const MESSAGE_LETTER = 0x4d // M

/** In the order PostgreSQL itself sends them. */
export const OPTIONAL_FIELDS: readonly (readonly [OptionalField, number])[] = [
  ['detail', 0x44], // D
  ['hint', 0x48], // H
  ['position', 0x50], // P
  ['internalPosition', 0x70], // p
  ['internalQuery', 0x71], // q
  ['where', 0x57], // W
  ['schema', 0x73], // s
  ['table', 0x74], // t
  ['column', 0x63], // c
  ['dataType', 0x64], // d
  ['constraint', 0x6e], // n
  ['file', 0x46], // F
  ['line', 0x4c], // L
  ['routine', 0x52], // R
]
