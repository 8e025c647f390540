import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { chooseSocketDirectory, defaultDirectory } from '../../../src/cluster/place.ts'
import { canReach } from '../../../src/cluster/run-as.ts'
import { serverSettings } from '../../../src/cluster/server-settings.ts'
import { readState, stateFile, writeState } from '../../../src/cluster/state-file.ts'
import { nextName, type Shape, shapedState } from '../../../src/cluster/up.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'weir-conf-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const shape: Shape = {
  nodes: undefined,
  basePort: 5501,
  maxConnections: 100,
  synchronous: false,
  fsync: true,
  user: 'weir',
  password: 'weir',
  database: 'app',
  settings: {},
  tiers: {},
  postgresBin: undefined,
}
const fresh = (wishes: Partial<Shape> = {}) =>
  shapedState(undefined, { ...shape, ...wishes }, '/root', '/run')

describe('the state of a lab', () => {
  test('has three nodes on neighbouring ports unless told otherwise', () => {
    const { nodes, writer } = fresh()
    expect(nodes.map((n) => [n.name, n.port, n.tier])).toEqual([
      ['node-1', 5501, 1],
      ['node-2', 5502, 1],
      ['node-3', 5503, 1],
    ])
    expect(writer).toBe('node-1')
  })

  test('keeps its nodes, writer and password, and moves with the base port', () => {
    const before = { ...fresh(), writer: 'node-2' }
    const after = shapedState(before, { ...shape, basePort: 6501 }, '/root', '/run')
    expect(after.writer).toBe('node-2')
    expect(after.lab).toEqual(before.lab)
    expect(after.nodes.map((n) => n.port)).toEqual([6501, 6502, 6503])
  })

  test('keeps the size of its WAL files, which is fixed when the writer is made', () => {
    expect(fresh()).not.toHaveProperty('walSegment')
    const before = fresh({ walSegment: 1 })
    expect(shapedState(before, { ...shape, walSegment: 1 }, '/root', '/run').walSegment).toBe(1)
  })

  test('grows into the lowest free numbers', () => {
    expect(nextName(['node-1', 'node-3'])).toBe('node-2')
  })

  test('is written for its owner alone and read back as it was', () => {
    const state = fresh()
    writeState(directory, state)
    expect(statSync(stateFile(directory)).mode & 0o777).toBe(0o600)
    expect(readState(directory)).toEqual(state)
  })

  test('refuses a tier or a port that cannot be, by the name of the node', () => {
    const wrong = shapedState(
      undefined,
      { ...shape, basePort: 65_534, tiers: { 'node-2': 16 } },
      '/root',
      '/run',
    )
    expect(() => writeState(directory, wrong)).toThrow(/tier of node-2.*port of node-3/)
  })
})

describe('the configuration of a node', () => {
  const state = { ...fresh({ synchronous: true }), settings: { work_mem: "8'MB" } }
  const [first, second] = state.nodes
  if (first === undefined || second === undefined) throw new Error('no nodes')

  test('of the writer follows nobody', () => {
    const text = serverSettings(state, first, undefined)
    expect(text).not.toContain('primary_conninfo')
    expect(text).toContain("synchronous_standby_names = 'ANY 1 (*)'")
    expect(text).toContain("work_mem = '8''MB'")
  })

  test('of a reader streams from the writer through its own slot', () => {
    const text = serverSettings(state, second, first)
    expect(text).toMatch(
      /primary_conninfo = 'host=127\.0\.0\.1 port=5501 .*application_name=node-2/,
    )
    expect(text).toContain("primary_slot_name = 'node_2'")
    expect(serverSettings(state, second, first, { slot: false })).not.toContain('primary_slot_name')
  })
})

describe('places', () => {
  const stranger = { name: 'stranger', uid: 65_432, gid: 65_432 }

  test('a directory below a private one is out of reach for another user', () => {
    const inner = join(directory, 'inner')
    mkdirSync(inner, { mode: 0o755 })
    chmodSync(directory, 0o700)
    expect(canReach(inner, undefined)).toBe(true)
    expect(canReach(inner, stranger)).toBe(false)
    chmodSync(directory, 0o711)
    expect(canReach(inner, stranger)).toBe(true)
    chmodSync(inner, 0o711)
    expect(canReach(inner, stranger)).toBe(false)
  })

  test('sockets move to a short path when the directory has a long one', () => {
    const short = chooseSocketDirectory(directory, undefined)
    expect(short).toBe(join(directory, 'run'))
    const deep = join(directory, 'x'.repeat(90))
    mkdirSync(deep)
    const elsewhere = chooseSocketDirectory(deep, undefined)
    expect(Buffer.byteLength(join(elsewhere, '.s.PGSQL.65535'))).toBeLessThan(104)
    rmSync(elsewhere, { recursive: true })
  })

  test('the default directory is .weir where that is ours or can be made', () => {
    expect(defaultDirectory(directory)).toBe(join(directory, '.weir'))
    mkdirSync(join(directory, '.weir'))
    expect(defaultDirectory(directory)).toBe(join(directory, '.weir'))
  })
})
