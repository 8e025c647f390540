#!/usr/bin/env node
// Holds the plan of the house: which room may import which, no import cycle, no file too long, no
// drawer called utils. Run by `npm run layers`; `--root DIR` checks another tree (its DIR/src).
//
// Rule: a file belongs to the room with the longest key below that begins its path. It may import
// its own room, the rooms listed beside it, and nothing else of ours. A room is never implied by
// the one above it: to import `wire` does not allow `wire/postgres`. `type X` means that only
// `import type` may cross. Imports of types count as imports, in cycles too.
import { readdirSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join, posix, relative, resolve } from 'node:path'

const CONTRACT = 'protocol/contract.ts'
const RIDES = 'protocol/ride.ts'
const ASIDE = 'protocol/aside.ts'

/** Top to bottom as a byte travels; `*` is every room but the two at the very top. */
const ROOMS = {
  listener: [CONTRACT, 'session', 'net', 'core'],
  session: [CONTRACT, ASIDE, RIDES, 'endpoint', 'pool', 'server', 'net', 'metrics', 'core'],
  endpoint: ['topology', 'pool', 'core'],
  pool: ['core'],
  server: [CONTRACT, ASIDE, RIDES, 'type pool', 'net', 'core'],
  topology: ['core'],

  [RIDES]: ['core'],
  [ASIDE]: ['core'],
  [CONTRACT]: [ASIDE, RIDES, 'wire', 'auth', 'core'],
  protocol: [CONTRACT, ASIDE, RIDES, 'wire', 'auth', 'core'],
  'protocol/postgres': [
    CONTRACT,
    ASIDE,
    RIDES,
    'protocol',
    'wire',
    'wire/postgres',
    'auth',
    'core',
  ],
  'protocol/mysql': [CONTRACT, ASIDE, RIDES, 'protocol', 'wire', 'wire/mysql', 'auth', 'core'],
  wire: ['core'],
  'wire/postgres': ['wire', 'core'],
  'wire/mysql': ['wire', 'core'],

  auth: ['core'],
  config: ['core'],
  metrics: ['core'],
  net: ['core'],
  // The passwords of its users are checked as those of clients are.
  admin: ['metrics', 'auth', 'core'],
  audit: ['core'],
  certificates: ['core'],
  cluster: ['core'],
  bench: ['core'],
  core: [],

  // Parts of the composition root stand beside it as app-*.ts and are this room too.
  // The composition root: app.ts, and its parts in app/.
  'app.ts': ['*', 'app'],
  app: ['*'],
  cli: ['*', 'app.ts'],
}

/** What `*` leaves out: nobody imports these unless the table names them. */
const TOP = ['app.ts', 'app', 'cli']

/**
 * Modules from outside that only some rooms may use; a room may be narrowed to a file here. Types
 * of such a module, and the names that are `harmless`, may be imported anywhere.
 */
const RESERVED = [
  {
    modules: ['node:net', 'node:tls', 'node:http', 'node:https', 'node:dgram'],
    rooms: ['net', 'admin', 'cluster', 'bench', 'cli', 'app.ts', 'app'],
    harmless: ['isIP', 'isIPv4', 'isIPv6', 'BlockList'],
    why: 'sockets are reached through net/',
  },
  {
    modules: ['pg', 'mysql2', 'postgres', 'generic-pool'],
    rooms: [
      ...['protocol/*/probe.ts', 'protocol/*/aurora-status.ts'],
      ...['cluster', 'bench', 'cli', 'app.ts', 'app'],
    ],
    harmless: [],
    why: 'drivers are for control connections (protocol/*/probe.ts), cluster, bench and cli',
  },
]

const FORBIDDEN_NAMES = ['util', 'utils', 'common', 'helper', 'helpers', 'types']
const SOFT_CAP = 300
const HARD_CAP = 400

/**
 * The imports of one source text.
 * @returns {{ specifier: string, typeOnly: boolean, names: string[], line: number }[]}
 */
function importsOf(text) {
  const patterns = [
    // import x, { y } from 'z' · import type { y } from 'z' · export { y } from 'z'
    /^[ \t]*(?:import|export)(?<type>\s+type)?\s+(?:(?<names>[\w\s{},*$]+?)\s+)?from\s*['"](?<name>[^'"\n]+)['"]/gm,
    // import 'z'
    /^[ \t]*import\s*['"](?<name>[^'"\n]+)['"]/gm,
    // import('z'), on a line that is not a comment
    /^(?![ \t]*(?:\/\/|\*|\/\*)).*?\bimport\(\s*['"](?<name>[^'"\n]+)['"]/gm,
  ]
  const found = patterns.flatMap((pattern) =>
    [...text.matchAll(pattern)].map((match) => ({
      specifier: match.groups.name,
      typeOnly: match.groups.type !== undefined,
      names: match.groups.names?.match(/[\w$*]+/g) ?? [],
      // The line of the module's name, so that a long import points at its `from`.
      line: text.slice(0, match.index + match[0].length).split('\n').length,
    })),
  )
  return found.sort((a, b) => a.line - b.line)
}

/** The key of ROOMS a path under src/ belongs to, or undefined. */
function roomOf(path) {
  if (/^app-[^/]+\.ts$/.test(path)) return 'app.ts'
  const keys = Object.keys(ROOMS).filter((key) => path === key || path.startsWith(`${key}/`))
  return keys.sort((a, b) => b.length - a.length)[0]
}

/** Whether `path` lies at or under `key`, where `*` in the key stands for one folder name. */
function isUnder(path, key) {
  const parts = path.split('/')
  return key.split('/').every((part, i) => part === '*' || part === parts[i])
}

function mayImport(fromRoom, toRoom, typeOnly) {
  if (fromRoom === toRoom) return true
  const allowed = ROOMS[fromRoom]
  if (allowed.includes(toRoom)) return true
  if (typeOnly && allowed.includes(`type ${toRoom}`)) return true
  return allowed.includes('*') && !TOP.includes(toRoom)
}

function ruleOf(room) {
  const allowed = ROOMS[room].map((entry) => (entry === '*' ? 'anything below it' : entry))
  return `${room} may import ${allowed.length === 0 ? 'no other room' : allowed.join(', ')}`
}

/** Checks one file's imports; returns the edges to other files of ours. */
function checkImports(path, text, complain) {
  const room = roomOf(path)
  const edges = []
  for (const { specifier, typeOnly, names, line } of importsOf(text)) {
    if (!specifier.startsWith('.')) {
      const name = specifier.startsWith('node:')
        ? specifier.split('/')[0]
        : specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
      if (typeOnly) continue
      for (const { modules, rooms, harmless, why } of RESERVED) {
        if (!modules.includes(name) && !modules.includes(`node:${name}`)) continue
        if (names.length > 0 && names.every((one) => harmless.includes(one))) continue
        if (!rooms.some((key) => isUnder(path, key))) complain(path, line, `'${specifier}': ${why}`)
      }
      continue
    }
    const target = posix.normalize(posix.join(posix.dirname(path), specifier))
    if (target.startsWith('../')) {
      if (!ROOMS[room].includes('*')) complain(path, line, `'${specifier}' leaves src/`)
      continue
    }
    const targetRoom = roomOf(target)
    if (targetRoom === undefined) {
      complain(path, line, `'${specifier}' is in no known room`)
      continue
    }
    edges.push({ target, line })
    if (mayImport(room, targetRoom, typeOnly)) continue
    const onlyTypes = ROOMS[room].includes(`type ${targetRoom}`)
    const reason = onlyTypes ? ' (use `import type`)' : ''
    complain(path, line, `imports ${target}, but ${ruleOf(room)}${reason}`)
  }
  return edges
}

/** Each import cycle once, as the list of files that form it. */
function findCycles(graph) {
  const done = new Set()
  const trail = []
  const cycles = []
  const visit = (path) => {
    const start = trail.findIndex((step) => step.path === path)
    if (start >= 0) {
      cycles.push(trail.slice(start))
      return
    }
    if (done.has(path)) return
    for (const edge of graph.get(path) ?? []) {
      trail.push({ path, line: edge.line })
      visit(edge.target)
      trail.pop()
    }
    done.add(path)
  }
  for (const path of graph.keys()) visit(path)
  return cycles
}

/**
 * Checks the tree under `root`/src.
 * @returns {{ errors: string[], long: string[], files: number, imports: number }}
 */
export function checkLayers(root) {
  const src = join(root, 'src')
  const errors = []
  const complain = (path, line, message) => errors.push(`src/${path}:${line}: ${message}`)
  const long = []
  const graph = new Map()

  const files = readdirSync(src, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.[cm]?[jt]sx?$/.test(entry.name))
    .map((entry) => relative(src, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort()

  for (const path of files) {
    const names = path.split('/').map((part) => part.replace(/\..*$/, ''))
    const drawer = names.find((name) => FORBIDDEN_NAMES.includes(name))
    if (drawer !== undefined) complain(path, 1, `'${drawer}' says nothing; name what is in it`)
    const text = readFileSync(join(src, path), 'utf8')
    const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
    if (lines > HARD_CAP) complain(path, lines, `${lines} lines, the cap is ${HARD_CAP}: split it`)
    else if (lines > SOFT_CAP) long.push(`src/${path} (${lines})`)
    if (roomOf(path) === undefined) {
      complain(path, 1, 'this folder is in no table: add the room to scripts/layers.js or move it')
      continue
    }
    graph.set(path, checkImports(path, text, complain))
  }
  for (const cycle of findCycles(graph)) {
    const [first] = cycle
    const round = [...cycle.map((step) => step.path), first.path].join(' -> ')
    complain(first.path, first.line, `import cycle: ${round}`)
  }
  const imports = [...graph.values()].reduce((sum, edges) => sum + edges.length, 0)
  return { errors, long, files: files.length, imports }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === import.meta.filename) {
  const asked = process.argv.indexOf('--root')
  const root = asked > 0 ? resolve(process.argv[asked + 1] ?? '.') : dirname(import.meta.dirname)
  const { errors, long, files, imports } = checkLayers(root)
  for (const error of errors) console.log(error)
  if (long.length > 0) console.log(`longer than ${SOFT_CAP} lines: ${long.join(', ')}`)
  console.log(`layers: ${files} files, ${imports} imports, ${errors.length} errors`)
  process.exitCode = errors.length > 0 ? 1 : 0
}
