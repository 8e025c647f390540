/**
 * Random conversations: batches of protocol actions in any order, most of them sensible, many of
 * them wrong. Rule: an action is a few bytes and says how many ReadyForQuery it asks for, so that
 * any list of them is a scenario that ends.
 */
import fc from 'fast-check'
import {
  close,
  copyData,
  copyDone,
  describe,
  execute,
  flush,
  parse,
  query,
  sync,
} from '../../../src/wire/postgres/frontend.ts'
import { bindTo, type Scenario, type Step } from './scenario.ts'

const NAMES = ['a', 'b', 'c', '']
const PORTALS = ['', 'p', 'q']
/** With the number of parameters each has. */
const STATEMENTS: readonly (readonly [string, number])[] = [
  ['select 1 as one', 0],
  ["select 'two', 2", 0],
  ['select $1::int + 1', 1],
  ['select $1::text || $2::text', 2],
  ['select n from generate_series(1, 6) n', 0],
  ['select 1/0', 0],
  ['select 1 / $1::int', 1],
  ['nonsense', 0],
  ['', 0],
  ['begin', 0],
  ['commit', 0],
  ['rollback', 0],
  ['savepoint s', 0],
  ['rollback to s', 0],
  ["insert into t (name) values ('random') returning name", 0],
  ["select '01/02/2024'::date", 0],
  ['copy (select 1, 2) to stdout', 0],
  ['show timezone', 0],
  ["prepare z as select 'by SQL'", 0],
]
const TEXTS = [
  'select 1; select 2',
  'select 1; select 1/0; select 3',
  'begin; select 1',
  'begin; select 1/0',
  'commit; select 5',
  '',
  "do $$ begin raise notice 'random'; end $$",
  'prepare y (int) as select $1 + 1',
  'prepare a as nonsense',
  'execute y(1)',
  'execute z',
  'deallocate a',
  'deallocate z',
  'deallocate all',
  'prepare z as select 8; execute z; select 1/0',
  'execute z; deallocate z; execute y(2); rollback',
]

/** What one client does next. */
type Action =
  | { readonly kind: 'query'; readonly text: string }
  | { readonly kind: 'parse'; readonly name: string; readonly text: string }
  | {
      readonly kind: 'bind'
      readonly name: string
      readonly portal: string
      readonly values: readonly string[]
      readonly binary: boolean
    }
  | { readonly kind: 'describe' | 'close'; readonly of: 'S' | 'P'; readonly name: string }
  | { readonly kind: 'execute'; readonly portal: string; readonly rows: number }
  | { readonly kind: 'use'; readonly name: string; readonly values: readonly string[] }
  | { readonly kind: 'copy'; readonly line: string }
  | { readonly kind: 'flush' }

const name = fc.constantFrom(...NAMES)
const portal = fc.constantFrom(...PORTALS)
const text = fc.constantFrom(...STATEMENTS.map(([sql]) => sql))
const values = fc.array(fc.constantFrom('1', '0', 'x'), { maxLength: 2 })

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('parse' as const), name, text }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('use' as const), name, values }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('bind' as const),
      name,
      portal,
      values,
      binary: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('execute' as const),
      portal,
      rows: fc.constantFrom(0, 0, 1, 2),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('describe' as const, 'close' as const),
      of: fc.constantFrom('S' as const, 'P' as const),
      name,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('copy' as const),
      line: fc.constantFrom('1\tx\n', 'bad\n'),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'flush' as const }) },
)

const simple: fc.Arbitrary<Action> = fc.record({
  kind: fc.constant('query' as const),
  text: fc.oneof(text, fc.constantFrom(...TEXTS)),
})

/** A batch: extended actions up to a Sync, or one simple query. */
const batch = fc.oneof(
  { weight: 3, arbitrary: fc.array(action, { minLength: 1, maxLength: 6 }) },
  { weight: 1, arbitrary: simple.map((one) => [one]) },
)

/** Batches, some sent together before anything is awaited. */
const groups = fc.array(fc.array(batch, { minLength: 1, maxLength: 3 }), {
  minLength: 1,
  maxLength: 6,
})

export const conversation: fc.Arbitrary<Scenario> = fc
  .record({
    groups,
    parameters: fc.constantFrom<Readonly<Record<string, string>>>(
      {},
      {},
      { DateStyle: 'SQL, DMY' },
      { TimeZone: 'Asia/Kolkata', application_name: 'random' },
    ),
  })
  .map(({ groups, parameters }) => ({
    name: 'random',
    parameters,
    steps: groups.flatMap((batches): Step[] => [
      Buffer.concat(
        batches.length === 1
          ? batches.map(bytesOf)
          : batches.map((batch, i) => bytesOf(batch.map((step) => unambiguous(step, i)))),
      ),
      { letter: 'Z', times: batches.length },
    ]),
    setup: 'truncate t, c restart identity',
  }))

/**
 * Of batches sent together: what a name means is decided when a message is sent, and an error before
 * it that undoes a Close or a Parse of that name is not known yet. So these leave each other's names
 * alone.
 */
function unambiguous(step: Action, i: number): Action {
  if (step.kind === 'copy') return { kind: 'flush' }
  if (step.kind === 'close' && step.of === 'S') return { ...step, name: `closed ${i}` }
  if (step.kind !== 'parse' || (i === 0 && step.name !== '')) return step
  return { ...step, name: `${step.name} later ${i}` }
}

function bytesOf(actions: readonly Action[]): Buffer {
  const first = actions[0]
  if (first?.kind === 'query') return query(first.text)
  return Buffer.concat([...actions.map(extendedBytes), sync()])
}

function extendedBytes(step: Action): Buffer {
  switch (step.kind) {
    case 'query':
      return query(step.text)
    case 'parse':
      return parse(step.name, step.text, [])
    case 'bind':
      return bindTo({
        portal: step.portal,
        statement: step.name,
        values: step.values,
        results: step.binary ? [1] : [],
      })
    case 'describe':
      return describe(step.of, step.name)
    case 'close':
      return close(step.of, step.name)
    case 'execute':
      return execute(step.portal, step.rows)
    case 'use':
      return Buffer.concat([
        bindTo({ statement: step.name, values: step.values }),
        describe('P', ''),
        execute('', 0),
      ])
    case 'copy':
      return Buffer.concat([
        parse('', 'copy c from stdin', []),
        // Executing a copy again would read whatever comes next as its data.
        bindTo({ portal: 'copy' }),
        execute('copy', 0),
        copyData(Buffer.from(step.line)),
        copyDone(),
      ])
    case 'flush':
      return flush()
    default:
      return step satisfies never
  }
}

/** A failing scenario in words, for the report of a failure. */
export function inWords({ steps, parameters }: Scenario): string {
  const said = steps.map((step) =>
    Buffer.isBuffer(step)
      ? step.toString('latin1').replace(/[^\x20-\x7e]/g, '.')
      : `wait ${step.letter} ${step.times}`,
  )
  return [JSON.stringify(parameters), ...said].join('\n')
}
