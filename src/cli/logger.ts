/**
 * The log of the program: pino, readable on a terminal, one JSON object a line elsewhere. Rule:
 * rooms know only core's `Log`; whatever they pass, fields that are named like secrets are never
 * printed, and a text that a stranger sent cannot begin a line or speak to a terminal.
 */
import { type DestinationStream, pino } from 'pino'
import { prettyFactory } from 'pino-pretty'
import type { Log } from '../core/log.ts'
import { plainJson, shownJson } from '../core/printable.ts'

export interface LoggerOptions {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'
  /** `auto`: pretty when `out` is a terminal, else JSON. */
  readonly format: 'auto' | 'pretty' | 'json'
  /** Default standard error, so that standard output stays for what programs read. */
  readonly out?: NodeJS.WritableStream & { readonly isTTY?: boolean }
}

const SECRETS = [
  'password',
  'secret',
  'token',
  'storedKey',
  'serverKey',
  'clientKey',
  'saltedPassword',
]

/** Secrets at the top, one level down and two levels down; pino's paths have no "anywhere". */
const REDACTED = SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`])

/** @returns a log that fits every room; no line waits in a buffer of ours */
export function createLogger(options: LoggerOptions): Log {
  const out = options.out ?? process.stderr
  const pretty = options.format === 'pretty' || (options.format === 'auto' && out.isTTY === true)
  const stream = pretty ? prettyLines(out) : { write: (line: string) => out.write(plainJson(line)) }
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED, censor: '[secret]' },
    },
    stream,
  )
}

/** Pretty-printing without pino's worker or a stream in between: a line is out when it is logged. */
function prettyLines(out: NonNullable<LoggerOptions['out']>): DestinationStream {
  const pretty = prettyFactory({
    colorize: out.isTTY === true && !process.env.NO_COLOR,
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  })
  // Escapes are shown as they are written before colours, which are escapes too, are put in.
  return { write: (line) => out.write(pretty(shownJson(line))) }
}
