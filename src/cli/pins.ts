/**
 * `weir pins`: what each statement of a SQL text or a server log would do to pooling, without a
 * server. Rule: reads only what it is given, line by line, and connects to nothing.
 */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Command } from 'commander'
import { messageOf, WeirError } from '../core/errors.ts'
import { asFormat, type EntryReader, formatOf, readerOf, type TextFormat } from './pins-log.ts'
import { PinsReport, reportText } from './pins-report.ts'

interface Options {
  readonly sql?: string
  readonly format?: string
  readonly all?: boolean
  readonly json?: boolean
}

/** So many lines are looked at to tell what a file is. */
const SAMPLE_LINES = 50

export function registerPins(program: Command): void {
  program
    .command('pins')
    .description('explain what SQL or a server log would pin, in Weir and in RDS Proxy')
    .argument('[file...]', 'SQL files or PostgreSQL logs (stderr, csvlog, jsonlog); - for stdin')
    .option('--sql <text>', 'explain this text instead')
    .option('--format <format>', 'sql, stderr, csv or json, where it is not recognised')
    .option('--all', 'show also the statements for which nothing happens')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
For a log of everything an application says, set log_statement = 'all' on its server for a while.

Examples:
  weir pins app.sql
  weir pins --sql "set search_path = a; create temp table t (x int)"
  weir pins --json /var/log/postgresql/postgresql.csv | jq .aws.pins`,
    )
    .action(async (files: string[], options: Options) => {
      const report = await explain(files, options)
      const text =
        options.json === true ? JSON.stringify(report, null, 2) : reportText(report, options.all)
      process.stdout.write(`${text}\n`)
    })
}

async function explain(files: readonly string[], options: Options): Promise<PinsReport> {
  const report = new PinsReport()
  const format = options.format === undefined ? undefined : asFormat(options.format)
  if (options.sql !== undefined) {
    report.add('--sql', { text: options.sql, line: 1, message: false })
  } else if (files.length === 0) {
    throw new WeirError('WEIR_PINS_INPUT', 'there is nothing to explain', {
      hint: 'Name a file, - for standard input, or --sql "text"; weir pins --help shows how.',
    })
  }
  for (const file of files) {
    try {
      await readFile(file, format, report)
    } catch (error) {
      throw new WeirError('WEIR_PINS_INPUT', `cannot read ${file}: ${messageOf(error)}`)
    }
  }
  return report
}

/** Tells the format by the first lines unless it is given. */
async function readFile(
  file: string,
  format: TextFormat | undefined,
  report: PinsReport,
): Promise<void> {
  const input = file === '-' ? process.stdin : createReadStream(file)
  const sample: string[] = []
  let reader: EntryReader | undefined
  const begin = (): EntryReader => {
    const begun = readerOf(format ?? formatOf(sample), (entry) => report.add(file, entry))
    for (const line of sample) begun.line(line)
    return begun
  }
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (reader !== undefined) reader.line(line)
    else if (sample.push(line) === SAMPLE_LINES) reader = begin()
  }
  reader ??= begin()
  reader.end()
}
