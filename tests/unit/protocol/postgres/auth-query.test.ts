import { describe, expect, test } from 'vitest'
import { FakeClock } from '../../../../src/core/clock.ts'
import { messageOf } from '../../../../src/core/errors.ts'
import { AuthQuery, readRow } from '../../../../src/protocol/postgres/auth-query.ts'

interface Node {
  readonly name: string
  /** What `connect` or the question fails with. */
  readonly away?: Error
  readonly fails?: Error
  readonly hangs?: boolean
}

/** Nodes in the order in which they are to be asked, and what was done to them. */
function lab(...nodes: Node[]) {
  const done: string[] = []
  const clock = new FakeClock()
  const asking = new AuthQuery<Node>({
    nodes: () => nodes,
    client: (node) => {
      const say = (what: string): void => {
        done.push(`${node.name} ${what}`)
      }
      let cut: (error: Error) => void = () => {}
      const stub = {
        on: () => stub,
        end: async () => say('ended'),
        connection: {
          stream: {
            destroy: () => {
              say('destroyed')
              cut(new Error('cut'))
            },
            once: () => {},
          },
        },
        connect: async () => {
          say('connected')
          if (node.away !== undefined) throw node.away
        },
        query: async (what: string | { text: string; values: string[] }) => {
          if (typeof what === 'string') return say('set')
          say(`asked ${what.text} ${what.values}`)
          if (node.hangs === true) await new Promise((_, reject) => (cut = reject))
          if (node.fails !== undefined) throw node.fails
          return { rows: [['app', `md5 of ${node.name}`]] }
        },
      }
      return stub as never
    },
    query: 'Q',
    clock,
    timeoutMs: 5_000,
  })
  const ask = (signal = new AbortController().signal) => asking.ask('app', signal)
  return { asking, ask, done, clock }
}

const coded = (code: string) => Object.assign(new Error(`says ${code}`), { code })

describe('the question for a user', () => {
  test('keeps its connection for the next, and lets it go when there is none for a while', async () => {
    const { ask, done, clock } = lab({ name: 'a' })
    await ask()
    await ask()
    expect(done).toEqual(['a connected', 'a set', 'a asked Q app', 'a asked Q app'])
    clock.advance(60_000)
    expect(done.at(-1)).toBe('a ended')
    await ask()
    expect(done.at(-3)).toBe('a connected')
  })

  test.each([
    ['cannot be reached', { away: coded('ECONNREFUSED') }],
    ['is shutting down', { fails: coded('57P01') }],
    ['refuses the login', { away: coded('28P01') }],
    ['has no place left', { away: coded('53300') }],
    ['breaks off', { fails: new Error('Connection terminated') }],
  ])('goes to the next node when one %s', async (_, trouble) => {
    const { ask, done } = lab({ name: 'a', ...trouble }, { name: 'b' })
    expect(await ask()).toEqual({ stored: 'md5 of b', validUntil: Infinity })
    expect(done).toContain('a destroyed')
  })

  test.each(['42501', '42P01', '22012', 'P0001', '25006'])(
    'goes no further when a node answers %s, for others would answer the same',
    async (code) => {
      const { ask, done } = lab({ name: 'a', fails: coded(code) }, { name: 'b' })
      await expect(ask()).rejects.toThrow(`auth.query failed on a: says ${code} (${code})`)
      expect(done.filter((what) => what.startsWith('b'))).toEqual([])
    },
  )

  test('is told when no node is up', async () => {
    await expect(lab().ask()).rejects.toThrow('auth.query failed: no node is up')
  })

  test('that is given up cuts its connection and tries no other', async () => {
    const { ask, done } = lab({ name: 'a', hangs: true }, { name: 'b' })
    const giveUp = new AbortController()
    const asked = ask(giveUp.signal)
    for (let i = 0; i < 10; i++) await Promise.resolve()
    giveUp.abort()
    await expect(asked).rejects.toThrow('auth.query failed on a: cut')
    expect(done.filter((what) => what.startsWith('b'))).toEqual([])
  })
})

describe('the answer', () => {
  test('has a name, a password and perhaps an end', () => {
    const until = new Date('2030-01-01')
    expect(readRow([], 'app')).toBeUndefined()
    expect(readRow([['app', null]], 'app')).toEqual({ stored: null, validUntil: Infinity })
    expect(readRow([['app', 'x', null, 'more']], 'app')).toMatchObject({ validUntil: Infinity })
    expect(readRow([['app', 'x', until]], 'app')).toMatchObject({ validUntil: until.getTime() })
    expect(readRow([['app', 'x', -Infinity]], 'app')).toMatchObject({ validUntil: -Infinity })
  })

  test('about another name is none', () => {
    expect(readRow([['root', 'x']], 'app')).toBeUndefined()
    expect(readRow([['app', 'x']], 'App')).toBeUndefined()
  })

  test.each([
    ['several rows', [['app'], ['app']]],
    ['a second column that is no text', [['app', 5]]],
    ['a third column that is no moment', [['app', 's3cret', 'tomorrow']]],
    ['a third column that is NaN', [['app', 's3cret', Number.NaN]]],
  ])('of another shape is refused without quoting it: %s', (_, rows) => {
    let said = ''
    try {
      readRow(rows, 'app')
    } catch (error) {
      said = messageOf(error)
    }
    expect(said).toMatch(/^auth\.query gave /)
    expect(said).not.toContain('s3cret')
  })
})
