/** Which kinds of texts are known to ride, and what is remembered of them. */
import { expect, it } from 'vitest'
import { RideCosts } from '../../../../src/protocol/postgres/ride-costs.ts'

function asks(costs: RideCosts) {
  return (text: string) => {
    const bytes = Buffer.from(`..${text}.`)
    return costs.find(bytes, 2, bytes.length - 1)
  }
}

it('a kind rides from its second text on, and all its texts share one cost', () => {
  const find = asks(new RideCosts())
  expect(find('select 1')).toBeUndefined()
  const cost = find('select 22')
  expect(cost).toMatchObject({ known: false })
  expect(find('select 3')).toBe(cost)
  expect(find('select a, 3')).toBeUndefined()
})

it('a kind that may do more than read never rides', () => {
  const find = asks(new RideCosts())
  for (let i = 0; i < 5; i++) {
    expect(find(`delete from t where i = ${i}`)).toBeUndefined()
    expect(find(`select nextval('s${i}')`)).toBeUndefined()
  }
})

it('forgets kinds when there are too many, and learns them anew', () => {
  const find = asks(new RideCosts())
  find('select 1')
  expect(find('select 1')).toBeDefined()
  for (let i = 0; i < 5_000; i++) {
    find(`select c${i.toString(36)}x`)
    find(`select c${i.toString(36)}x`)
  }
  find('select 1')
  expect(find('select 1')).toBeDefined()
  expect(find('delete from t')).toBeUndefined()
  expect(find('delete from t')).toBeUndefined()
})
