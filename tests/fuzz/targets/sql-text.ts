/**
 * SQL texts through everything that reads them: lexer, classifier, actions, split, skeleton, digest,
 * treatment. Made of statements that matter, glued, cut and damaged. Rule: nothing throws, tokens
 * cover the text, texts that share a skeleton are classified alike, and no digest shows a literal.
 */
import { actionsOf } from '../../../src/protocol/postgres/sql/actions.ts'
import { awsTrigger } from '../../../src/protocol/postgres/sql/aws.ts'
import { type Classification, classify } from '../../../src/protocol/postgres/sql/classify.ts'
import { DIGEST_LIMIT, digest } from '../../../src/protocol/postgres/sql/digest.ts'
import { isPlain } from '../../../src/protocol/postgres/sql/glance.ts'
import { Lexer, TOKEN } from '../../../src/protocol/postgres/sql/lexer.ts'
import { Skeleton } from '../../../src/protocol/postgres/sql/skeleton.ts'
import { statementsOf } from '../../../src/protocol/postgres/sql/split.ts'
import { treatmentOf } from '../../../src/protocol/postgres/sql/treatment.ts'
import type { Target } from '../../support/fuzz.ts'
import { type Draw, tamper } from '../../support/fuzz-draw.ts'
import { CORPUS } from '../../unit/sql/corpus.ts'

interface Case {
  text: Buffer
  /** The same, with other literals where numbers and plain strings stand. */
  tape: number
}

const STATEMENTS = CORPUS.map(([text]) => text)
const GLUE = [
  ...[
    "'",
    "''",
    '"',
    '""',
    '$$',
    '$a$',
    '$1',
    '--',
    '/*',
    '*/',
    '\\',
    ';',
    '(',
    ')',
    '.',
    ',',
    '\n',
  ],
  ...[
    "E'",
    "U&'",
    'U&"',
    "B'",
    "N'",
    '::',
    '0x',
    '1e',
    '.5',
    '1_000',
    'UESCAPE',
    ' ',
    '/',
    '*',
    '-',
    '@',
    '\u00a0',
  ],
]

function make(draw: Draw): Case {
  const parts = draw.list(6, () =>
    draw.way<string>(
      [4, () => draw.pick(STATEMENTS)],
      [3, () => draw.pick(GLUE)],
      [2, () => cutOut(draw, draw.pick(STATEMENTS))],
      [1, () => draw.text(6, GLUE)],
    ),
  )
  const text = Buffer.from(parts.join(draw.pick([' ', '', ';', '\n'])))
  const damaged = draw.maybe(25) ? tamper(draw, text) : text
  return { text: Buffer.from(damaged.filter((byte) => byte !== 0)), tape: draw.number() }
}

function cutOut(draw: Draw, text: string): string {
  const from = draw.upTo(text.length)
  return text.slice(from, from + 1 + draw.upTo(text.length))
}

const skeleton = new Skeleton()
const other = new Skeleton()

function check({ text, tape }: Case): string {
  const before = Buffer.from(text)
  const lexer = new Lexer(text)
  let at = 0
  while (lexer.next() !== TOKEN.END) {
    if (lexer.start !== at || lexer.end <= at || lexer.end > text.length) {
      throw new Error(`a token from ${lexer.start} to ${lexer.end}, at ${at}`)
    }
    at = lexer.end
  }
  if (at !== text.length) throw new Error(`tokens end at ${at} of ${text.length}`)

  const seen = classify(text)
  if (seen.readOnly && seen.effects.some((effect) => effect !== 'set-local')) {
    throw new Error(`read-only, and ${seen.effects.join()}`)
  }
  const cut = statementsOf(text)
  for (const tokens of cut) {
    for (const token of tokens) if (token.end > text.length) throw new Error('cut behind the end')
  }
  const actions = actionsOf(text)
  for (const action of actions) {
    // Where strings may end in more than one place, statements may too.
    if (!lexer.ambiguous && action.statement >= cut.length) {
      throw new Error(`an action of statement ${action.statement} of ${cut.length}`)
    }
  }
  if (digest(text).length > DIGEST_LIMIT) throw new Error('a long digest')
  const treatment = treatmentOf(text)
  if (treatment.follow.length === 0) throw new Error('no treatment')
  awsTrigger(seen, text.length)
  isPlain(text, 0, text.length)
  const alike = checkSkeleton(text, tape)
  if (!text.equals(before)) throw new Error('the text was changed')
  return `${seen.transaction}, ${treatment.follow[0]!.verdict}, ${Math.min(3, seen.statements)}, ${alike}`
}

/** Another text with the same skeleton is classified the same. */
function checkSkeleton(text: Buffer, tape: number): string {
  if (!skeleton.read(text, 0, text.length)) return 'none'
  const changed = Buffer.from(
    text
      .toString('latin1')
      .replace(/(?<![\w$"'.])\d+(?![\w$"'.])/g, String(tape))
      .replace(/(?<![\w&$"'\\])'[a-z ]*'(?!['"\w])/g, `'${'set x'.slice(0, tape % 6)}'`),
    'latin1',
  )
  if (!other.read(changed, 0, changed.length)) return 'one'
  if (other.length !== skeleton.length || other.hash !== skeleton.hash) return 'two'
  const seen = classify(text)
  const theirs = classify(changed)
  const facts = ({ bits, statements, transaction, readOnly }: Classification) =>
    JSON.stringify({ bits, statements, transaction, readOnly })
  if (facts(theirs) !== facts(seen)) {
    throw new Error(
      `${facts(seen)}, but ${facts(theirs)} for ${JSON.stringify(changed.toString())}`,
    )
  }
  return 'alike'
}

export const sqlText: Target<Case> = {
  name: 'sql-text',
  promise: 'any text is read to its end, and texts that differ in literals alone are taken alike',
  runs: 8_000,
  make,
  check,
}
