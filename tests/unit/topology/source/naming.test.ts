/** Names of nodes that others have named: lasting, plain, and each only once. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { inOrder, plainName } from '../../../../src/topology/source/naming.ts'

const spec = (name: string, host: string, port = 5432) => ({ name, host, port, weight: 1 })
const names = (...specs: ReturnType<typeof spec>[]) => inOrder(specs).map((s) => s.name)

test('what names may hold is kept, everything else becomes a dash', () => {
  expect(plainName('db-1.example_x:5432')).toBe('db-1.example_x:5432')
  expect(plainName('fd00::5')).toBe('fd00::5')
  expect(plainName('a/b c\n"d"')).toBe('a-b-c-d-')
  expect(plainName('ü'.repeat(3))).toBe('-')
  expect(plainName('')).toBe('node')
  expect(plainName('x'.repeat(100))).toHaveLength(63)
})

test('numbers in names are ordered by size', () => {
  expect(names(spec('n-10', 'a'), spec('n-9', 'b'), spec('m', 'c'))).toEqual(['m', 'n-9', 'n-10'])
})

test('two servers of one name are told apart by their ports, or else by their addresses', () => {
  expect(names(spec('db', 'a', 2), spec('db', 'a', 1))).toEqual(['db-1', 'db-2'])
  expect(names(spec('db', 'b'), spec('db', 'a'))).toEqual(['db-a-5432', 'db-b-5432'])
  expect(names(spec('db', 'a', 1), spec('db', 'a', 2), spec('db-1', 'b', 3))).toEqual([
    ...['db-1', 'db-2', 'db-a-1'],
  ])
})

test('a server that is listed twice is there once', () => {
  expect(inOrder([spec('x', 'a'), spec('y', 'a')])).toEqual([spec('x', 'a')])
})

test('the order of a list changes nothing, as long as no server is listed twice', () => {
  const one = fc.record({
    name: fc.constantFrom('a', 'b', 'a-1', 'a-i-2', 'x'.repeat(63)),
    host: fc.constantFrom('h', 'i', 'j'),
    port: fc.integer({ min: 1, max: 4 }),
    weight: fc.constant(1),
  })
  const list = fc.uniqueArray(one, { selector: (s) => `${s.host} ${s.port}`, maxLength: 8 })
  fc.assert(
    fc.property(list, fc.infiniteStream(fc.nat()), (specs, dice) => {
      const turned = specs
        .map((s) => ({ s, key: dice.next().value as number }))
        .sort((a, b) => a.key - b.key)
        .map(({ s }) => s)
      const found = inOrder(specs)
      expect(inOrder(turned)).toEqual(found)
      expect(new Set(found.map((s) => s.name)).size).toBe(found.length)
    }),
    { numRuns: 300 },
  )
})
