/**
 * Users whom Weir knows only from the node: nothing of them stands in any file of its. Rule: whatever
 * is sent as a name is a name, and everybody who may not come in hears the same.
 */
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../../src/core/until.ts'
import { type Front, startFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'

let house: House

const AUTH = { username: 'weir_auth', password: 'asks' }

/** What an administrator sets up, as the documentation has it. */
const SETUP = `
  create role weir_auth login password 'asks';
  create schema weir;
  create function weir.user_secret(text) returns table (name name, secret text, ends timestamptz)
    language sql stable strict security definer set search_path = pg_catalog
    begin atomic
      select rolname, rolpassword, rolvaliduntil from pg_catalog.pg_authid
        where rolname = $1 and rolcanlogin;
    end;
  revoke execute on function weir.user_secret(text) from public;
  grant usage on schema weir to weir_auth;
  grant execute on function weir.user_secret(text) to weir_auth;`

const BY_FUNCTION = 'SELECT * FROM weir.user_secret($1)'

beforeAll(async () => {
  house = await startHouse({
    ports: [17_340, 17_369],
    config: {
      auth: {
        secrets: [{ username: 'weir', password: 'weir' }, AUTH],
        query: { user: 'weir_auth', database: 'app', query: BY_FUNCTION },
      },
    },
  })
  await house.ask(SETUP)
  await house.ask("create role alice login password 'wonder'")
})

afterAll(() => house?.end())

interface Who {
  readonly user: string
  readonly password?: string
  readonly port?: number
  readonly options?: string
}

async function ask({ user, password = '', port = house.port, options }: Who) {
  const client = new pg.Client({
    ...{ host: '127.0.0.1', port, user, password, database: 'postgres' },
    ...(options === undefined ? {} : { options }),
    connectionTimeoutMillis: 30_000,
  })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query('select current_user::text as name')).rows[0]
  } finally {
    await client.end()
  }
}

/** SQLSTATE and words of a refusal, the name taken out. */
async function refusalOf(who: Who): Promise<string> {
  try {
    await ask(who)
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    return `${code} ${message.replace(who.user, 'NAME')}`
  }
  return 'came in'
}

const WRONG = '28P01 password authentication failed for user "NAME"'

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`

describe('a user whom only the node knows', () => {
  test('comes in with its password, and is itself on the node', async () => {
    expect(await ask({ user: 'alice', password: 'wonder' })).toEqual({ name: 'alice' })
  })

  test('comes in with the new password once it was changed on the node', async () => {
    await house.ask("create role mover login password 'one'")
    expect(await ask({ user: 'mover', password: 'one' })).toEqual({ name: 'mover' })
    await house.ask("alter role mover password 'two'")
    const came = (password: string) =>
      ask({ user: 'mover', password }).then(
        () => true,
        () => false,
      )
    // The first may meet what is remembered; that it was wrong has Weir ask again.
    let inside = false
    await until(
      () => {
        void came('two').then((yes) => {
          inside ||= yes
        })
        return inside
      },
      30_000,
      { what: 'the new password to open the door' },
    )
    expect(await refusalOf({ user: 'mover', password: 'one' })).toBe(WRONG)
  })

  test('is refused in the same words, whatever is in the way', async () => {
    await house.ask("create role expired login password 'x' valid until '2020-01-01'")
    await house.ask("create role never login password 'x' valid until '-infinity'")
    await house.ask('create role bare login')
    await house.ask("create role nobody nologin password 'x'")
    const users = ['expired', 'never', 'bare', 'nobody', 'ghost']
    const heard = await Promise.all(users.map((user) => refusalOf({ user, password: 'x' })))
    expect(heard).toEqual(users.map(() => WRONG))
    expect(await refusalOf({ user: 'alice', password: 'x' })).toBe(WRONG)
  })

  test('comes in as long as its password is valid', async () => {
    await house.ask("create role timely login password 'x' valid until '2999-01-01'")
    await house.ask("create role always login password 'x' valid until 'infinity'")
    expect(await ask({ user: 'timely', password: 'x' })).toEqual({ name: 'timely' })
    expect(await ask({ user: 'always', password: 'x' })).toEqual({ name: 'always' })
  })
})

describe('a name', () => {
  test.each([
    "alice'; drop schema weir cascade; --",
    "x' or rolname = 'alice",
    'semi;colon',
    '$1',
    'a"b',
    'back\\slash',
    'ünï çødé',
    '%s %n',
  ])('that looks like SQL is only a name: %s', async (name) => {
    expect(await refusalOf({ user: name, password: 'x' })).toBe(WRONG)
    await house.ask(`create role ${quoted(name)} login password 'odd'`)
    try {
      await until(
        async () => (await refusalOf({ user: name, password: 'odd' })) === 'came in',
        30_000,
        { what: 'the new role to be found' },
      )
      expect(await ask({ user: name, password: 'odd' })).toEqual({ name })
    } finally {
      await house.ask(`drop role ${quoted(name)}`)
    }
    expect(await house.ask("select count(*)::int as n from weir.user_secret('alice')")).toEqual([
      { n: 1 },
    ])
  })
})

describe('the question', () => {
  const fronts: Front[] = []
  afterAll(() => Promise.all(fronts.map((front) => front.end())))

  async function front(query: string): Promise<number> {
    const config = { auth: { query: { user: 'weir_auth', database: 'app', query } } }
    const one = await startFront(house, { users: [AUTH], config })
    fronts.push(one)
    return one.port('writer')
  }

  test('finds the catalog, whatever search_path a role, a database or a client would have', async () => {
    await house.ask('grant select on pg_catalog.pg_authid to weir_auth')
    await house.ask('create schema evil')
    await house.ask('grant usage on schema evil to public')
    const verifier = "(select rolpassword from pg_catalog.pg_authid where rolname = 'alice')"
    await house.ask(
      `create table evil.pg_authid as select 'root'::name as rolname, ${verifier} as rolpassword`,
    )
    await house.ask('grant select on evil.pg_authid to public')
    await house.ask("create role root login password 'secret'")
    await house.ask('alter role weir_auth set search_path = evil, pg_catalog')
    await house.ask('alter database app set search_path = evil, pg_catalog')
    const port = await front('SELECT rolname, rolpassword FROM pg_authid WHERE rolname = $1')
    const options = '-c search_path=evil,pg_catalog'
    expect(await refusalOf({ user: 'root', password: 'wonder', port, options })).toBe(WRONG)
    expect(await ask({ user: 'root', password: 'secret', port })).toEqual({ name: 'root' })
    await house.ask('alter database app reset search_path')
  })

  test('takes no name for the one that the node cuts it to', async () => {
    await house.ask('grant select on pg_catalog.pg_authid to weir_auth')
    const kept = 'a'.repeat(63)
    await house.ask(`create role ${kept} login password 'long'`)
    const port = await front('SELECT rolname, rolpassword FROM pg_authid WHERE rolname = $1')
    expect(await ask({ user: kept, password: 'long', port })).toEqual({ name: kept })
    expect(await refusalOf({ user: `${kept}a`, password: 'long', port })).toBe(WRONG)
  })

  test('changes nothing on the node', async () => {
    await house.ask('create table weir.tracks (name text)')
    await house.ask(`create function weir.tracking(text) returns table (a text, b text)
      language plpgsql security definer as
      $$ begin insert into weir.tracks values ($1); return query select 'x', 'y'; end $$`)
    const port = await front('SELECT * FROM weir.tracking($1)')
    const heard = await refusalOf({ user: 'alice', password: 'wonder', port })
    expect(heard).toBe('58000 could not look up user "NAME"')
    expect(await house.ask('select * from weir.tracks')).toEqual([])
  })

  test.each([
    ['fails', 'SELECT 1/0, $1::text'],
    ['is refused to that role', 'SELECT pg_catalog.pg_read_file($1), $1'],
    ['gives several rows', "SELECT $1::text, 'x' FROM pg_catalog.generate_series(1, 2)"],
    ['gives another column', 'SELECT $1::text, 5'],
    ['gives a time that is none', "SELECT $1::text, null, 'soon'"],
  ])('that %s keeps everybody out whom it was to find, and says no more', async (_, query) => {
    const port = await front(query)
    const heard = await refusalOf({ user: 'alice', password: 'wonder', port })
    expect(heard).toBe('58000 could not look up user "NAME"')
    // Users of the secrets need no question.
    expect(await ask({ user: 'weir', password: 'weir', port })).toEqual({ name: 'weir' })
  })
})
