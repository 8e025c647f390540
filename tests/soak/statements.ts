/**
 * The statements of the soak as data, and their SQL. Rule: a statement says all that its SQL needs,
 * so a conversation can be kept, shortened and played again; what it must be answered is the model's
 * business.
 */

export type Statement =
  | {
      readonly do: 'set'
      readonly name: string
      readonly to: string
      readonly local: boolean
      /** `zone`: SET TIME ZONE. `config`: set_config(). */
      readonly by: 'set' | 'session' | 'config' | 'zone'
    }
  | { readonly do: 'set-wrong'; readonly sql: string; readonly code: string }
  | { readonly do: 'reset'; readonly name: string; readonly by: 'reset' | 'default' | 'zone' }
  | { readonly do: 'reset-all' }
  | { readonly do: 'role'; readonly to: string; readonly local: boolean }
  | { readonly do: 'reset-role' }
  | { readonly do: 'authorize'; readonly to: string | undefined; readonly local: boolean }
  | { readonly do: 'begin'; readonly isolation?: string }
  | { readonly do: 'commit' | 'rollback'; readonly chain: boolean }
  | { readonly do: 'savepoint' | 'rollback-to' | 'release'; readonly name: string }
  | { readonly do: 'show'; readonly name: string }
  | { readonly do: 'settings'; readonly names: readonly string[] }
  | { readonly do: 'isolation' | 'who' | 'whose' | 'mine' | 'divide' | 'syntax' }
  | { readonly do: 'offset' | 'day' | 'backslash' }
  | { readonly do: 'literal'; readonly text: string }
  | { readonly do: 'tally'; readonly key: number }
  | { readonly do: 'temp'; readonly tag: string; readonly dropped: boolean }
  | { readonly do: 'scratch' | 'drop-temp' | 'discard-temp' | 'discard-all' | 'discard-plans' }
  | { readonly do: 'declare'; readonly cursor: string; readonly tag: string }
  | { readonly do: 'fetch' | 'close'; readonly cursor: string }
  | { readonly do: 'lock' | 'try-lock' | 'unlock'; readonly key: number }
  | { readonly do: 'unlock-all' | 'locks' }
  | { readonly do: 'nextval' | 'currval' | 'lastval' | 'discard-sequences' }
  | { readonly do: 'prepare'; readonly name: string; readonly statement: Statement }
  | { readonly do: 'execute' | 'deallocate'; readonly name: string }
  | { readonly do: 'deallocate-all' }

/** How many rows a cursor has. */
export const CURSOR_ROWS = 40

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`

function setSql(s: Extract<Statement, { do: 'set' }>): string {
  if (s.by === 'config') return `select set_config(${quoted(s.name)}, ${quoted(s.to)}, ${s.local})`
  const scope = s.local ? 'local ' : s.by === 'session' ? 'session ' : ''
  if (s.by === 'zone') return `set ${scope}time zone ${quoted(s.to)}`
  return `set ${scope}${s.name} = ${s.name === 'search_path' ? s.to : quoted(s.to)}`
}

export function settingsSql(names: readonly string[]): string {
  return `select ${names.map((name) => `coalesce(current_setting(${quoted(name)}, true), '')`).join(', ')}`
}

const FIXED: Partial<Record<Statement['do'], string>> = {
  'reset-all': 'reset all',
  'reset-role': 'reset role',
  isolation: 'show transaction_isolation',
  who: 'select current_user, session_user',
  whose: 'select name from whose',
  mine: `select string_agg(owner, ',' order by owner) from public.mine`,
  divide: 'select 1/0',
  syntax: 'selec 1',
  offset: `select extract(timezone from timestamptz '2024-01-15 12:00+00')::int`,
  day: `select to_char(date '01/02/2024', 'YYYY-MM-DD')`,
  backslash: `select length('a\\\\b')`,
  scratch: 'select tag from scratch',
  'drop-temp': 'drop table scratch',
  'discard-temp': 'discard temp',
  'discard-all': 'discard all',
  'discard-plans': 'discard plans',
  'discard-sequences': 'discard sequences',
  'unlock-all': 'select pg_advisory_unlock_all()',
  locks: `select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()`,
  nextval: `select nextval('public.tickets')`,
  currval: `select currval('public.tickets')`,
  lastval: 'select lastval()',
  'deallocate-all': 'deallocate all',
}

export function sqlOf(s: Statement): string {
  const fixed = FIXED[s.do]
  if (fixed !== undefined) return fixed
  switch (s.do) {
    case 'set':
      return setSql(s)
    case 'set-wrong':
      return s.sql
    case 'reset':
      if (s.by === 'reset') return `reset ${s.name}`
      return s.by === 'zone' ? 'set time zone local' : `set ${s.name} to default`
    case 'role':
      return `set ${s.local ? 'local ' : ''}role ${s.to}`
    case 'authorize':
      return `set ${s.local ? 'local ' : ''}session authorization ${s.to ?? 'default'}`
    case 'begin':
      return s.isolation === undefined ? 'begin' : `begin isolation level ${s.isolation}`
    case 'commit':
    case 'rollback':
      return s.chain ? `${s.do} and chain` : s.do
    case 'savepoint':
      return `savepoint ${s.name}`
    case 'rollback-to':
      return `rollback to ${s.name}`
    case 'release':
      return `release savepoint ${s.name}`
    case 'show':
      return `show ${s.name}`
    case 'settings':
      return settingsSql(s.names)
    case 'literal':
      return `select ${quoted(s.text)}::text`
    case 'tally':
      return `insert into public.tally values (${s.key}, 1) on conflict (client) do update set n = tally.n + 1 returning n`
    case 'temp':
      return `create temp table scratch${s.dropped ? ' on commit drop' : ''} as select ${quoted(s.tag)}::text as tag`
    case 'declare':
      return `declare ${s.cursor} cursor with hold for select ${quoted(s.tag)}::text from generate_series(1, ${CURSOR_ROWS})`
    case 'fetch':
      return `fetch ${s.cursor}`
    case 'close':
      return `close ${s.cursor}`
    case 'lock':
      return `select pg_advisory_lock(${s.key})`
    case 'try-lock':
      return `select pg_try_advisory_lock(${s.key})`
    case 'unlock':
      return `select pg_advisory_unlock(${s.key})`
    case 'prepare':
      return `prepare ${s.name} as ${sqlOf(s.statement)}`
    case 'execute':
      return `execute ${s.name}`
    case 'deallocate':
      return `deallocate ${s.name}`
    default:
      throw new Error(`no SQL for ${s.do}`)
  }
}

/** What a client sends at once, and how. */
export type Group =
  | { readonly how: 'simple'; readonly statements: readonly Statement[] }
  | { readonly how: 'batch'; readonly messages: readonly Message[] }
  /** Several, none waiting for the answer to the one before. */
  | { readonly how: 'pipeline'; readonly groups: readonly Group[] }
  /** Goes away, after sending that much of the group; comes back as a new session. */
  | {
      readonly how: 'leave'
      readonly politely: boolean
      readonly sending?: Group
      readonly cut: number
    }

/** One message of a batch; a Sync follows the last. */
export type Message =
  | { readonly send: 'parse'; readonly name: string; readonly text: Text }
  /** Bind, Describe perhaps, and Execute. */
  | {
      readonly send: 'run'
      readonly name: string
      readonly described: boolean
      readonly values: readonly string[]
    }
  | { readonly send: 'close'; readonly name: string }
  | { readonly send: 'describe'; readonly name: string }
  | { readonly send: 'flush' }

/** What is prepared: a statement, or one whose values come with Bind. */
export type Text =
  | { readonly is: 'statement'; readonly statement: Statement }
  | { readonly is: 'set-config' | 'current-setting' }

export function textSql(text: Text): string {
  if (text.is === 'statement') return sqlOf(text.statement)
  return text.is === 'set-config'
    ? 'select set_config($1, $2, $3::bool)'
    : `select coalesce(current_setting($1, true), '')`
}

export function statementsIn(group: Group): number {
  if (group.how === 'simple') return group.statements.length
  if (group.how === 'batch') return group.messages.filter(({ send }) => send === 'run').length
  if (group.how === 'pipeline') return group.groups.reduce((n, g) => n + statementsIn(g), 0)
  return 0
}
