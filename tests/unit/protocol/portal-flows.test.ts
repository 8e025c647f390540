import { expect, it } from 'vitest'
import { FLOW, UNREAD } from '../../../src/protocol/postgres/flow.ts'
import { PortalFlows } from '../../../src/protocol/postgres/portal-flows.ts'
import { bind, execute } from '../../../src/wire/postgres/frontend.ts'

function bound(flows: PortalFlows, portal: string, flow: number): void {
  const message = bind(portal, '')
  flows.bound(message, 0, 5 + portal.length, flow)
}

function executed(flows: PortalFlows, portal: string): number | 'wait' {
  const message = execute(portal, 0)
  return flows.executed(message, 0, message.length)
}

it('knows what a name was bound to last, also when there is no room for more names', () => {
  const flows = new PortalFlows()
  const commits = FLOW.ENDS | FLOW.COMMITS
  const rollsBack = FLOW.ENDS | FLOW.ROLLS_BACK
  for (let i = 0; i < 100; i++) bound(flows, `p${i}`, rollsBack)
  bound(flows, 'p1', commits)
  expect(executed(flows, 'p1')).toBe(commits)
  bound(flows, 'p1', FLOW.NONE)
  expect(executed(flows, 'p1')).toBe(FLOW.NONE)
  bound(flows, 'one more', commits)
  expect(executed(flows, 'one more')).toBe(UNREAD)
})
