/**
 * Random clients over a small pool of model servers: every client reads exactly what it would have
 * read alone, everything it committed is there and nothing else, and the pool comes to rest.
 */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { randomOf, script } from '../support/client-scripts.ts'
import { alone, meet } from '../support/crowd.ts'

const RUNS = Number(process.env.FUZZ_RUNS ?? 2_000)

const crowd = fc.record({
  scripts: fc.array(script, { minLength: 1, maxLength: 6 }),
  servers: fc.integer({ min: 1, max: 3 }),
  preparedPerServer: fc.constantFrom(1, 2, 100),
  seed: fc.integer(),
})

/** Crowds that once found something, as small as they got. */
const KEPT: readonly (typeof crowd extends fc.Arbitrary<infer T> ? T : never)[] = [
  // A statement closed to make room, the Close skipped behind an error not seen yet, and used again.
  {
    scripts: [
      {
        settings: {},
        groups: [
          ['Parse "s1" "echo $1" []', 'Sync'],
          [
            'Bind "" "" ["v0"]',
            'Parse "s2" "fail" []',
            'Sync',
            'Bind "" "s1" ["v0"]',
            'Execute "" 0',
            'Sync',
          ],
        ],
        ending: 'terminate',
      },
    ],
    servers: 1,
    preparedPerServer: 1,
    seed: 0,
  },
  // A Parse skipped, the next of its name accepted: what lies there is not what others prepare.
  crowdOfTwo(
    [
      ['Parse "s2" "echo two" []', 'Bind "" "s2" ["v0"]', 'Execute "" 0', 'Sync'],
      ['Query "echo $1"'],
    ],
    [
      [
        ...['Execute "" 0', 'Parse "s3" "echo two" []', 'Describe P ""', 'Sync'],
        ...['Parse "" "echo $1" []', 'Bind "" "" ["v0"]', 'Execute "" 0', 'Sync'],
        ...['Parse "s3" "echo $1" []', 'Bind "" "s3" ["v0"]', 'Execute "" 0', 'Sync'],
      ],
    ],
  ),
  // An unnamed statement whose Parse was skipped must not be found in another client's.
  crowdOfTwo(
    [
      [
        ...['Bind "" "" ["v0"]', 'Parse "" "echo $1" []', 'Bind "" "" ["v0"]', 'Sync'],
        ...['Bind "" "" ["v0"]', 'Parse "" "echo $1" []', 'Bind "" "" ["v0"]', 'Sync'],
        ...['Bind "" "" ["v0"]', 'Execute "" 0', 'Sync', 'Flush', 'Sync'],
      ],
      ['Close S "s3"', 'Flush'],
      ['Bind "" "" ["v0"]', 'Execute "" 0', 'Sync'],
    ],
    [['Parse "" "echo $1" []', 'Flush']],
  ),
  // In a failed transaction, a malformed Parse of a taken name, whose statement is not there.
  crowdOfTwo(
    [
      ['Parse "s2" "echo $1" []', 'Bind "" "s2" ["v0"]', 'Execute "" 0', 'Sync'],
      ['Parse "" "begin" []', 'Bind "" "" ["v0"]', 'Execute "" 0', 'Sync'],
      ['Parse "s3" "echo three" []', 'Bind "" "s3" ["v0"]', 'Execute "" 0', 'Sync'],
      ['Parse "" "copy" []', 'Bind "" "" []', 'Execute "" 0', 'CopyFail "no"', 'Sync'],
      ['Parse "s2" "bad" []', 'Parse "" "echo $1" []', 'Flush'],
    ],
    [['Bind "" "" ["v0"]', 'Execute "" 0', 'Sync']],
  ),
  // An unnamed statement whose Parse failed, looked for while settings are in doubt.
  crowdOfTwo([
    ['Parse "" "bad" []', 'Flush'],
    [`Query "set a.b = 'c'"`],
    ['Describe S ""', 'Execute "" 0', 'Sync'],
    ['Parse "" "echo $1" []', 'Bind "" "" ["v0"]', 'Execute "" 0', 'Sync'],
  ]),
]

/** Over one server connection that keeps one statement. */
function crowdOfTwo(...groups: readonly (readonly (readonly string[])[])[]) {
  const scripts = groups.map((list) => ({
    settings: {},
    groups: list.map((group) => [...group]),
    ending: 'terminate' as const,
  }))
  return { scripts, servers: 1, preparedPerServer: 1 as const, seed: 0 }
}

it('each of many clients reads what it would have read alone', async () => {
  // A failure prints its seed, and `FUZZ_SEED` plays that again.
  const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31))
  let played = 0
  let messages = 0
  await fc.assert(
    fc.asyncProperty(crowd, async ({ scripts, servers, preparedPerServer, seed: order }) => {
      fc.pre(scripts.every((s) => !alone(s).unfit))
      played++
      messages += scripts.reduce((sum, s) => sum + s.groups.flat().length, 0)
      const wrong = await meet(scripts, { servers, preparedPerServer, random: randomOf(order) })
      expect(wrong.join('\n')).toBe('')
    }),
    { seed, numRuns: RUNS, maxSkipsPerRun: 1_000, examples: KEPT.map((one) => [one]) },
  )
  console.log(`session fuzz: seed ${seed}, ${played} crowds, ${messages} messages`)
})
