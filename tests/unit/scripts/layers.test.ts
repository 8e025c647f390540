/** The import rules, tried on small trees made for each test. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, expect, test } from 'vitest'

// Plain JavaScript without declarations, so it is imported by address and given its type here.
const script = join(import.meta.dirname, '../../../scripts/layers.js')
const { checkLayers } = (await import(script)) as {
  checkLayers(root: string): { errors: string[]; long: string[]; files: number; imports: number }
}
const trees: string[] = []

afterEach(() => {
  for (const tree of trees.splice(0)) rmSync(tree, { recursive: true, force: true })
})

/** Writes a tree of `path under src` to text; returns its root. */
function tree(files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'weir-layers-'))
  trees.push(root)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, 'src', path)), { recursive: true })
    writeFileSync(join(root, 'src', path), text)
  }
  return root
}

const errorsIn = (files: Record<string, string>): string[] => checkLayers(tree(files)).errors

const core = { 'core/clock.ts': 'export const now = 1\n' }

test('a tree that imports downwards passes', () => {
  const root = tree({
    ...core,
    'pool/pool.ts': "import { now } from '../core/clock.ts'\nexport const pool = now\n",
    'wire/postgres/frame.ts': "export { now } from '../../core/clock.ts'\n",
    'protocol/contract.ts': "import type { now } from '../core/clock.ts'\n",
    'protocol/postgres/probe.ts': "import pg from 'pg'\nimport '../../wire/postgres/frame.ts'\n",
    'session/session.ts':
      "import type {} from '../protocol/contract.ts'\nimport '../pool/pool.ts'\n",
    'app.ts': "import './session/session.ts'\nimport './app-probe.ts'\n",
    'app-probe.ts': "import './protocol/postgres/probe.ts'\n",
    'cli/main.ts': "import '../app.ts'\nawait import('../pool/pool.ts')\n",
  })
  expect(checkLayers(root)).toEqual({ errors: [], long: [], files: 9, imports: 11 })
})

test.each([
  ['upwards', 'core/x.ts', "\nimport '../pool/p.ts'\n", 'src/core/x.ts:2: imports pool/p.ts'],
  [
    'over several lines',
    'pool/x.ts',
    "import {\n  a,\n  b,\n} from '../server/s.ts'\n",
    'src/pool/x.ts:4: imports server/s.ts, but pool may import core',
  ],
  ['by re-export', 'wire/x.ts', "export * from '../net/n.ts'\n", 'wire may import core'],
  ['at run time', 'auth/x.ts', "const n = await import('../net/n.ts')\n", 'auth may import core'],
  ['of types', 'topology/x.ts', "import type { P } from '../pool/p.ts'\n", 'topology may import'],
  ['past the contract', 'session/x.ts', "import '../protocol/postgres/c.ts'\n", 'session may'],
  ['between dialects', 'protocol/mysql/x.ts', "import '../../wire/postgres/w.ts'\n", 'may import'],
  ['of the program', 'listener/x.ts', "import '../app.ts'\n", 'imports app.ts'],
  ['of the program by the root', 'app.ts', "import './cli/main.ts'\n", 'imports cli/main.ts'],
  ['of a socket', 'pool/x.ts', "import net from 'node:net'\n", 'sockets are reached through net/'],
  ['of a driver', 'protocol/postgres/x.ts', "import pg from 'pg'\n", 'drivers are for control'],
  ['out of src', 'config/x.ts', "import '../../tests/t.ts'\n", 'leaves src/'],
])('an import %s is an error that names file, line and rule', (_, path, text, expected) => {
  expect(errorsIn({ ...core, [path]: text })).toEqual([expect.stringContaining(expected)])
})

test('types of a socket module and its pure functions may be imported anywhere', () => {
  const types = "import type { Socket } from 'node:net'\n"
  const pure = "import { isIP, isIPv4 } from 'node:net'\n"
  expect(errorsIn({ 'config/a.ts': types, 'config/b.ts': pure })).toEqual([])
  expect(errorsIn({ 'config/b.ts': pure.replace('isIPv4', 'connect') })).toHaveLength(1)
})

test('server may import types of the pool and nothing more of it', () => {
  const pool = { ...core, 'pool/member.ts': 'export interface Member {}\n' }
  const types = "import type { Member } from '../pool/member.ts'\n"
  expect(errorsIn({ ...pool, 'server/s.ts': types })).toEqual([])
  expect(errorsIn({ ...pool, 'server/s.ts': types.replace('type ', '') })).toEqual([
    expect.stringContaining('use `import type`'),
  ])
})

test('an import in a comment does not count', () => {
  const text =
    "// import '../pool/p.ts'\n/**\n * import '../pool/p.ts'\n * await import('../pool/p.ts')\n */\n"
  expect(errorsIn({ 'core/x.ts': text })).toEqual([])
})

test('an import cycle within a room is an error, printed as its round', () => {
  const errors = errorsIn({
    'pool/a.ts': "import './b.ts'\n",
    'pool/b.ts': "import './c.ts'\n",
    'pool/c.ts': "import type { A } from './a.ts'\n",
  })
  expect(errors).toEqual([
    'src/pool/a.ts:1: import cycle: pool/a.ts -> pool/b.ts -> pool/c.ts -> pool/a.ts',
  ])
})

test.each(['utils/x.ts', 'pool/helpers.ts', 'wire/postgres/types/x.ts', 'core/common.test.ts'])(
  'a drawer such as %s is an error',
  (path) => {
    expect(errorsIn({ [path]: '' })[0]).toContain('says nothing; name what is in it')
  },
)

test('a folder that is in no table is an error', () => {
  expect(errorsIn({ 'gateway/x.ts': '' })).toEqual([
    expect.stringContaining('src/gateway/x.ts:1: this folder is in no table'),
  ])
})

test('a file of 400 lines passes with a note and one of 401 is an error', () => {
  const good = checkLayers(tree({ 'core/long.ts': '\n'.repeat(400) }))
  expect(good).toMatchObject({ errors: [], long: ['src/core/long.ts (400)'] })
  expect(errorsIn({ 'core/long.ts': '\n'.repeat(401) })).toHaveLength(1)
})

test('run as a program it prints each error, a sum, and fails', () => {
  const bad = tree({ ...core, 'core/x.ts': "import '../net/n.ts'\n" })
  const run = (root: string) =>
    spawnSync(process.execPath, [script, '--root', root], { encoding: 'utf8' })
  expect(run(bad)).toMatchObject({
    status: 1,
    stdout:
      'src/core/x.ts:1: imports net/n.ts, but core may import no other room\n' +
      'layers: 2 files, 1 imports, 1 errors\n',
  })
  expect(run(tree(core)).status).toBe(0)
})
