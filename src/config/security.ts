/**
 * What is weak about a configuration that is right by itself: `weir config check --security`. Rule:
 * each weakness says where it stands, why it matters and what to write instead; none quotes a secret;
 * and what only this machine can reach weighs less, but is told.
 */
import { isLoopback } from './check.ts'
import type { Loaded, SettingPlace } from './load.ts'
import { ADMIN_RULES } from './security-admin.ts'
import { AUTH_RULES } from './security-auth.ts'
import { DOOR_RULES } from './security-doors.ts'
import { FILE_RULES } from './security-files.ts'
import { LIMIT_RULES } from './security-limits.ts'
import { NODE_RULES } from './security-nodes.ts'
import { type Found, LEVELS, type Rule } from './security-rule.ts'
import type { Path } from './walk.ts'

export interface Weakness extends Found, SettingPlace {
  readonly rule: string
  /** `tls.mode`, `auth.users.app.iamAuth` */
  readonly setting: string
  /** The file says nothing about it. */
  readonly byDefault: boolean
}

export const SECURITY_RULES: readonly Rule[] = [
  ...DOOR_RULES,
  ...AUTH_RULES,
  ...FILE_RULES,
  ...NODE_RULES,
  ...LIMIT_RULES,
  ...ADMIN_RULES,
]

/** All that is weak, gravest first and then in the order of the file. */
export function weaknesses({ settings, placeOf, isGiven }: Loaded): Weakness[] {
  const examined = {
    settings,
    reachable: !isLoopback(settings.listen.host),
    file: placeOf([]).file,
  }
  const found = SECURITY_RULES.flatMap((rule) =>
    rule.find(examined).map((one) => ({
      ...one,
      ...placeOf(one.path),
      rule: rule.name,
      setting: nameOf(one.path, settings),
      byDefault: !isGiven(one.path),
    })),
  )
  const weight = ({ level, line = 0 }: Weakness) => LEVELS.indexOf(level) * 1e6 + (line ?? 0)
  return found.sort((a, b) => weight(a) - weight(b))
}

/** Several lines for a person. */
export function printWeakness(weakness: Weakness): string {
  const { file, line, column, setting, is, byDefault, why, set, level, rule } = weakness
  const place = line === undefined ? file : `${file}:${line}:${column}`
  const what = `${setting} ${is}${byDefault ? ' (by default)' : ''}`.trimStart()
  return `${place}  ${what}  [${level}: ${rule}]\n    why: ${why}\n    do:  ${set}`
}

function nameOf(path: Path, settings: object): string {
  let at: unknown = settings
  const steps: string[] = []
  for (const step of path) {
    at = typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[step] : undefined
    const named =
      typeof step === 'number' ? (at as { name?: unknown } | undefined)?.name : undefined
    steps.push(typeof named === 'string' ? named : String(step))
  }
  return steps.join('.')
}
