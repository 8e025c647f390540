import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))

test('npm run test:containers never passes silently: without an engine it says so and exits 3', {
  timeout: 30_000,
}, () => {
  const script = `${root}scripts/test-containers.js`
  const { status, stdout } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' })
  const sentence =
    status === 0
      ? /^test:containers: a Docker engine answers\n$/
      : /^test:containers: no Docker engine answers \(.+\); nothing was tested\n$/
  expect(stdout).toMatch(sentence)
  expect([0, 3]).toContain(status)
})

test('the container suites are kept out of npm test by their ending', () => {
  const files = readdirSync(`${root}tests/containers`)
  expect(files.some((name) => name.endsWith('.spec.ts'))).toBe(true)
  expect(files.filter((name) => name.endsWith('.test.ts'))).toEqual([])
  expect(existsSync(`${root}scripts/test-containers.js`)).toBe(true)
})
