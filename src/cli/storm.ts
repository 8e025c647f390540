/**
 * `weir storm`: a crowd of clients arrives at once, at Weir and at others, and what they live through
 * is measured. Rule: it starts what has no URL on ports of its own and takes it down again, whatever
 * ends it. Exit code 0 when all was measured and expected, 1 when an expectation was not met or a
 * target could not be measured, 2 when it could not begin.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { arch, cpus, platform, tmpdir, totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { findProgram } from '../bench/failover/subjects/programs.ts'
import { missingForCertificate } from '../bench/storm/certificate.ts'
import { judge } from '../bench/storm/expect.ts'
import { arrivalsOf, describeStorm, type StormPlan } from '../bench/storm/plan.ts'
import type { StormProgress } from '../bench/storm/progress.ts'
import { stormHtml } from '../bench/storm/report/html.ts'
import { summaryText } from '../bench/storm/report/summary.ts'
import { terminalStorm } from '../bench/storm/report/terminal.ts'
import type { Limit, StormResult, TargetResult } from '../bench/storm/result.ts'
import { type StormOptions, stormTarget } from '../bench/storm/run.ts'
import type { Target } from '../bench/storm/target.ts'
import { directTarget, pgbouncerTarget, urlTarget, weirTarget } from '../bench/storm/targets.ts'
import { raiseUntilFail } from '../bench/storm/until-fail.ts'
import { WeirError } from '../core/errors.ts'
import { shellWord } from './failover-result.ts'
import { clientsThatFit, tooFewFiles } from './storm-files.ts'
import { type StormLab, startStormLab } from './storm-lab.ts'
import { declareStorm, type StormFlags, stormPlanOf, type Wanted } from './storm-options.ts'
import { version } from './version.ts'

/** Ports: the node first, then the targets'. */
const TARGET_PORTS = 10

export function registerStorm(program: Command): void {
  const command = program
    .command('storm')
    .description('measure what a storm of new connections does, to Weir and to others side by side')
  declareStorm(command).action(async (flags: StormFlags) => {
    try {
      await run(flags)
    } catch (error) {
      if (!(error instanceof WeirError)) throw error
      const lines = [error.message, error.detail, error.hint].filter(Boolean)
      process.stderr.write(`weir storm: ${lines.join('\n  ')}\n`)
      process.exitCode = 2
    }
  })
}

async function run(flags: StormFlags): Promise<void> {
  const plan = stormPlanOf(flags)
  const targets = targetsOf(flags)
  refuse([tooFewFiles(plan.clients), ...targets.flatMap((target) => target.missing())])
  if (speaksTls(flags) && targets.some(({ onLab }) => onLab)) refuse(missingForCertificate())
  if (flags.untilFail === true && flags.expect.length === 0) {
    refuse(["--until-fail needs something that can break: --expect 'errors=0 first_reply_p99<1s'"])
  }
  const progress = terminalStorm(process.stderr, { colour: coloured(process.stderr) })
  const place = directoryOf(flags)
  const tidy = (): void => {
    if (place.temporary) rmSync(place.directory, { recursive: true, force: true })
  }
  process.once('exit', tidy)
  const abort = new AbortController()
  const onSignal = (): void => {
    if (abort.signal.aborted) process.exit(130)
    process.stderr.write('\nweir storm: ending; once more to end at once\n')
    abort.abort()
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)
  const began = Date.now()
  let lab: StormLab | undefined
  try {
    lab = await labFor(flags, targets, place.directory, progress)
    const options: StormOptions = {
      plan,
      threads: Math.min(flags.threads, plan.clients),
      ...(flags.tls === undefined ? {} : { tls: flags.tls }),
      ...(lab === undefined ? {} : { lab: lab.node }),
      ...(flags.observe === undefined ? {} : { observe: flags.observe }),
      port: flags.port + TARGET_PORTS,
      directory: join(place.directory, 'targets'),
      pool: flags.pool,
      progress,
      signal: abort.signal,
    }
    const { results, limits } = await measure(flags, targets, options)
    publish(resultOf(flags, plan, results, limits, began, lab), flags)
  } finally {
    await lab?.end()
    tidy()
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, onSignal)
  }
}

async function measure(
  flags: StormFlags,
  targets: readonly Target[],
  options: StormOptions,
): Promise<{ results: TargetResult[]; limits: Limit[] }> {
  const results: TargetResult[] = []
  const limits: Limit[] = []
  for (const [i, target] of targets.entries()) {
    if (options.signal?.aborted === true) break
    const mine = { ...options, port: options.port + i * TARGET_PORTS }
    if (flags.untilFail !== true) {
      results.push(await stormTarget(target, mine))
      continue
    }
    const raised = await raiseUntilFail({
      target: target.name,
      plan: mine.plan,
      expected: flags.expect,
      most: clientsThatFit() ?? 50_000,
      storm: (plan) => stormTarget(target, { ...mine, plan }),
      say: mine.progress.say,
      ...(mine.signal === undefined ? {} : { signal: mine.signal }),
    })
    results.push(raised.result)
    limits.push(raised.limit)
  }
  return { results, limits }
}

async function labFor(
  flags: StormFlags,
  targets: readonly Target[],
  directory: string,
  progress: StormProgress,
): Promise<StormLab | undefined> {
  if (targets.every((target) => !target.onLab)) return undefined
  progress.say('starting a node')
  const { port, maxConnections, postgres } = flags
  return startStormLab({ directory, port, maxConnections, postgres, tls: speaksTls(flags) })
}

const speaksTls = ({ tls }: StormFlags): boolean => tls !== undefined && tls !== 'disable'

function targetsOf(flags: StormFlags): Target[] {
  const usual: Wanted[] = ['direct', 'weir']
  if (findProgram('pgbouncer') !== undefined) usual.push('pgbouncer')
  const wanted = flags.target.length > 0 ? flags.target : usual
  return wanted.map((one) => {
    switch (one) {
      case 'direct':
        return directTarget()
      case 'weir':
        return weirTarget({ program: [process.execPath, script()], set: flags.set })
      case 'pgbouncer':
        return pgbouncerTarget()
      default:
        return urlTarget(one.name, one.url, flags.pid.find(([name]) => name === one.name)?.[1])
    }
  })
}

function refuse(reasons: readonly (string | undefined)[]): void {
  const said = reasons.filter((reason) => reason !== undefined)
  if (said.length > 0) throw new WeirError('WEIR_STORM', said.join('\n  '))
}

function resultOf(
  flags: StormFlags,
  plan: StormPlan,
  targets: readonly TargetResult[],
  limits: readonly Limit[],
  began: number,
  lab: StormLab | undefined,
): StormResult {
  return {
    format: 1,
    version: version(),
    began,
    ended: Date.now(),
    command: ['weir', ...process.argv.slice(2).map(shellWord)].join(' '),
    storm: describeStorm(plan),
    settings: {
      ...(lab === undefined
        ? {}
        : { node: lab.description, 'pool of a started pooler': flags.pool }),
      shape: plan.shape,
      arrivals: arrivalsOf(plan),
      'arrivals a second': plan.rate,
      'everybody stays (ms)': plan.holdMs,
      statement: plan.query,
      "between a client's statements (ms)": plan.everyMs,
      'patience of a client (ms)': plan.timeoutMs,
      'a client that failed':
        plan.retryMs === undefined ? 'stays away' : `tries again after ${plan.retryMs} ms`,
      TLS: flags.tls ?? 'as the URL says, else prefer; in the lab disable',
      'SCRAM keys':
        plan.keys === 'cached' ? 'derived once a thread and salt' : 'derived at each login',
      'functions before, unmeasured': plan.warmUp,
      'threads of the load': flags.threads,
      ...(flags.set.length === 0 ? {} : { 'set for Weir': flags.set.join(', ') }),
    },
    machine: {
      cores: cpus().length,
      processor: cpus()[0]?.model ?? 'unknown',
      'memory (GiB)': Math.round(totalmem() / 1024 ** 3),
      system: `${platform()} ${arch()}`,
      node: process.version,
    },
    targets,
    expectations: judge(flags.expect, targets),
    limits,
  }
}

function publish(result: StormResult, flags: StormFlags): void {
  if (flags.html !== undefined) writeFileSync(flags.html, stormHtml(result))
  const json = `${JSON.stringify(result, null, 2)}\n`
  if (typeof flags.json === 'string') writeFileSync(flags.json, json)
  if (flags.json === true) process.stdout.write(json)
  else process.stdout.write(summaryText(result, { colour: coloured(process.stdout) }))
  const failed = result.targets.some(({ failure }) => failure !== undefined)
  // A storm that is raised ends with something that breaks; that is what it is for.
  const missed = flags.untilFail !== true && result.expectations.some(({ met }) => !met)
  if (failed || missed) process.exitCode = 1
}

function directoryOf(flags: StormFlags): { directory: string; temporary: boolean } {
  if (flags.dir !== undefined) {
    const directory = resolve(flags.dir)
    mkdirSync(directory, { recursive: true })
    return { directory, temporary: false }
  }
  const directory = mkdtempSync(join(tmpdir(), 'weir-storm-'))
  // Open to the user that runs the servers when we are root.
  chmodSync(directory, 0o755)
  return { directory, temporary: true }
}

/** The program itself: two folders up in src, three in dist. */
function script(): string {
  const found = ['../../scripts/weir.js', '../../../scripts/weir.js']
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => existsSync(path))
  if (found !== undefined) return found
  throw new WeirError('WEIR_STORM', 'scripts/weir.js of this program is not there')
}

const coloured = (stream: { isTTY?: boolean }): boolean =>
  stream.isTTY === true && process.env.NO_COLOR === undefined
