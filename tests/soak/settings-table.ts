/**
 * The settings that the soak changes, with values that SHOW gives back as they were given, and the
 * roles and schemas of its database. Rule: no value that could make a statement of the soak fail or
 * time out; `from` tells the number of the client, so that no two clients use the same values.
 */

export interface SettingRow {
  readonly name: string
  /** As ParameterStatus calls it, when servers report it. */
  readonly reported?: string
  /** Only a superuser may set it. */
  readonly superuser?: boolean
  /** Unknown until somebody sets it. */
  readonly custom?: boolean
  readonly values: readonly string[] | ((from: number, n: number) => string)
}

export const SCHEMAS = Array.from({ length: 8 }, (_, i) => `s${i}`)
export const ROLES = Array.from({ length: 8 }, (_, i) => `r${i}`)
/** Roles that have a schema of their own name, for `"$user"`. */
export const HOUSED: ReadonlySet<string> = new Set(ROLES.slice(0, 4))
export const LOGIN = 'weir'

const milliseconds = (from: number, n: number): string =>
  `${1_000_001 + from * 1_000 + (n % 998)}ms`

export const SETTINGS: readonly SettingRow[] = [
  {
    name: 'search_path',
    reported: 'search_path',
    values: [
      ...SCHEMAS,
      's3, public',
      's5, s1',
      'nowhere, s6',
      '"$user", public',
      '"$user", s2',
      'pg_catalog',
    ],
  },
  {
    name: 'timezone',
    reported: 'TimeZone',
    values: ['UTC', 'Asia/Tokyo', 'America/Caracas', 'Asia/Kolkata', 'Africa/Lagos'],
  },
  { name: 'application_name', reported: 'application_name', values: (from, n) => `c${from}-${n}` },
  { name: 'statement_timeout', values: milliseconds },
  { name: 'lock_timeout', values: milliseconds },
  { name: 'idle_in_transaction_session_timeout', values: milliseconds },
  { name: 'work_mem', values: (from, n) => `${1025 + from * 16 + 2 * (n % 8)}kB` },
  {
    name: 'datestyle',
    reported: 'DateStyle',
    values: ['ISO, DMY', 'ISO, MDY', 'SQL, DMY', 'Postgres, MDY', 'ISO', 'SQL', 'DMY', 'MDY'],
  },
  {
    name: 'intervalstyle',
    reported: 'IntervalStyle',
    values: ['postgres', 'iso_8601', 'sql_standard', 'postgres_verbose'],
  },
  { name: 'extra_float_digits', values: ['-3', '0', '1', '2', '3'] },
  { name: 'client_encoding', reported: 'client_encoding', values: ['UTF8', 'LATIN1', 'SQL_ASCII'] },
  {
    name: 'standard_conforming_strings',
    reported: 'standard_conforming_strings',
    values: ['on', 'off'],
  },
  { name: 'bytea_output', values: ['hex', 'escape'] },
  { name: 'plan_cache_mode', values: ['auto', 'force_generic_plan', 'force_custom_plan'] },
  {
    name: 'default_transaction_isolation',
    values: ['read committed', 'repeatable read'],
  },
  {
    name: 'log_min_duration_statement',
    superuser: true,
    values: (from, n) => `${1_000_001 + from * 1_000 + (n % 998)}ms`,
  },
  { name: 'app.owner', custom: true, values: (from, n) => `u${from}-${n}` },
  { name: 'app.tenant', custom: true, values: (from, n) => `t${from}-${n}` },
]

/** Index of each setting in `SETTINGS`; who the session acts as follows behind them. */
export const INDEX: ReadonlyMap<string, number> = new Map(SETTINGS.map(({ name }, i) => [name, i]))
export const ROLE = SETTINGS.length
export const AUTH = SETTINGS.length + 1

/** What servers report, in the order of `Model.reports`. */
export const REPORTED: readonly string[] = [
  ...SETTINGS.flatMap(({ reported }) => (reported === undefined ? [] : [reported])),
  'session_authorization',
  'is_superuser',
]
