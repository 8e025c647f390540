/**
 * What the clients of the torture ask, as data: each statement says its SQL and what must come back.
 * Rule: whatever may be told to somebody else by mistake carries the identity of who asked (`7.15`: client
 * 7, its number 15), in rows, in column names, in the text of errors, notices and notifications.
 */

/** What a statement does to its session or to the database, once it has succeeded. */
export type Deed =
  | { readonly do: 'begin' | 'commit' | 'rollback' }
  | { readonly do: 'savepoint' | 'rollback-to'; readonly name: string }
  | { readonly do: 'insert'; readonly numbers: readonly number[] }
  | { readonly do: 'mark'; readonly to: string; readonly local: boolean }
  | { readonly do: 'notify'; readonly text: string }
  | { readonly do: 'prepare'; readonly name: string; readonly statement: Statement }
  | { readonly do: 'deallocate'; readonly name: string }

export interface Failure {
  readonly code: string
  /** Part of the message. */
  readonly says: string
  /** When it is noticed: before any row is described, or after `rows` rows. */
  readonly rows: number | 'none described'
}

export interface Statement {
  readonly sql: string
  /** Names of the columns; none: no rows come. */
  readonly columns?: readonly string[]
  /** How many rows; 1 unless said. */
  readonly rows?: number
  /** Columns joined by `|`; `MARK` in it stands for the mark of the session. */
  readonly row?: (i: number) => string
  /** Without the number of rows, for what has rows. */
  readonly tag: string
  readonly fails?: Failure
  readonly notice?: string
  readonly deed?: Deed
  /** COPY: out, with that many lines, or in, with what the client sends for it. */
  readonly copy?: 'out' | readonly string[]
  /** EXECUTE: of what the session has prepared by that name. */
  readonly executes?: string
}

/** What is parsed by the extended protocol; a value comes with Bind where it has a parameter. */
export interface Definition {
  readonly sql: string
  readonly parameter: boolean
  /** What it is with this value. */
  readonly with: (value: string) => Statement
}

/** The table, and the function that writes to it. */
export const STAGE = `
  drop table if exists torture;
  create table torture (client int, number int);
  create or replace function torture_put(client int, number int) returns text language sql as
  $$ insert into torture values (client, number) returning client || '.' || number $$`

export const MARK = '<mark>'
export const CHANNEL = 'torture'
export const TABLE = 'torture'

/** Of the client only, so that texts of one kind differ in nothing but their literals. */
const column = (id: string): string => `c${id.split('.')[0]}`

export function fast(id: string): Statement {
  return {
    sql: `select '${id}' as ${column(id)}`,
    columns: [column(id)],
    row: () => id,
    tag: 'SELECT',
  }
}

export function rows(id: string, count: number, width = 0): Statement {
  const pad = 'x'.repeat(width)
  return {
    sql: `select '${id}:' || i || repeat('x', ${width}) as ${column(id)} from generate_series(1, ${count}) i`,
    columns: [column(id)],
    rows: count,
    row: (i) => `${id}:${i + 1}${pad}`,
    tag: 'SELECT',
  }
}

/** Busy for about so many thousand rows, without waiting on purpose. */
export function slow(id: string, thousands: number): Statement {
  return {
    sql: `select '${id}' as ${column(id)}, count(*) from generate_series(1, ${thousands}000)`,
    columns: [column(id), 'count'],
    row: () => `${id}|${thousands}000`,
    tag: 'SELECT',
  }
}

export function sleep(id: string, seconds: number): Statement {
  return {
    sql: `select '${id}' as ${column(id)} from pg_sleep(${seconds})`,
    columns: [column(id)],
    row: () => id,
    tag: 'SELECT',
  }
}

/** Reads the mark of the session, which is lost where settings do not follow their client. */
export function readMark(id: string): Statement {
  return {
    sql: `select '${id}' as ${column(id)}, coalesce(current_setting('torture.mark', true), '') as mark`,
    columns: [column(id), 'mark'],
    row: () => `${id}|${MARK}`,
    tag: 'SELECT',
  }
}

export function setMark(id: string, local: boolean): Statement {
  return {
    sql: `set ${local ? 'local ' : ''}torture.mark = '${id}'`,
    tag: 'SET',
    deed: { do: 'mark', to: id, local },
  }
}

/** Fails while it is analysed. */
export function wrongColumn(id: string): Statement {
  const wrong = `c${id.replace('.', '_')}`
  return {
    sql: `select ${wrong}`,
    columns: [wrong],
    tag: 'SELECT',
    fails: { code: '42703', says: `"${wrong}"`, rows: 'none described' },
  }
}

export function wrongNumber(id: string): Statement {
  return {
    sql: `select 'n${id}'::int as ${column(id)}`,
    columns: [column(id)],
    tag: 'SELECT',
    fails: { code: '22P02', says: `"n${id}"`, rows: 'none described' },
  }
}

/** Fails with part of its answer given. */
export function failsLate(id: string, after: number): Statement {
  return {
    sql: `select '${id}:' || i as ${column(id)}, 10 / (${after + 1} - i) as q from generate_series(1, ${after + 5}) i`,
    columns: [column(id), 'q'],
    row: (i) => `${id}:${i + 1}|${Math.floor(10 / (after - i))}`,
    tag: 'SELECT',
    fails: { code: '22012', says: 'division by zero', rows: after },
  }
}

/** Fails by a function of ours, which Weir cannot know to be harmless. */
export function raises(id: string): Statement {
  return {
    sql: `do $$ begin raise exception 'torture ${id}'; end $$`,
    tag: 'DO',
    fails: { code: 'P0001', says: `torture ${id}`, rows: 'none described' },
  }
}

export function notices(id: string): Statement {
  return {
    sql: `do $$ begin raise notice 'torture ${id}'; end $$`,
    tag: 'DO',
    notice: `torture ${id}`,
  }
}

export function insert(client: number, number: number, returning: boolean): Statement {
  const id = `${client}.${number}`
  const deed: Deed = { do: 'insert', numbers: [number] }
  const sql = `insert into ${TABLE} values (${client}, ${number})`
  if (!returning) return { sql, tag: 'INSERT 0 1', deed }
  return {
    sql: `${sql} returning client || '.' || number as ${column(id)}`,
    columns: [column(id)],
    row: () => id,
    tag: 'INSERT 0',
    deed,
  }
}

/** A SELECT that writes: to send it twice is to write twice. */
export function put(client: number, number: number): Statement {
  const id = `${client}.${number}`
  return {
    sql: `select ${TABLE}_put(${client}, ${number}) as ${column(id)}`,
    columns: [column(id)],
    row: () => id,
    tag: 'SELECT',
    deed: { do: 'insert', numbers: [number] },
  }
}

export function notify(id: string, byFunction: boolean): Statement {
  const deed: Deed = { do: 'notify', text: id }
  if (!byFunction) return { sql: `notify ${CHANNEL}, '${id}'`, tag: 'NOTIFY', deed }
  return {
    sql: `select pg_notify('${CHANNEL}', '${id}') as ${column(id)}`,
    columns: [column(id)],
    row: () => '',
    tag: 'SELECT',
    deed,
  }
}

export function copyOut(id: string, count: number): Statement {
  return {
    sql: `copy (select '${id}:' || i from generate_series(1, ${count}) i) to stdout`,
    rows: count,
    row: (i) => `${id}:${i + 1}`,
    tag: 'COPY',
    copy: 'out',
  }
}

/** Copies rows in; `end` says how that ends. */
export function copyIn(
  client: number,
  numbers: readonly number[],
  end: 'done' | 'given up' | 'wrong',
): Statement {
  const id = `${client}.${numbers[0]}`
  const data = numbers.map((number) => `${client}\t${number}\n`)
  const sql = `copy ${TABLE} from stdin`
  if (end === 'done') {
    const tag = `COPY ${numbers.length}`
    return { sql, tag, copy: data, deed: { do: 'insert', numbers } }
  }
  const fails: Failure =
    end === 'wrong'
      ? { code: '22P02', says: `"n${id}"`, rows: 'none described' }
      : { code: '57014', says: `torture ${id}`, rows: 'none described' }
  const last = end === 'wrong' ? [`n${id}\t0\n`] : []
  return { sql, tag: 'COPY', copy: [...data, ...last], fails }
}

export const begin: Statement = { sql: 'begin', tag: 'BEGIN', deed: { do: 'begin' } }
export const commit: Statement = { sql: 'commit', tag: 'COMMIT', deed: { do: 'commit' } }
export const rollback: Statement = { sql: 'rollback', tag: 'ROLLBACK', deed: { do: 'rollback' } }

export function savepoint(name: string): Statement {
  return { sql: `savepoint ${name}`, tag: 'SAVEPOINT', deed: { do: 'savepoint', name } }
}

export function rollbackTo(name: string): Statement {
  return { sql: `rollback to ${name}`, tag: 'ROLLBACK', deed: { do: 'rollback-to', name } }
}

export function prepare(name: string, statement: Statement): Statement {
  const deed: Deed = { do: 'prepare', name, statement }
  return { sql: `prepare ${name} as ${statement.sql}`, tag: 'PREPARE', deed }
}

export function execute(name: string): Statement {
  return { sql: `execute ${name}`, tag: 'EXECUTE', executes: name }
}

export function deallocate(name: string): Statement {
  return { sql: `deallocate ${name}`, tag: 'DEALLOCATE', deed: { do: 'deallocate', name } }
}

/** Any statement without a value. */
export function fixed(statement: Statement): Definition {
  return { sql: statement.sql, parameter: false, with: () => statement }
}

/** Brings back who prepared it and who runs it. */
export function echo(id: string): Definition {
  const sql = `select '${id}' as ${column(id)}, $1::text as value`
  return {
    sql,
    parameter: true,
    with: (value) => ({
      sql,
      columns: [column(id), 'value'],
      row: () => `${id}|${value}`,
      tag: 'SELECT',
    }),
  }
}

/**
 * Texts that all clients share; everything is in the value: `7.15:300` asks for 300 rows, or to count that
 * far. What was quick a hundred times may be slow, huge or wrong the next time.
 */
export const SHARED = {
  rows: valued(
    `select $1::text || ':' || i || repeat('x', 50) as value
       from generate_series(1, split_part($1, ':', 2)::int) i`,
    ['value'],
    (value, count) => ({
      rows: count,
      row: (i) => `${value}:${i + 1}${'x'.repeat(50)}`,
    }),
  ),
  count: valued(
    `select $1::text as value, count(*) from generate_series(1, split_part($1, ':', 2)::int)`,
    ['value', 'count'],
    (value, count) => ({ row: () => `${value}|${count}` }),
  ),
  /** Fails when it is bound to what is no number. */
  number: valued('select $1::int as value', ['value'], (value) => {
    const fails: Failure = { code: '22P02', says: `"${value}"`, rows: 'none described' }
    return /\D/.test(value) ? { fails } : { row: () => value }
  }),
}

function valued(
  sql: string,
  columns: readonly string[],
  rest: (value: string, count: number) => Partial<Statement>,
): Definition {
  return {
    sql,
    parameter: true,
    with: (value) => ({ sql, columns, tag: 'SELECT', ...rest(value, Number(value.split(':')[1])) }),
  }
}
