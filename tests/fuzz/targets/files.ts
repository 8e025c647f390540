/**
 * Configuration and secrets files as people and accidents write them: the examples with lines dropped,
 * doubled, damaged, other values, YAML's odder corners, and pure junk. Rule: either settings come out,
 * or problems that name a place; never another exception, and never a password in what is said.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseSecrets } from '../../../src/auth/secret-file.ts'
import { Secrets } from '../../../src/auth/secrets.ts'
import { loadSettings } from '../../../src/config/load.ts'
import { ConfigErrors } from '../../../src/config/problem.ts'
import { WeirError } from '../../../src/core/errors.ts'
import type { Target } from '../../support/fuzz.ts'
import { type Draw, tamper } from '../../support/fuzz-draw.ts'

const SECRET = 'hunter2-never-told'
const EXAMPLES = ['minimal', 'local', 'aurora', 'patroni', 'dns', 'existing-replicas'].map((name) =>
  readFileSync(join('config', `${name}.yaml`), 'utf8').split('\n'),
)
const LINES = [
  ...[
    'auth:',
    '  secrets:',
    `    - { username: a, password: ${SECRET} }`,
    'pool:',
    'limits:',
    'tls:',
  ],
  ...[
    '  mode: required',
    '  certFile: nowhere.pem',
    'admin:',
    '  enabled: true',
    '  host: 0.0.0.0',
  ],
  ...['listen:', '  host: "::"', '  allowPublic: yes', '  allow: [10.0.0.0/8, x/33]', 'endpoints:'],
  ...[
    '  - name: writer',
    '    kind: writer',
    '    port: 5432',
    '    port: -1',
    'nodes: []',
    'nodes:',
  ],
  ...[
    '  - { name: n, host: h, port: 1 }',
    '  - &a [*a]',
    'x: &x {<<: *x}',
    '? a : c',
    '--- ',
    '...',
  ],
  ...[
    '%YAML 9.9',
    '\tpool: 1',
    '!!js/function x',
    'a: !!binary x',
    'pool: {maxConnections: 1e400}',
  ],
  ...[
    '  borrowTimeout: 99999999999d',
    '  borrowTimeout: -5s',
    '__proto__: {a: 1}',
    'constructor: 1',
  ],
  ...[
    '  loginTimeout: 0',
    '  loginTimeout: .inf',
    "  'a\0b': 1",
    `password: ${SECRET}`,
    '- x',
    '|',
    '>-',
  ],
]

type Case = { kind: 'config'; text: Buffer } | { kind: 'secrets'; text: Buffer }

function config(draw: Draw): Buffer {
  const lines = [...draw.pick(EXAMPLES)]
  for (let times = draw.upTo(5); times > 0; times--) {
    const at = draw.upTo(lines.length)
    draw.way(
      [3, () => lines.splice(at, 0, draw.pick(LINES))],
      [2, () => lines.splice(at, 1 + draw.upTo(3))],
      [1, () => lines.splice(at, 0, ...lines.slice(at, at + 4))],
      [1, () => lines.splice(at, 1, (lines[at] ?? '').replace(/:.*/, `: ${draw.text(5, LINES)}`))],
      [1, () => lines.splice(at, 1, ` ${lines[at] ?? ''}`)],
    )
  }
  const text = Buffer.from(lines.join('\n'))
  return draw.maybe(15) ? tamper(draw, text) : text
}

function secrets(draw: Draw): Buffer {
  const value = (): unknown =>
    draw.way<unknown>(
      [4, () => draw.pick(['app', SECRET, '', 'md5', `md5${'a'.repeat(32)}`, 'a\0b', 'é'])],
      [2, () => draw.pick([null, 1, true, [], {}, ['x']])],
      [
        1,
        () =>
          `SCRAM-SHA-256$${draw.pick(['4096', '0', '99999999', '-1', '1e3'])}:${draw.pick(['c2FsdA==', '', 'x'])}$${draw.pick([Buffer.alloc(32).toString('base64'), 'QQ==', ''])}:${Buffer.alloc(32).toString('base64')}`,
      ],
    )
  const entry = () =>
    Object.fromEntries(
      draw.list(5, () => [draw.pick(['username', 'password', 'host', '__proto__']), value()]),
    )
  const whole = draw.way<unknown>([4, () => draw.list(4, entry)], [2, entry], [1, value])
  const text = Buffer.from(JSON.stringify(whole) ?? '')
  return draw.maybe(25) ? tamper(draw, text) : text
}

function make(draw: Draw): Case {
  return draw.maybe(40)
    ? { kind: 'secrets', text: secrets(draw) }
    : { kind: 'config', text: draw.maybe(5) ? draw.bytes(200) : config(draw) }
}

const folder = mkdtempSync(join(tmpdir(), 'weir-fuzz-files-'))
const file = join(folder, 'weir.yaml')
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))

async function check({ kind, text }: Case): Promise<string> {
  try {
    if (kind === 'secrets') {
      const held = await Secrets.of(parseSecrets(text.toString('utf8'), 'secrets.json'))
      if (JSON.stringify(held).includes(SECRET)) throw new Error('a password can be printed')
      return `secrets, ${Math.min(held.size, 2)}`
    }
    writeFileSync(file, text)
    const { settings } = loadSettings({ file })
    return `settings, ${Math.min(settings.endpoints.length, 3)}`
  } catch (error) {
    if (!(error instanceof WeirError)) throw error
    const said = `${error.message} ${error.hint ?? ''} ${error.detail ?? ''}`
    // In a name of a setting it is not a password.
    if (said.includes(SECRET) && !new RegExp(`${SECRET}[^\\n]*:`).test(text.toString('utf8'))) {
      throw new Error(`a password was told: ${said}`)
    }
    if (!(error instanceof ConfigErrors)) return error.code
    if (error.problems.length === 0) throw new Error('refused without a problem')
    for (const { line, column, message } of error.problems) {
      if (message === '') throw new Error('a problem without words')
      if (line !== undefined && (line < 1 || column === undefined || column < 1)) {
        throw new Error(`a problem at line ${line}, column ${column}`)
      }
    }
    return `problems, ${Math.min(error.problems.length, 4)}`
  }
}

export const files: Target<Case> = {
  name: 'files',
  promise:
    'any file gives settings or says in plain words what is wrong with it, and never a password',
  runs: 400,
  make,
  check,
}
