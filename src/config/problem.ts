/**
 * What is wrong with a configuration, said so that a person can mend it: where, which setting, what
 * was found, what would be right. Rule: all problems are told at once, and never a secret.
 */
import { WeirError } from '../core/errors.ts'

export interface Problem {
  /** File, or the environment variable or command line argument that set it. */
  readonly file: string
  /** From 1; undefined when `file` is not a file. */
  readonly line: number | undefined
  readonly column: number | undefined
  /** `pool.borrowTimeout`, `endpoints.reader.port`; empty for the file as a whole. */
  readonly setting: string
  readonly got: string
  readonly want: string
  /** The whole sentence, without the place. */
  readonly message: string
}

export class ConfigErrors extends WeirError {
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[]) {
    super('WEIR_CONFIG', problems.map(printProblem).join('\n'), {
      hint: 'weir config explain SETTING tells what a setting takes',
    })
    this.name = 'ConfigErrors'
    this.problems = problems
  }
}

/** One line: `config/local.yaml:12:18  pool.borrowTimeout: got "5 parsecs", want ...`. */
export function printProblem(problem: Problem): string {
  const { file, line, column, message } = problem
  return line === undefined ? `${file}  ${message}` : `${file}:${line}:${column}  ${message}`
}

/** How a found value is named in a message; long ones are cut, whole collections only named. */
export function printValue(value: unknown, secret = false): string {
  if (value === undefined || value === null) return 'nothing'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object') {
    const lacking = ['username', 'password'].filter((key) => !(key in value))
    return secret && lacking.length > 0 ? `a section without ${lacking.join(' and ')}` : 'a section'
  }
  if (secret) return `a ${typeof value} (hidden)`
  // A password in a connection string is the one secret people put where none belongs.
  const text = JSON.stringify(value).replace(/\/\/\S*@/, '//(hidden)@')
  return text.length <= 60 ? text : `${text.slice(0, 56)}..."`
}

/** The candidate a mistyped word most likely meant; undefined when none is near. */
export function didYouMean(word: string, candidates: readonly string[]): string | undefined {
  const wanted = word.toLowerCase()
  const near = candidates
    .map((candidate) => ({ candidate, far: distance(wanted, candidate.toLowerCase()) }))
    .filter(({ candidate, far }) => far <= Math.max(1, Math.floor(candidate.length / 3)))
    .sort((a, b) => a.far - b.far)
  return near[0]?.candidate
}

/** Fewest single letters to add, drop, change or swap with the next to turn `a` into `b`. */
function distance(a: string, b: string): number {
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const changed = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const best = Math.min(changed, row[j]! + 1, next[j - 1]! + 1)
      next.push(swapped ? Math.min(best, before[j - 2]! + 1) : best)
    }
    before = row
    row = next
  }
  return row[b.length]!
}
