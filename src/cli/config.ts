/**
 * `weir config`: judge configuration files, explain settings, print the JSON schema. Rule: what a
 * program may read goes to standard output, and a wrong file ends with exit code 2 after every
 * file was looked at.
 */
import type { Command } from 'commander'
import { explain, jsonSchema, nearestSetting } from '../config/catalogue.ts'
import { loadSettings } from '../config/load.ts'
import { ConfigErrors, type Problem, printProblem } from '../config/problem.ts'
import type { Settings } from '../config/settings.ts'

const WRONG_CONFIG = 2

export function registerConfig(program: Command): void {
  const config = program
    .command('config')
    .description('check configuration files and explain settings')
    .addHelpText('after', '\nExample:\n  weir config check config/local.yaml')

  config
    .command('check')
    .description('tell everything that is wrong with configuration files; exit code 2 if anything')
    .argument('<file...>', 'YAML files')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', '\nExample:\n  weir config check config/local.yaml config/minimal.yaml')
    .action((files: string[], options: { json?: boolean }) => check(files, options.json === true))

  config
    .command('explain')
    .description('tell type, default, range, AWS name and environment variable of a setting')
    .argument('<setting>', 'a setting such as pool.borrowTimeout, or a section such as pool')
    .option('--json', 'print it as JSON')
    .addHelpText('after', '\nExample:\n  weir config explain pool.borrowTimeout')
    .action((setting: string, options: { json?: boolean }) =>
      explainSetting(setting, options.json === true),
    )

  config
    .command('schema')
    .description('print the JSON schema of configuration files, for editors')
    .addHelpText('after', '\nExample:\n  weir config schema > config/weir.schema.json')
    .action(() => print(JSON.stringify(jsonSchema(), null, 2)))
}

function check(files: readonly string[], json: boolean): void {
  const results = files.map((file) => ({ file, ...judge(file) }))
  if (results.some((r) => !r.ok)) process.exitCode = WRONG_CONFIG
  if (json) {
    const plain = results.map(({ file, ok, problems }) => ({ file, ok, problems }))
    print(JSON.stringify(plain, null, 2))
    return
  }
  for (const { file, settings, problems } of results) {
    for (const problem of problems) process.stderr.write(`${printProblem(problem)}\n`)
    if (settings === undefined) continue
    const { nodes, endpoints, topology } = settings
    const { kind } = topology.source
    const from = kind === 'static' ? counted(nodes.length, 'node') : `nodes from ${kind}`
    print(`${file}: ok (${from}, ${counted(endpoints.length, 'endpoint')})`)
  }
}

function judge(file: string): {
  ok: boolean
  settings?: Settings
  problems: readonly Problem[]
} {
  try {
    const { settings } = loadSettings({ file, env: process.env })
    return { ok: true, settings, problems: [] }
  } catch (error) {
    if (error instanceof ConfigErrors) return { ok: false, problems: error.problems }
    throw error
  }
}

function explainSetting(setting: string, json: boolean): void {
  const found = explain(setting)
  if (found === undefined) {
    const meant = nearestSetting(setting)
    const advice = meant === undefined ? 'see docs/settings.md' : `did you mean ${meant}?`
    process.stderr.write(`weir config explain: no setting is called ${setting}; ${advice}\n`)
    process.exitCode = WRONG_CONFIG
    return
  }
  print(json ? JSON.stringify(found.entry, null, 2) : found.text)
}

function counted(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
