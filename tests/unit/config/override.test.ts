import { expect, test } from 'vitest'
import { LEAST, load, problemsOf } from './scratch-file.ts'

test('a variable sets a setting, and wins over the file', () => {
  const env = { WEIR_POOL__MAX_CONNECTIONS: '10', WEIR_POOL__BORROW_TIMEOUT: 'unlimited' }
  const settings = load(`${LEAST}pool: { maxConnections: 5 }`, { env })
  expect(settings.pool.maxConnections).toBe(10)
  expect(settings.pool.borrowTimeout).toBe('unlimited')
})

test('an argument wins over a variable', () => {
  const env = { WEIR_POOL__MIN_IDLE: '1' }
  expect(load(LEAST, { env, overrides: ['pool.minIdle=2'] }).pool.minIdle).toBe(2)
})

test('an endpoint or node is found by its name', () => {
  const text = `${LEAST}
endpoints: [{ name: a-b, kind: writer, port: 1 }, { name: c, kind: reader, port: 2 }]`
  const settings = load(text, {
    env: { WEIR_ENDPOINTS__A_B__PORT: '11', WEIR_NODES__DB__PORT: '5501' },
    overrides: ['endpoints.c.maxLag=3s'],
  })
  expect(settings.endpoints.map((e) => [e.port, e.maxLagMs])).toEqual([
    [11, undefined],
    [2, 3_000],
  ])
  expect(settings.nodes[0]?.port).toBe(5501)
})

test('an endpoint that is there by default is found by its name too', () => {
  const settings = load(LEAST, { env: { WEIR_ENDPOINTS__READER__PORT: '7000' } })
  expect(settings.endpoints.map((e) => [e.name, e.port])).toEqual([
    ['writer', 6432],
    ['reader', 7000],
  ])
})

test('a whole list may come from outside, written as in the file', () => {
  const env = {
    WEIR_NODES: '[{ name: x, host: h1 }, { name: y, url: "postgres://h2:1" }]',
    WEIR_AUTH__SECRETS: '[{ username: u, password: p }]',
  }
  expect(load('', { env }).nodes.map((n) => n.name)).toEqual(['x', 'y'])
})

test('a text is taken as it stands', () => {
  const query = 'SET a TO "b: c" # d'
  expect(load(LEAST, { env: { WEIR_POOL__INIT_QUERY: query } }).pool.initQuery).toBe(query)
  expect(load(LEAST, { env: { WEIR_TOPOLOGY__DATABASE: '5' } }).topology.database).toBe('5')
})

test('a wrong value names the variable or argument that gave it', () => {
  expect(
    problemsOf(LEAST, { env: { WEIR_POOL__MIN_IDLE: 'x' }, overrides: ['log.level=loud'] }),
  ).toEqual([
    'WEIR_POOL__MIN_IDLE  pool.minIdle: got "x", want a whole number from 0 to 10000',
    '--set log.level  log.level: got "loud", want one of trace, debug, info, warn, error, silent',
  ])
})

test('a name that leads nowhere is answered with the nearest that does', () => {
  expect(
    problemsOf(LEAST, {
      env: { WEIR_POOL__MAX_CONECTIONS: '1', WEIR_QUITE__ELSE: '1' },
      overrides: ['pool.minIdel=1', 'pool'],
    }),
  ).toEqual([
    'WEIR_POOL__MAX_CONECTIONS  leads to no setting; did you mean WEIR_POOL__MAX_CONNECTIONS?',
    'WEIR_QUITE__ELSE  leads to no setting; see weir config explain',
    '--set pool.minIdel  leads to no setting; did you mean pool.minIdle?',
    '--set pool  leads to no setting; did you mean pool?',
  ])
})

test('other variables of ours are left alone', () => {
  expect(problemsOf(LEAST, { env: { WEIR_CONFIG: 'x', WEIR_LOG: 'y', PATH: '/bin' } })).toEqual([])
})
