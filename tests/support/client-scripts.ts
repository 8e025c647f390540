/**
 * Random scripts of clients for the fuzz tests: what drivers do, what drivers never do, and copies.
 * Rule: a script is a list of groups; a client sends a group at once and then reads its answer.
 */
import fc from 'fast-check'
import type { ClientScript } from './crowd.ts'

const name = fc.constantFrom('', 's1', 's2', 's3')
const portal = fc.constantFrom('', '', 'p')
const text = fc.constantFrom(
  'echo $1',
  'echo two',
  'echo three',
  'rows 3',
  'insert $1',
  'begin',
  'commit',
  'rollback',
  'bad',
  'fail',
  'show',
  '',
)
const value = fc.integer({ min: 0, max: 999 }).map((n) => JSON.stringify([`v${n}`]))
const q = JSON.stringify

const message = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(name, text).map(([n, t]) => `Parse ${q(n)} ${q(t)} []`) },
  {
    weight: 4,
    arbitrary: fc.tuple(portal, name, value).map(([p, n, v]) => `Bind ${q(p)} ${q(n)} ${v}`),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(portal, fc.constantFrom(0, 0, 2)).map(([p, n]) => `Execute ${q(p)} ${n}`),
  },
  { weight: 1, arbitrary: name.map((n) => `Describe S ${q(n)}`) },
  { weight: 1, arbitrary: portal.map((p) => `Describe P ${q(p)}`) },
  { weight: 2, arbitrary: name.map((n) => `Close S ${q(n)}`) },
  { weight: 1, arbitrary: portal.map((p) => `Close P ${q(p)}`) },
  { weight: 1, arbitrary: fc.constant('Flush') },
)
/** What drivers do: prepare, bind, execute. */
const whole = fc
  .tuple(name, text, value)
  .map(([n, t, v]) => [`Parse ${q(n)} ${q(t)} []`, `Bind "" ${q(n)} ${v}`, 'Execute "" 0', 'Sync'])
const again = fc
  .tuple(name, value)
  .map(([n, v]) => [`Bind "" ${q(n)} ${v}`, 'Execute "" 0', 'Sync'])
const batch = fc.array(message, { minLength: 1, maxLength: 8 }).map((list) => [...list, 'Sync'])
const unfinished = fc
  .array(message, { minLength: 1, maxLength: 5 })
  .map((list) => [...list, 'Flush'])
const simple = fc
  .oneof(
    text,
    value.map((v) => `insert ${v}`),
  )
  .map((t) => [`Query ${q(t)}`])
const request = fc.oneof(simple, whole, again, batch)
const pipeline = fc.array(request, { minLength: 2, maxLength: 4 }).map((list) => list.flat())
const copyEnd = fc.constantFrom<readonly string[]>(
  ['CopyData "one"', 'CopyData "two"', 'CopyDone'],
  ['CopyData "wrong"', 'CopyDone'],
  ['CopyFail "no"'],
)
const extendedCopy = ['Parse "" "copy" []', 'Bind "" "" []', 'Execute "" 0']
const copy = fc.oneof(
  copyEnd.map((end) => [['Query "copy"'], [...end]]),
  copyEnd.map((end) => [
    [...extendedCopy, 'Sync'],
    [...end, 'Sync'],
  ]),
  copyEnd.map((end) => [[...extendedCopy, ...end, 'Sync']]),
)
const alone = (t: string) => [[`Query ${q(t)}`]]
const groups = fc
  .array(
    fc.oneof(
      { weight: 8, arbitrary: request.map((g) => [g]) },
      { weight: 4, arbitrary: pipeline.map((g) => [g]) },
      { weight: 2, arbitrary: fc.tuple(unfinished, batch).map(([a, b]) => [a, b]) },
      { weight: 1, arbitrary: copy },
      { weight: 1, arbitrary: fc.constant(alone("set a.b = 'c'")) },
      { weight: 1, arbitrary: unfinished.map((g) => [g]) },
    ),
    { minLength: 1, maxLength: 7 },
  )
  .map((list) => list.flat())

export const script: fc.Arbitrary<ClientScript> = fc.record({
  settings: fc.constantFrom<Record<string, string>>(
    {},
    {},
    { 'a.b': 'one' },
    { 'a.b': 'two', x: 'y' },
  ),
  groups,
  ending: fc.constantFrom('terminate', 'gone'),
})
/** A small generator of random numbers (mulberry32). */
export function randomOf(seed: number): () => number {
  let a = seed | 0
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
