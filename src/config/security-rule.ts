/**
 * What a rule of `weir config check --security` is. Rule: a rule looks at settings that are right by
 * themselves, and at the modes of files they name; it changes nothing and asks nobody.
 */
import type { Settings } from './settings.ts'
import type { Path } from './walk.ts'

/**
 * - `high`: whoever can reach Weir, or listens on the way, gets in or reads along.
 * - `medium`: one more mistake, or a patient attacker, is needed.
 * - `low`: a second line of defence is missing.
 */
export const LEVELS = ['high', 'medium', 'low'] as const
export type Level = (typeof LEVELS)[number]

/** What a rule finds. */
export interface Found {
  readonly level: Level
  readonly path: Path
  /** What stands there, or that nothing does: finishes "SETTING ...". */
  readonly is: string
  readonly why: string
  /** What to write instead, or to do. */
  readonly set: string
}

/** What rules look at. */
export interface Examined {
  readonly settings: Settings
  /** Other machines can reach the endpoints. */
  readonly reachable: boolean
  /** The configuration file. */
  readonly file: string
}

export interface Rule {
  /** Stable: `--ignore` takes it, and JSON has it. */
  readonly name: string
  find(examined: Examined): readonly Found[]
}
