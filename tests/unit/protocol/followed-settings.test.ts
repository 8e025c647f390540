import { beforeEach, describe, expect, it } from 'vitest'
import { ABOUT, type Answer, readAnswer } from '../../../src/protocol/postgres/asking.ts'
import { FollowedSettings } from '../../../src/protocol/postgres/followed-settings.ts'
import { settingsKeyOf } from '../../../src/protocol/postgres/settings.ts'
import { actionsOf } from '../../../src/protocol/postgres/sql/actions.ts'

const START = new Map([
  ['application_name', 'mine'],
  ['work_mem', '2MB'],
])
let settings: FollowedSettings

beforeEach(() => {
  settings = new FollowedSettings({
    user: 'ann',
    settings: START,
    settingsKey: settingsKeyOf(START),
  })
})

/** What `text` puts in doubt, bits of `ABOUT`. */
function touch(text: string, alone = true): number {
  return actionsOf(Buffer.from(text)).reduce(
    (about, action) => about | settings.touch(action, alone),
    0,
  )
}

function answer(values: (string | null)[], sources?: Record<string, string>): Answer {
  const nothing = readAnswer({ about: 0, names: [] }, [])
  return { ...nothing, values, sources: sources && new Map(Object.entries(sources)) }
}

function now(): Record<string, string> {
  return Object.fromEntries(settings.current)
}

describe('A statement puts in doubt', () => {
  it.each([
    [`set Work_Mem = '1MB'`, ['work_mem']],
    [`set time zone 'UTC'`, ['timezone']],
    [`select set_config('app.tenant', 'x', false)`, ['app.tenant']],
    ['set session authorization ben', ['session_authorization', 'role']],
    [`set local work_mem = '1MB'`, []],
    ['set transaction read only', []],
    ['set transaction_read_only = on', []],
    ['reset all', ['application_name', 'work_mem']],
    ['discard all', ['application_name', 'work_mem']],
    ['discard plans', []],
  ])('%s: the settings %j', (text, names) => {
    touch(text)
    expect(settings.take()).toEqual(names)
  })

  it('whether it is still set, when it may go back', () => {
    expect(touch('set work_mem = 1') & ABOUT.SOURCES).toBe(0)
    for (const text of ['reset work_mem', 'reset all', 'set work_mem to default', 'discard all']) {
      expect(touch(text) & ABOUT.SOURCES).toBe(ABOUT.SOURCES)
    }
  })

  it('what nobody can name, until all are reset where nothing can take that back', () => {
    touch(`select set_config('a' || 'b', 'x', false)`)
    expect(settings.nameless).toBe(true)
    touch('reset all', false)
    settings.take()
    settings.taken(false)
    expect(settings.nameless).toBe(true)
    touch('reset all', true)
    settings.take()
    settings.taken(false)
    expect(settings.nameless).toBe(false)
  })

  it('no more names than can be asked for at once', () => {
    for (let i = 0; i < 201; i++) touch(`set app.s${i} = 'x'`)
    expect(settings.nameless).toBe(true)
  })
})

describe('The answer', () => {
  it('is what the client has from now on', () => {
    touch(`set work_mem = '1MB'`)
    settings.learn(settings.take(), answer(['1MB']))
    expect(now()).toEqual({ application_name: 'mine', work_mem: '1MB' })
    expect(settings.key).toBe(settingsKeyOf(settings.current))
  })

  it('makes it what it was at start when it is that again', () => {
    touch(`set work_mem = '1MB'`)
    settings.learn(settings.take(), answer(['1MB']))
    touch('reset work_mem')
    settings.learn(settings.take(), answer(['2MB'], { work_mem: '2MB' }))
    expect(settings.current).toBe(START)
  })

  it('forgets what is no longer set', () => {
    touch(`set lock_timeout = '1s'`)
    settings.learn(settings.take(), answer(['1s']))
    touch('reset lock_timeout')
    settings.learn(settings.take(), answer(['0'], {}))
    expect(now()).toEqual({ application_name: 'mine', work_mem: '2MB' })
  })

  it('forgets what does not exist', () => {
    touch('set no_such = 1')
    settings.learn(settings.take(), answer([null]))
    expect(now()).not.toHaveProperty('no_such')
  })

  it('knows who it acts as by name, which is listed nowhere', () => {
    touch('set session authorization ben')
    settings.learn(settings.take(), answer(['ben', 'clerk'], {}))
    expect(now()).toMatchObject({ session_authorization: 'ben', role: 'clerk' })
    touch('reset session authorization')
    settings.learn(settings.take(), answer(['ann', 'none'], {}))
    expect(settings.current).toBe(START)
  })

  it('tells of settings that nobody was seen to set, and of new values of known ones', () => {
    settings.learn([], answer([], { work_mem: '9MB', lock_timeout: '1s' }))
    expect(now()).toMatchObject({ work_mem: '9MB', lock_timeout: '1s' })
  })

  it('that was refused is asked again, by name only for what no list tells', () => {
    touch(`set lock_timeout = 1; set app.x = 'y'; set role ben; set work_mem = 1`)
    settings.take()
    settings.taken(true)
    expect(settings.narrow()).toBe(true)
    expect(settings.take()).toEqual(['app.x', 'role', 'work_mem'])
    expect(settings.narrow()).toBe(false)
  })

  it('that never comes leaves the names in doubt', () => {
    touch(`set lock_timeout = '1s'`)
    expect(settings.take()).toEqual(['lock_timeout'])
    expect(settings.surprises('lock_timeout')).toBe(false)
    settings.taken(true)
    expect(settings.take()).toEqual(['lock_timeout'])
    settings.taken(false)
    expect(settings.take()).toEqual([])
    settings.taken(false)
    expect(settings.surprises('lock_timeout')).toBe(true)
  })
})

describe('What was asked for at start comes back', () => {
  const restored = (text: string): string | undefined =>
    settings.restored(Buffer.from(text))?.bytes.toString()
  const WORK_MEM = `SELECT pg_catalog.set_config('work_mem','2MB',false)`
  const ALL = `SELECT pg_catalog.set_config('application_name','mine',false),pg_catalog.set_config('work_mem','2MB',false)`

  it.each([
    ['reset work_mem', `reset work_mem;${WORK_MEM}`],
    ['set work_mem = default;', `set work_mem = default;${WORK_MEM};`],
    [`reset work_mem; set work_mem = '1MB'`, `reset work_mem;${WORK_MEM}; set work_mem = '1MB'`],
    ['begin; reset all; rollback', `begin; reset all;${ALL}; rollback`],
    ['reset all -- all', `reset all;${ALL} -- all`],
    ['reset lock_timeout', undefined],
    ['select 1', undefined],
  ])('right behind %s', (text, sent) => {
    expect(restored(text)).toBe(sent)
  })

  it('is nothing for who asked for nothing', () => {
    const plain = new FollowedSettings({ user: 'ann', settings: new Map(), settingsKey: '' })
    expect(plain.restored(Buffer.from('reset all'))).toBeUndefined()
    expect(plain.restoring(Buffer.from('reset all'))).toBe('')
  })
})

it('holds on to what was set by a name nobody could read, when the reset of it was undone', () => {
  const settings = new FollowedSettings({ user: 'app', settings: new Map(), settingsKey: '' })
  const reset = (rolledBack: boolean): boolean => {
    settings.touch({ kind: 'reset-all' }, true)
    settings.take()
    settings.taken(false, rolledBack)
    return settings.nameless
  }
  settings.touch({ kind: 'set-unknown' }, true)
  expect(reset(true)).toBe(true)
  expect(reset(false)).toBe(false)
})

it('holds on to what was set by a name nobody could read behind the reset', () => {
  const settings = new FollowedSettings({ user: 'app', settings: new Map(), settingsKey: '' })
  settings.touch({ kind: 'reset-all' }, true)
  settings.take()
  settings.touch({ kind: 'set-unknown' }, true)
  settings.taken(false, false)
  expect(settings.nameless).toBe(true)
})

it.each([
  ['1ms', true],
  ['99', true],
  ['100ms', false],
  ['0', false],
  ['5s', false],
])('a statement timeout of %s could strike whoever comes next: %s', (value, hasty) => {
  const settings = new Map([['statement_timeout', value]])
  expect(new FollowedSettings({ user: 'app', settings, settingsKey: 'key' }).hasty).toBe(hasty)
})
