/** What is brought back behind a RESET: what the client asked for at start, and nothing it did not reset. */
import { expect, it } from 'vitest'
import type { Answer } from '../../../src/protocol/postgres/asking.ts'
import { FollowedSettings } from '../../../src/protocol/postgres/followed-settings.ts'
import { settingsKeyOf } from '../../../src/protocol/postgres/settings.ts'
import type { Action } from '../../../src/protocol/postgres/sql/actions.ts'

const START = new Map([
  ['work_mem', '5MB'],
  ['role', 'clerk'],
])

function restoring(text: string): string {
  const start = { user: 'app', settings: START, settingsKey: settingsKeyOf(START) }
  return new FollowedSettings(start).restoring(Buffer.from(text))
}

it('brings back the settings but not the role behind RESET ALL, which leaves the role alone', () => {
  expect(restoring('reset all')).toContain('work_mem')
  expect(restoring('reset all')).not.toContain('role')
})

it('brings back everything behind DISCARD ALL', () => {
  expect(restoring('discard all')).toContain('work_mem')
  expect(restoring('discard all')).toContain('role')
})

it('brings back the role with the user of the login', () => {
  expect(restoring('set session authorization default')).toContain('role')
  expect(restoring('reset session authorization')).toContain('role')
})

it('brings back only what is reset by name', () => {
  expect(restoring('reset work_mem')).not.toContain('role')
  expect(restoring('reset role')).not.toContain('work_mem')
})

/** `SET`, and `RESET ALL` sent before the server has told what the first one did. */
function resetAtOnce(first: Action, told: Partial<Answer>): ReadonlyMap<string, string> {
  const settings = new FollowedSettings({ user: 'app', settings: new Map(), settingsKey: '' })
  const nothing = { temporary: false, cursors: false, locks: false, channels: [] }
  settings.touch(first, true)
  const asked = settings.take()
  settings.touch({ kind: 'reset-all' }, true)
  settings.learn(asked, { values: [], sources: undefined, ...nothing, ...told })
  settings.taken(false)
  const again = settings.take()
  settings.learn(again, { values: again.map(() => '4MB'), sources: new Map(), ...nothing })
  return settings.current
}

it('forgets what was set by name, when it was reset before the server told its value', () => {
  const set = { kind: 'set', name: 'work_mem', local: false } as const
  expect([...resetAtOnce(set, { values: ['9MB'] })]).toEqual([])
})

it('forgets what was set by a name nobody could read, when it was reset before the server told', () => {
  const sources = new Map([['work_mem', '9MB']])
  expect([...resetAtOnce({ kind: 'set-unknown' }, { sources })]).toEqual([])
})
