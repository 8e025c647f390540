import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { EndpointCounters, GeneralCounters, NodeCounters } from '../../../src/metrics/counters.ts'

const src = fileURLToPath(new URL('../../../src/', import.meta.url))

/** All source but comments, outside of the room that only defines the counters. */
const source = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.startsWith('metrics/'))
  .map((path) => readFileSync(src + path, 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, ''))
  .join('\n')

/** What is fed in other words; `metrics.test.ts` of the integration tests looks at the numbers. */
const otherwise: Readonly<Record<string, RegExp>> = {
  'GeneralCounters.loopLag': /\.watchLoop\(/,
  'NodeCounters.response': /\.latency = counters\.response\b[\s\S]*latency\?\.record\(/,
  'GeneralCounters.auditLines': /counts\.auditLines \+= /,
  'GeneralCounters.auditLinesLost': /counts\.auditLinesLost\+\+/,
  'GeneralCounters.auditFailing': /counts\.auditFailing = 1/,
  'GeneralCounters.secretSourcesBroken': /counters\.secretSourcesBroken = /,
  'NodeCounters.cancels': /\.node\([^)]*\)\.cancels\+\+/,
}

/** An addition to a field of some counters; starting a reason at zero is none. */
function addition(field: string): RegExp {
  return new RegExp(String.raw`(?:counters|general|\))\.${field}(?:\+\+| \+= |\.add\(|\.record\()`)
}

describe('every counter is fed outside of the metrics room', () => {
  for (const [name, make] of Object.entries({ EndpointCounters, NodeCounters, GeneralCounters })) {
    test.each(Object.keys(new make()))(`${name}.%s`, (field) => {
      expect(otherwise[`${name}.${field}`] ?? addition(field)).toSatisfy((fed: RegExp) =>
        fed.test(source),
      )
    })
  }
})
