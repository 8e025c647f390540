/**
 * SQL out of files: SQL itself, and the three formats of PostgreSQL's server log. Rule: fed line by
 * line, holds no more than one entry (or one SQL file), and what is no statement is passed over.
 */
import { WeirError } from '../core/errors.ts'

export const TEXT_FORMATS = ['sql', 'stderr', 'csv', 'json'] as const
export type TextFormat = (typeof TEXT_FORMATS)[number]

/** What was sent in one message, or a whole file of SQL. */
export interface Entry {
  readonly text: string
  /** Where it begins, from 1. */
  readonly line: number
  /** Sent as it is; the statements of a file come one at a time. */
  readonly message: boolean
}

export interface EntryReader {
  line(text: string): void
  end(): void
}

const LEVEL =
  /(?:^|\s)(?:LOG|DEBUG[1-5]?|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|CONTEXT|STATEMENT|QUERY|LOCATION): {2}/
const LOGGED = /(?:^|\s)LOG: {2}(?<message>.*)$/s
/** csvlog: a time stamp with its zone, then a comma (src/backend/utils/error/csvlog.c). */
const CSV_LINE = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? [^,\s]+,/
const CSV_SEVERITY = 11
const CSV_MESSAGE = 13

/** What these first lines of a file are. */
export function formatOf(lines: readonly string[]): TextFormat {
  const full = lines.filter((line) => line.trim() !== '')
  if (full[0]?.startsWith('{"')) return 'json'
  if (full[0] !== undefined && CSV_LINE.test(full[0])) return 'csv'
  return full.some((line) => LEVEL.test(line)) ? 'stderr' : 'sql'
}

/** Gives each entry it finds to `emit`. */
export function readerOf(format: TextFormat, emit: (entry: Entry) => void): EntryReader {
  switch (format) {
    case 'sql':
      return sqlReader(emit)
    case 'stderr':
      return stderrReader(emit)
    case 'csv':
      return csvReader(emit)
    case 'json':
      return jsonReader(emit)
  }
}

export function asFormat(name: string): TextFormat {
  const format = TEXT_FORMATS.find((known) => known === name)
  if (format !== undefined) return format
  throw new WeirError('WEIR_PINS_FORMAT', `there is no format ${name}`, {
    hint: `The formats are ${TEXT_FORMATS.join(', ')}.`,
  })
}

/** `statement: ...` or `execute name: ...`, with a duration before it or not. */
function sqlOf(message: string): string | undefined {
  const what = /^(?:duration: [\d.]+ ms {2})?(?:statement|execute (?!fetch from ).*?): (?<sql>.*)$/s
  return what.exec(message)?.groups?.sql
}

/** Lines for psql and the data of COPY are left empty, so that lines keep their numbers. */
function sqlReader(emit: (entry: Entry) => void): EntryReader {
  const lines: string[] = []
  let data = false
  return {
    line(text) {
      const kept = !data && !text.startsWith('\\')
      if (data) data = text !== '\\.'
      else data = /^\s*copy\b.*\bfrom\s+stdin\b.*;\s*$/i.test(text)
      lines.push(kept ? text : '')
    },
    end: () => emit({ text: lines.join('\n'), line: 1, message: false }),
  }
}

/** An entry goes on in lines that begin with a tab. */
function stderrReader(emit: (entry: Entry) => void): EntryReader {
  let number = 0
  let from = 0
  let lines: string[] = []
  const end = (): void => {
    const sql = lines.length === 0 ? undefined : sqlOf(lines.join('\n'))
    if (sql !== undefined) emit({ text: sql, line: from, message: true })
    lines = []
  }
  return {
    line(text) {
      number++
      if (text.startsWith('\t')) {
        if (lines.length > 0) lines.push(text.slice(1))
        return
      }
      end()
      const message = LOGGED.exec(text)?.groups?.message
      if (message === undefined) return
      from = number
      lines = [message]
    },
    end,
  }
}

/** A record goes on while a quotation is open. */
function csvReader(emit: (entry: Entry) => void): EntryReader {
  let number = 0
  let from = 0
  let record = ''
  let open = false
  return {
    line(text) {
      number++
      if (!open) from = number
      record = open ? `${record}\n${text}` : text
      if ((text.split('"').length - 1) % 2 === 1) open = !open
      if (open) return
      const fields = fieldsOf(record)
      const sql = fields[CSV_SEVERITY] === 'LOG' ? sqlOf(fields[CSV_MESSAGE] ?? '') : undefined
      if (sql !== undefined) emit({ text: sql, line: from, message: true })
    },
    end: () => {},
  }
}

function fieldsOf(record: string): string[] {
  const fields = record.matchAll(/(?:^|,)(?:"(?<quoted>(?:[^"]|"")*)"|(?<plain>[^,]*))/g)
  return [...fields].map(
    ({ groups }) => groups?.quoted?.replaceAll('""', '"') ?? groups?.plain ?? '',
  )
}

function jsonReader(emit: (entry: Entry) => void): EntryReader {
  let number = 0
  return {
    line(text) {
      number++
      const record = parsed(text)
      const sql = record?.error_severity === 'LOG' ? sqlOf(String(record.message)) : undefined
      if (sql !== undefined) emit({ text: sql, line: number, message: true })
    },
    end: () => {},
  }
}

function parsed(text: string): { error_severity?: unknown; message?: unknown } | undefined {
  try {
    return JSON.parse(text) as { error_severity?: unknown; message?: unknown }
  } catch {
    return undefined // a line that was cut off, as logs have them
  }
}
