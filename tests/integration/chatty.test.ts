/** A client that never stops asking does not keep others from being served. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { query } from '../../src/wire/postgres/frontend.ts'
import { type House, rowsOf, startHouse } from '../support/house.ts'
import { rawSession } from '../support/raw-session.ts'

let house: House

beforeAll(async () => {
  house = await startHouse({
    pool: 1,
    ports: [17_001, 17_050],
    config: { auth: { trust: true, secrets: [{ username: 'weir', password: 'weir' }] } },
  })
})

afterAll(async () => {
  await house?.end()
})

it('a client that always has fifty requests under way lets another have its turn', async () => {
  const chatty = await rawSession(house.port)
  chatty.messages.length = 0
  const one = query('select pg_sleep(0.001)')
  let asked = 0
  let answered = 0
  let goesOn = true
  const ask = (): void => {
    while (goesOn && asked - answered < 50) {
      chatty.send(one)
      asked++
    }
  }
  chatty.socket.on('data', () => {
    answered += chatty.messages.splice(0).filter(({ type }) => type === 'Z').length
    ask()
  })
  ask()
  await until(() => answered > 100, 20_000)
  let other: unknown
  const done = rowsOf(house.writer, 'select 1 as one').then((rows) => {
    other = rows[0]?.one
  })
  await until(() => other !== undefined, 20_000)
  expect(other).toBe(1)
  goesOn = false
  await until(() => answered === asked, 20_000)
  await done
  chatty.vanish()
})
