/** How many sessions there are of each kind. */
import { expect, it } from 'vitest'
import { Headcount } from '../../../src/session/headcount.ts'

const session = (user: string, endpoint: string, remoteAddress: string | undefined) => ({
  who: { user },
  route: { endpoint: { rule: { name: endpoint } } },
  link: { remoteAddress },
})

it('counts users, sources and endpoints, and comes back to nothing', () => {
  const heads = new Headcount()
  const all = [
    session('ada', 'writer', '10.0.0.1'),
    session('ada', 'reader', '::ffff:10.0.0.1'),
    session('bob', 'reader', undefined),
  ]
  for (const one of all) heads.add(one)
  expect([heads.ofUser('ada'), heads.ofUser('bob'), heads.ofUser('eve')]).toEqual([2, 1, 0])
  expect([heads.ofEndpoint('writer'), heads.ofEndpoint('reader')]).toEqual([1, 2])
  expect(heads.ofSource('10.0.0.1')).toBe(2)
  for (const one of all) heads.delete(one)
  expect([heads.ofUser('ada'), heads.ofSource('10.0.0.1'), heads.ofEndpoint('reader')]).toEqual([
    0, 0, 0,
  ])
})
