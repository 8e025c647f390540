import { expect, it } from 'vitest'
import { SecondTry } from '../../../src/protocol/postgres/second-try.ts'

it('is armed by a batch that begins with the Bind and is kept', () => {
  const again = new SecondTry()
  again.ends(true)
  expect(again.armed).toBe(false)
  again.begins()
  again.ends(false)
  expect(again.armed).toBe(false)
  again.begins()
  again.ends(true)
  expect(again.armed).toBe(true)
})

it('is not armed by what is being played again, up to its Sync', () => {
  const again = new SecondTry()
  again.plays()
  again.begins()
  again.ends(true)
  expect(again.armed).toBe(false)
  again.begins()
  again.ends(true)
  expect(again.armed).toBe(true)
})
