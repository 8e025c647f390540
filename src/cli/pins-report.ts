/**
 * What `weir pins` found: statements of one shape and one treatment counted together, and the sum of
 * it all in one sentence. Rule: statements for which nothing happens anywhere are counted, not shown.
 */
import { digest } from '../protocol/postgres/sql/digest.ts'
import { statementsOf } from '../protocol/postgres/sql/split.ts'
import type { Fate, Treatment, Verdict } from '../protocol/postgres/sql/treatment.ts'
import { treatmentOf } from '../protocol/postgres/sql/treatment.ts'
import type { Entry } from './pins-log.ts'

export interface Group {
  readonly digest: string
  count: number
  /** Where the first of them is. */
  readonly source: string
  readonly line: number
  readonly treatment: Treatment
}

const WEIGHT: readonly Verdict[] = ['nothing', 'follows', 'may-pin', 'pins']

export class PinsReport {
  #groups = new Map<string, Group>()

  /** Counts the statements of what was read from `source`. */
  add(source: string, entry: Entry): void {
    const bytes = Buffer.from(entry.text)
    let line = entry.line
    let at = 0
    for (const tokens of statementsOf(bytes)) {
      const start = tokens[0]!.start
      for (; at < start; at++) if (bytes[at] === 0x0a) line++
      const text = bytes.subarray(start, tokens.at(-1)!.end)
      this.#count(text, entry.message ? bytes.length : text.length, source, line)
    }
  }

  #count(text: Buffer, textBytes: number, source: string, line: number): void {
    const treatment = treatmentOf(text, textBytes)
    const shape = digest(text)
    const fates = treatment.follow.map((fate) => `${fate.verdict} ${fate.how}`)
    const key = [shape, ...fates, treatment.strict?.reason, treatment.aws?.reason].join('\0')
    const known = this.#groups.get(key)
    if (known !== undefined) known.count++
    else this.#groups.set(key, { digest: shape, count: 1, source, line, treatment })
  }

  /** Most frequent first. */
  get groups(): Group[] {
    return [...this.#groups.values()].sort((a, b) => b.count - a.count)
  }

  /** Statements, all of them or those that `which` picks. */
  count(which: (treatment: Treatment) => boolean = () => true): number {
    return this.groups.filter((g) => which(g.treatment)).reduce((sum, g) => sum + g.count, 0)
  }

  /** Plain data, for `--json`. */
  toJSON(): object {
    const { count: _, ...sums } = sumsOf(this)
    return {
      statements: this.count(),
      distinct: this.#groups.size,
      ...sums,
      groups: this.groups.map(({ treatment, ...group }) => ({
        ...group,
        follow: treatment.follow,
        strict: treatment.strict ?? null,
        aws: treatment.aws === undefined ? null : pick(treatment.aws),
        unseen: treatment.unseen,
      })),
    }
  }
}

function pick({ reason, trigger }: { reason: string; trigger: string }): object {
  return { reason, trigger }
}

function sumsOf(report: PinsReport) {
  const verdict = (wanted: Verdict) => report.count(({ follow }) => heaviest(follow) === wanted)
  return {
    count: report.count(),
    follow: {
      nothing: verdict('nothing'),
      follows: verdict('follows'),
      mayPin: verdict('may-pin'),
      pins: verdict('pins'),
    },
    strict: { refused: report.count(({ strict }) => strict !== undefined) },
    aws: { pins: report.count(({ aws }) => aws !== undefined) },
    unseen: report.count(({ unseen }) => unseen),
  }
}

function heaviest(fates: readonly Fate[]): Verdict {
  const weight = Math.max(...fates.map(({ verdict }) => WEIGHT.indexOf(verdict)))
  return WEIGHT[weight]!
}

/** For people. @param all show also what nothing happens for */
export function reportText(report: PinsReport, all = false): string {
  const shown = report.groups.filter(
    ({ treatment }) =>
      all || treatment.aws !== undefined || heaviest(treatment.follow) !== 'nothing',
  )
  return [...shown.map(blockOf), summaryOf(report)].join('\n\n')
}

function blockOf({ digest: shape, count, source, line, treatment }: Group): string {
  const { follow, strict, aws } = treatment
  const how = follow.map(fateText)
  const refused =
    strict === undefined
      ? 'the same'
      : [`refused (${strict.reason}).`, strict.hint].join(' ').trim()
  const awsText = aws === undefined ? 'nothing' : `pins (${aws.reason}): ${aws.trigger}`
  return [
    `${thousands(count)} x  ${printable(shape)}`,
    `    at      ${printable(source)}:${line}`,
    ...how.map((text, i) => `    ${i === 0 ? 'follow' : '      '}  ${text}`),
    `    strict  ${refused}`,
    `    aws     ${awsText}`,
  ].join('\n')
}

function fateText({ verdict, reason, how, until }: Fate): string {
  switch (verdict) {
    case 'nothing':
      return `nothing: ${how}`
    case 'follows':
      return `follows: ${how}`
    case 'may-pin':
      return `may pin (${reason}): ${how}; until ${until}`
    case 'pins':
      return `pins (${reason}): ${how}; until ${until}`
  }
}

function summaryOf(report: PinsReport): string {
  const { count, follow, strict, aws, unseen } = sumsOf(report)
  if (count === 0) return 'There is no statement in it.'
  const statements = `${thousands(count)} statement${count === 1 ? '' : 's'}`
  const perhaps = follow.mayPin === 0 ? '' : ` and perhaps on ${thousands(follow.mayPin)} more`
  const lines = [
    `Of ${statements} RDS Proxy would pin on ${thousands(aws.pins)}, Weir on ${thousands(follow.pins)}${perhaps}; with pinning: strict it would refuse ${thousands(strict.refused)}.`,
  ]
  if (unseen > 0) {
    lines.push(
      `Functions that neither can see through are called in ${thousands(unseen)}; verify: true makes Weir ask the server behind them.`,
    )
  }
  return lines.join('\n')
}

function thousands(n: number): string {
  return n.toLocaleString('en-US')
}

function printable(text: string): string {
  // Line breaks do not occur in a digest; C0, DEL and C1 begin escape sequences.
  return text.replace(/\p{Cc}/gu, '?')
}
