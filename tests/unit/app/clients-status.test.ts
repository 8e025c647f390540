/** How many clients are seen in which state. */
import { expect, it } from 'vitest'
import { clientsStatus } from '../../../src/app/plane-figures.ts'
import type { SessionState } from '../../../src/session/session-state.ts'
import { type Session, Sessions } from '../../../src/session/sessions.ts'

it('a client whose request rides on a shared server connection is seen, and is active', () => {
  const sessions = new Sessions()
  const states: SessionState[] = ['idle', 'idle', 'waiting', 'leased', 'riding', 'riding']
  for (const [id, state] of states.entries()) {
    const route = { endpoint: { rule: { name: 'writer' } } }
    const pins = new Set(state === 'leased' ? ['temp-table'] : [])
    const session = { id, state, pins, route, who: { user: 'app' }, link: {} }
    sessions.add(session as unknown as Session)
  }
  expect(clientsStatus(sessions, 7)).toEqual({
    ...{ total: 6, active: 3, waiting: 1, heldBytes: 7, pinned: 1 },
    byState: { idle: 2, waiting: 1, leased: 1, riding: 2 },
  })
})
