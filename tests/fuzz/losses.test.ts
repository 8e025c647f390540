/**
 * Clients whose servers die at any moment, in the middle of any message. Each writes numbers, alone
 * or in transactions, pipelined or not; afterwards what was committed is held against what each
 * client was told: 40001 means that nothing took effect, an answer that all did, 08007 that nobody
 * knows, and never is half of a transaction there, or anything twice.
 */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { randomOf } from '../support/client-scripts.ts'
import { type Block, meetDeath, type Statement } from '../support/mortal-servers.ts'

const RUNS = Number(process.env.FUZZ_RUNS ?? 3_000)

const style = fc.constantFrom('query', 'batch', 'named', 'joined')
const inner: fc.Arbitrary<Statement> = fc.record({
  what: fc.constantFrom('insert', 'insert', 'read'),
  style,
  wait: fc.boolean(),
})
const block: fc.Arbitrary<Block> = fc.oneof(
  fc.record({ kind: fc.constant('alone' as const), statements: fc.tuple(inner) }),
  fc.record({
    kind: fc.constantFrom('commit' as const, 'commit' as const, 'rollback' as const),
    statements: fc.array(inner, { maxLength: 4 }),
    begin: style,
    end: style,
    wait: fc.boolean(),
  }),
  fc.record(
    {
      kind: fc.constantFrom('text' as const, 'split' as const),
      statements: fc.array(inner, { minLength: 1, maxLength: 3 }),
      begin: style,
      wait: fc.boolean(),
    },
    { requiredKeys: ['kind', 'statements', 'wait'] },
  ),
)
const world = fc.record({
  clients: fc.array(fc.array(block, { minLength: 1, maxLength: 6 }), {
    minLength: 1,
    maxLength: 3,
  }),
  /** Of each step, that a server dies in it. */
  mortality: fc.constantFrom(0, 0.01, 0.03, 0.1),
  refusals: fc.constantFrom(0, 0, 0.1, 0.4),
  seed: fc.integer(),
})

it('tells every client the truth about what it wrote', async () => {
  const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31))
  const outcomes = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(world, async ({ clients, mortality, refusals, seed: order }) => {
      const random = randomOf(order)
      const { wrong, counted } = await meetDeath(clients, { mortality, refusals, random })
      for (const [outcome, times] of Object.entries(counted)) {
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + times)
      }
      expect(wrong.join('\n')).toBe('')
    }),
    { seed, numRuns: RUNS },
  )
  console.log(`losses fuzz: seed ${seed}, ${RUNS} worlds, ${JSON.stringify([...outcomes])}`)
  for (const outcome of ['retried', 'unknown', 'transaction']) {
    expect(outcomes.get(outcome) ?? 0, outcome).toBeGreaterThan(0)
  }
})
