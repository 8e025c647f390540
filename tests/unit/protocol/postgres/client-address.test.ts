/** What Postgres is told of where a client comes from. */
import { expect, it } from 'vitest'
import { handOnAddress } from '../../../../src/protocol/postgres/client-address.ts'

function handed(way: string, settings: Record<string, string>, address: string | undefined) {
  const map = new Map(Object.entries(settings))
  handOnAddress(way, map, address)
  return Object.fromEntries(map)
}

it('nothing unless asked', () => {
  expect(handed('off', { application_name: 'app' }, '10.0.0.1')).toEqual({
    application_name: 'app',
  })
})

it('stands behind the name of the application, or in its place', () => {
  expect(handed('application-name', { application_name: 'app' }, '10.0.0.1')).toEqual({
    application_name: 'app - 10.0.0.1',
  })
  expect(handed('application-name', {}, '2001:db8::1')).toEqual({ application_name: '2001:db8::1' })
  expect(handed('application-name', {}, undefined)).toEqual({ application_name: 'local' })
})

it('keeps the address and cuts the name where both are longer than Postgres keeps', () => {
  const { application_name: plain } = handed(
    'application-name',
    { application_name: 'x'.repeat(63) },
    '10.0.0.1',
  )
  expect(plain).toBe(`${'x'.repeat(52)} - 10.0.0.1`)
  const { application_name: wide } = handed(
    'application-name',
    { application_name: 'ä'.repeat(40) },
    '10.0.0.1',
  )
  expect(wide).toBe(`${'ä'.repeat(26)} - 10.0.0.1`)
})

it('is a setting of its own, whatever the client says of it', () => {
  expect(handed('setting:weir.client', { 'weir.client': 'forged' }, '10.0.0.1')).toEqual({
    'weir.client': '10.0.0.1',
  })
})
