/**
 * What a client sees through Weir is what it sees directly, message for message and byte for byte:
 * alone, with others on the same pool who leave behind what they can, on changing server
 * connections, and with its bytes cut into pieces.
 */
import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { copy } from './differential/copy.ts'
import { Disturbers } from './differential/disturber.ts'
import { extended } from './differential/extended.ts'
import { pipelines } from './differential/pipelines.ts'
import { type PlayOptions, play } from './differential/play.ts'
import { named } from './differential/prepared.ts'
import { failing } from './differential/prepared-failing.ts'
import { sessions } from './differential/prepared-session.ts'
import { bySql } from './differential/prepared-sql.ts'
import type { Scenario } from './differential/scenario.ts'
import { session } from './differential/session.ts'
import { settings } from './differential/settings.ts'
import { simple } from './differential/simple.ts'
import { cutter, openStage, randomFrom, type Stage } from './differential/stage.ts'
import { startup } from './differential/startup.ts'

const GROUPS = {
  simple,
  extended,
  pipelines,
  named,
  failing,
  sessions,
  bySql,
  copy,
  session,
  settings,
  startup,
}
/** How often each scenario is played in company, so that it meets every server connection. */
const IN_COMPANY = 2

let stage: Stage
let disturbers: Disturbers
const compared = { scenarios: 0, plays: 0, messages: 0, known: 0 }

beforeAll(async () => {
  stage = await openStage()
  disturbers = new Disturbers(stage.house.port)
  await disturbers.come()
})

afterAll(async () => {
  await disturbers?.leave()
  await stage?.end()
  const { scenarios, plays, messages, known } = compared
  console.log(
    `differential: ${scenarios} scenarios, ${plays} plays through Weir, ${messages} messages equal byte for byte; ${known} scenarios with known differences`,
  )
})

async function played(scenario: Scenario, options: PlayOptions): Promise<readonly string[]> {
  await stage.prepare(scenario)
  // What is known to differ may leave out the message that is waited for.
  const withinMs = scenario.known === undefined ? 10_000 : 1_000
  const { lines } = await play(scenario, { withinMs, ...options })
  return reportsSorted(lines)
}

/** Settings reported together are reported in the order in which this server process met them. */
function reportsSorted(lines: readonly string[]): string[] {
  const sorted: string[] = []
  let reports: string[] = []
  for (const line of lines) {
    if (line.startsWith('S ')) reports.push(line)
    else {
      sorted.push(...reports.sort(), line)
      reports = []
    }
  }
  return [...sorted, ...reports.sort()]
}

for (const [group, scenarios] of Object.entries(GROUPS)) {
  describe(`through Weir as directly: ${group}`, () => {
    test.each(scenarios.map((scenario) => [scenario.name, scenario] as const))(
      '%s',
      async (_name, scenario) => {
        const { port, nodePort } = stage.house
        const directly = await played(scenario, { port: nodePort })
        const plays: PlayOptions[] = [{ port }]
        const between = () => disturbers.disturb()
        for (let i = 0; i < IN_COMPANY; i++) plays.push({ port, between })
        if (scenario.large !== true)
          plays.push({ port, fragment: cutter(randomFrom(plays.length)) })
        let differs = false
        for (const options of plays) {
          const through = await played(scenario, options)
          if (scenario.known !== undefined) differs ||= !isDeepStrictEqual(through, directly)
          else {
            expect(through).toEqual(directly)
            compared.plays++
            compared.messages += through.length
          }
        }
        const why = `no longer known: ${scenario.known}`
        if (scenario.known !== undefined && !scenario.sometimes) expect(differs, why).toBe(true)
        if (scenario.known === undefined) compared.scenarios++
        else compared.known++
      },
    )
  })
}

test('there are enough scenarios to mean something', () => {
  const scenarios = Object.values(GROUPS).flat()
  expect(scenarios.length).toBeGreaterThanOrEqual(80)
  expect(new Set(scenarios.map((s) => s.name)).size).toBe(scenarios.length)
})
