/**
 * `weir storm` as a person starts it, with its threads and a node of its own: who refuses whom, what is
 * counted on the node, exit codes, and that nothing is left behind.
 */
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findProgram } from '../../src/bench/failover/subjects/programs.ts'
import type { StormResult, TargetResult } from '../../src/bench/storm/result.ts'
import { until } from '../../src/core/until.ts'
import { freePorts } from '../support/house.ts'
import { startStormServer } from '../support/storm-server.ts'
import { family, isAlive, weir } from '../support/weir-child.ts'

let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'weir-storm-test-'))
  // The servers' user has to walk through it.
  chmodSync(directory, 0o755)
})

afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** Where no other suite looks for its own. */
const PORTS = [21_500, 21_990] as const
/** A certificate needs a program, which comes with every installed Postgres. */
const TLS = findProgram('openssl') === undefined ? [] : ['--tls', 'require']
/** Longer than any of it takes on any machine. */
const WITHIN = 180_000
/** So that a busy machine makes no client give up. */
const PATIENT = ['--timeout', '100s']

async function storm(
  ...args: string[]
): Promise<{ code: number | string; result: StormResult; said: string }> {
  const json = join(directory, `${Math.random()}.json`)
  const child = weir('storm', '--json', json, ...args)
  const code = await child.ended
  if (!existsSync(json))
    throw new Error(`weir storm ended with ${code}; it said:\n${child.output()}`)
  return { code, result: JSON.parse(readFileSync(json, 'utf8')), said: child.output() }
}

function targetOf({ targets }: StormResult, name: string): TargetResult {
  const found = targets.find(({ target }) => target === name)
  if (found === undefined) throw new Error(`no ${name} in the result`)
  return found
}

const total = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((a, b) => a + b, 0)

describe('A storm on a node with few connections', () => {
  it(
    'is refused by the node itself, and let in by poolers with no more connections than they may have',
    async () => {
      const html = join(directory, 'storm.html')
      const poolers = findProgram('pgbouncer') === undefined ? ['weir'] : ['weir', 'pgbouncer']
      const { code, result, said } = await storm(
        ...['--target', ['direct', ...poolers].join(','), '--max-connections', '30', '--pool', '5'],
        ...['--clients', '120', '--rate', '200/s', '--hold', '1s', '--warm-up', '20'],
        ...['--port', String(await freePorts(40, PORTS)), '--html', html, ...PATIENT],
        ...['--expect', 'errors=0 answered=120 server_connections<=5 direct:errors>0'],
      )
      expect(said).toContain('met  errors=0  weir: 0')
      expect(code).toBe(0)
      const direct = targetOf(result, 'direct')
      // Whoever is in stays; the others never get in.
      expect(direct.answered).toBeLessThanOrEqual(30)
      expect(direct.errors).toEqual({ '53300': 120 - direct.answered })
      expect(direct.server?.peak).toBeLessThanOrEqual(30)
      for (const name of poolers) {
        const pooler = targetOf(result, name)
        expect(pooler, name).toMatchObject({
          arrived: 120,
          loggedIn: 120,
          answered: 120,
          errors: {},
        })
        expect(pooler.server?.peak, name).toBeLessThanOrEqual(5)
        expect(pooler.server?.opened, name).toBeLessThanOrEqual(5)
        expect(pooler.proxy?.memoryPeak, name).toBeGreaterThan(1024 ** 2)
        expect(pooler.proxy?.cpuSeconds, name).toBeGreaterThanOrEqual(0)
        expect(pooler.statements, name).toBeGreaterThan(0)
      }
      expect(readFileSync(html, 'utf8')).toContain('<h1>')
    },
    WITHIN,
  )

  it(
    'over TLS, of functions, with fresh keys, is counted whole',
    async () => {
      const { code, result } = await storm(
        ...[
          '--target',
          'weir',
          '--shape',
          'waves',
          '--waves',
          '2',
          '--pause',
          '0.2s',
          '--threads',
          '2',
        ],
        ...['--clients', '30', '--rate', '300/s', ...TLS, '--keys', 'fresh', '--warm-up', '0'],
        ...['--port', String(await freePorts(40, PORTS)), ...PATIENT],
      )
      expect(code).toBe(0)
      const target = targetOf(result, 'weir')
      expect(target).toMatchObject({ arrived: 60, answered: 60, statements: 60, errors: {} })
      expect(target.instrument).toMatchObject({ threads: 2, derivations: 60 })
    },
    WITHIN,
  )
})

describe('The exit code', () => {
  it(
    'is 1 when an expectation is missed or a target cannot be reached, 2 when it cannot begin',
    async () => {
      const server = await startStormServer({ most: 3 })
      const url = `postgres://a:b@127.0.0.1:${server.port}/d?sslmode=disable`
      const short = ['--clients', '6', '--rate', '100/s', '--hold', '0.2s', '--warm-up', '0']
      try {
        const hold = ['--hold', '8s', '--every', '0s']
        const missed = await storm(
          '--target',
          `some=${url}`,
          ...short,
          ...hold,
          '--expect',
          'errors=0',
        )
        expect(missed.code).toBe(1)
        expect(total(targetOf(missed.result, 'some').errors)).toBe(3)
      } finally {
        await server.close()
      }
      const gone = await storm('--target', `gone=${url}`, ...short, '--expect', 'errors=6')
      expect(gone.code).toBe(0)
      expect(targetOf(gone.result, 'gone').errors).toEqual({ ECONNREFUSED: 6 })
      const begun = weir('storm', '--target', `some=${url}`, '--clients', '100000000')
      expect(await begun.ended).toBe(2)
      expect(begun.output()).toContain('ulimit -n')
    },
    WITHIN,
  )
})

describe('A storm that is interrupted', () => {
  it(
    'ends in order and leaves no process and no file behind',
    async () => {
      const folder = mkdtempSync(join(directory, 'tmp-'))
      chmodSync(folder, 0o755)
      const usual = process.env.TMPDIR
      process.env.TMPDIR = folder
      const child = weir(
        ...['storm', '--target', 'weir', '--clients', '20', '--rate', '20/s', '--hold', '300s'],
        ...['--port', String(await freePorts(40, PORTS)), '--warm-up', '0', ...PATIENT],
      )
      if (usual === undefined) delete process.env.TMPDIR
      else process.env.TMPDIR = usual
      // The node's servers, and Weir.
      await until(() => family(child.pid).length > 2, 60_000, { what: 'what it starts to run' })
      const all = family(child.pid)
      child.process.kill('SIGINT')
      expect(await child.ended, child.output()).toBe(0)
      await until(() => !all.some(isAlive), 30_000, { what: 'all processes to be gone' })
      expect(readdirSync(folder)).toEqual([])
    },
    WITHIN,
  )
})
