import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import {
  catalogue,
  explain,
  jsonSchema,
  nearestSetting,
  settingsPage,
} from '../../../src/config/catalogue.ts'
import { schema } from '../../../src/config/schema.ts'
import { itemOf, nearest } from '../../../src/config/walk.ts'

test('config/weir.schema.json is what the schema says (node scripts/generate-docs.js)', () => {
  const stored = readFileSync('config/weir.schema.json', 'utf8')
  expect(stored).toBe(`${JSON.stringify(jsonSchema(), null, 2)}\n`)
})

test('docs/settings.md is what the schema says (node scripts/generate-docs.js)', () => {
  expect(readFileSync('docs/settings.md', 'utf8')).toBe(settingsPage())
})

test('every setting says what it is for and shows an example that is right', () => {
  for (const entry of catalogue()) {
    expect(entry.description, entry.setting).toMatch(/^[A-Za-z].*\.$/)
    if (entry.type.includes('section')) continue
    const path: (string | number)[] = []
    for (const name of entry.setting.split('.')) {
      if (path.length > 0 && itemOf(nearest(schema, path)) !== undefined) path.push(0)
      path.push(name)
    }
    const field = nearest(schema, path)
    const asText = z.safeParse(field, entry.example)
    const asYaml = z.safeParse(field, parse(entry.example))
    expect(asText.success || asYaml.success, `${entry.setting}: ${entry.example}`).toBe(true)
  }
})

test('every default written in the schema is one its own rules allow', () => {
  const filled = schema.parse({ nodes: [{ name: 'a', host: 'h' }] })
  expect(Object.keys(filled)).toEqual(Object.keys(schema.shape))
})

test('a setting is explained with all that is known of it', () => {
  expect(explain('pool.borrowTimeout')?.text.split('\n').slice(3)).toEqual([
    '  type         duration, or nowait, or unlimited',
    '  default      120s',
    '  range        1ms to 1h',
    '  unit         ms, s, m, h or d, written after the number',
    '  AWS name     ConnectionBorrowTimeout (default 120 s, 0-300 s; 0 is our nowait)',
    '  environment  WEIR_POOL__BORROW_TIMEOUT',
    '  example      borrowTimeout: 120s',
  ])
})

test('a section is explained with a list of its settings', () => {
  const told = explain('topology')
  expect(told?.entry.settings).toContain('topology.suspectPeriod')
  expect(told?.text).toContain('topology.suspectPeriod  20ms')
})

test('a setting asked for by its last word or with a slip is found', () => {
  expect(explain('borrowTimeout')).toBeUndefined()
  expect(nearestSetting('maxLifetime')).toBe('pool.maxLifetime')
  expect(nearestSetting('pool.borowTimeout')).toBe('pool.borrowTimeout')
  expect(nearestSetting('zzzzzzz')).toBeUndefined()
})

test('the JSON schema refuses what the loader refuses', () => {
  const json = jsonSchema() as {
    required?: string[]
    additionalProperties: boolean
    properties: { pool: { properties: { borrowTimeout: { pattern: string } } } }
  }
  expect(json.required).toBeUndefined()
  expect(json.additionalProperties).toBe(false)
  const pattern = new RegExp(json.properties.pool.properties.borrowTimeout.pattern)
  expect(['120s', 'nowait', 'unlimited'].every((t) => pattern.test(t))).toBe(true)
  expect(['5 parsecs', '5', 'nowait5s'].some((t) => pattern.test(t))).toBe(false)
})
