/**
 * `weir config`: judge configuration files, explain settings, print the JSON schema. Rule: what a
 * program may read goes to standard output, and a wrong file ends with exit code 2 after every
 * file was looked at.
 */
import type { Command } from 'commander'
import { explain, jsonSchema, nearestSetting } from '../config/catalogue.ts'
import { type Loaded, loadSettings } from '../config/load.ts'
import { ConfigErrors, type Problem, printProblem } from '../config/problem.ts'
import { printWeakness, SECURITY_RULES, type Weakness, weaknesses } from '../config/security.ts'
import { LEVELS } from '../config/security-rule.ts'
import { WeirError } from '../core/errors.ts'

const WRONG_CONFIG = 2
const WEAK_CONFIG = 3

interface CheckOptions {
  readonly json?: true
  readonly security?: true
  readonly ignore?: readonly string[]
}

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
    .option('--security', 'also explain every weakness of right ones; exit code 3 if there is any')
    .option(
      '--ignore <rule...>',
      'weaknesses to leave out, by the name in brackets; with --security',
    )
    .addHelpText(
      'after',
      `
Examples:
  weir config check config/local.yaml config/minimal.yaml
  weir config check --security weir.yaml
  weir config check --security weir.yaml --ignore tls-old`,
    )
    .action((files: string[], options: CheckOptions) => check(files, options))

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

interface Verdict {
  readonly file: string
  readonly problems: readonly Problem[]
  /** Undefined when there are problems. */
  readonly loaded: Loaded | undefined
  /** Undefined when nobody asked. */
  readonly weak: readonly Weakness[] | undefined
}

function check(files: readonly string[], options: CheckOptions): void {
  const { ignore = [] } = options
  const stranger = ignore.find((name) => SECURITY_RULES.every((rule) => rule.name !== name))
  if (stranger !== undefined) {
    const names = SECURITY_RULES.map(({ name }) => name).join(', ')
    throw new WeirError('WEIR_NO_RULE', `no weakness is called ${stranger}`, {
      hint: `These are: ${names}.`,
    })
  }
  const verdicts = files.map((file) => judge(file, options))
  if (verdicts.some(({ weak = [] }) => weak.length > 0)) process.exitCode = WEAK_CONFIG
  if (verdicts.some(({ problems }) => problems.length > 0)) process.exitCode = WRONG_CONFIG
  if (options.json === true) {
    print(JSON.stringify(verdicts.map(plain), null, 2))
    return
  }
  for (const verdict of verdicts) tell(verdict)
}

function plain({ file, problems, weak }: Verdict): object {
  const ok = problems.length === 0
  return { file, ok, problems, ...(weak === undefined ? {} : { weaknesses: weak }) }
}

function tell({ file, loaded, problems, weak }: Verdict): void {
  for (const problem of problems) process.stderr.write(`${printProblem(problem)}\n`)
  if (loaded === undefined) return
  const { nodes, endpoints, topology } = loaded.settings
  const { kind } = topology.source
  const from = kind === 'static' ? counted(nodes.length, 'node') : `nodes from ${kind}`
  print(`${file}: ok (${from}, ${counted(endpoints.length, 'endpoint')})`)
  if (weak === undefined) return
  for (const weakness of weak) print(printWeakness(weakness))
  const levels = LEVELS.map((level) => [level, weak.filter((w) => w.level === level).length])
  const told = levels.flatMap(([level, n]) => (n === 0 ? [] : [`${n} ${level}`])).join(', ')
  const sum = weak.length === 1 ? '1 weakness' : `${weak.length} weaknesses`
  print(weak.length === 0 ? `${file}: no weakness found` : `${file}: ${sum} (${told})`)
}

function judge(file: string, { security, ignore = [] }: CheckOptions): Verdict {
  try {
    const loaded = loadSettings({ file, env: process.env })
    const weak = security
      ? weaknesses(loaded).filter(({ rule }) => !ignore.includes(rule))
      : undefined
    return { file, loaded, problems: [], weak }
  } catch (error) {
    if (!(error instanceof ConfigErrors)) throw error
    return { file, loaded: undefined, problems: error.problems, weak: undefined }
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
