/**
 * What a client sends up to one ReadyForQuery, and its bytes. Rule: the bytes are decided before anything
 * is answered, so a client may send as far ahead as it likes, and how many answers it gets never depends
 * on what they say.
 */
import * as frontend from '../../../src/wire/postgres/frontend.ts'
import { bind } from '../../support/message-text.ts'
import type { Definition, Statement } from './statements.ts'

/** One message of a batch; Sync follows the last. */
export type Step =
  | { readonly send: 'parse'; readonly name: string; readonly definition: Definition }
  | {
      readonly send: 'bind'
      readonly portal: string
      readonly name: string
      /** None: the statement has no parameter. */
      readonly value?: string
    }
  | { readonly send: 'describe-statement' | 'describe-portal' | 'close'; readonly name: string }
  /** `rows` 0: all. */
  | { readonly send: 'execute'; readonly portal: string; readonly rows: number }
  /** The data of the COPY that was executed, all of it. */
  | { readonly send: 'copy'; readonly statement: Statement }
  | { readonly send: 'flush' }

export interface Request {
  readonly number: number
  readonly how: 'simple' | 'batch'
  readonly statements: readonly Statement[]
  readonly steps: readonly Step[]
  readonly bytes: Buffer
}

/** One text; a COPY in it is the only statement, and its data comes at once. */
export function simple(number: number, ...statements: Statement[]): Request {
  const text = statements.map(({ sql }) => sql).join('; ')
  const data = statements.map(dataOf)
  return {
    number,
    how: 'simple',
    statements,
    steps: [],
    bytes: Buffer.concat([frontend.query(text), ...data]),
  }
}

export function batch(number: number, ...steps: Step[]): Request {
  const bytes = Buffer.concat([...steps.map(bytesOf), frontend.sync()])
  return { number, how: 'batch', statements: [], steps, bytes }
}

/** The usual four messages, or five. */
export function run(definition: Definition, value?: string, described = false): Step[] {
  return [{ send: 'parse', name: '', definition }, ...again('', value, described)]
}

/** What was prepared under that name, once more. */
export function again(name: string, value?: string, described = false): Step[] {
  const bound = value === undefined ? {} : { value }
  return [
    { send: 'bind', portal: '', name, ...bound },
    ...(described ? [{ send: 'describe-portal' as const, name: '' }] : []),
    { send: 'execute', portal: '', rows: 0 },
  ]
}

/** Every statement in it, with those that are only bound left out. */
export function statementsOf(request: Request): readonly Statement[] {
  if (request.how === 'simple') return request.statements
  return request.steps.flatMap((step) =>
    step.send === 'parse' && !step.definition.parameter ? [step.definition.with('')] : [],
  )
}

function bytesOf(step: Step): Buffer {
  switch (step.send) {
    case 'parse':
      return frontend.parse(step.name, step.definition.sql, [])
    case 'bind':
      return bind(step.portal, step.name, step.value === undefined ? [] : [step.value])
    case 'describe-statement':
      return frontend.describe('S', step.name)
    case 'describe-portal':
      return frontend.describe('P', step.name)
    case 'close':
      return frontend.close('S', step.name)
    case 'execute':
      return frontend.execute(step.portal, step.rows)
    case 'copy':
      return dataOf(step.statement)
    case 'flush':
      return frontend.flush()
  }
}

function dataOf({ copy, fails }: Statement): Buffer {
  if (copy === undefined || copy === 'out') return Buffer.alloc(0)
  const data = copy.map((line) => frontend.copyData(Buffer.from(line)))
  const end = fails?.code === '57014' ? frontend.copyFail(fails.says) : frontend.copyDone()
  return Buffer.concat([...data, end])
}
