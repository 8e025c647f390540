/**
 * Configuration texts as files that go away with the test. Rule: `load` is what a program does,
 * `problemsOf` what a person sees.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { type LoadOptions, loadSettings } from '../../../src/config/load.ts'
import { ConfigErrors } from '../../../src/config/problem.ts'
import type { Settings } from '../../../src/config/settings.ts'

/** The least a right file holds. */
export const LEAST = `nodes: [{ name: db, host: 127.0.0.1 }]
auth: { secrets: [{ username: app, password: pw }] }
`

export function scratchFile(text: string, name = 'weir.yaml'): string {
  const folder = mkdtempSync(join(tmpdir(), 'weir-config-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}

export function load(text: string, options: Omit<LoadOptions, 'file'> = {}): Settings {
  return loadSettings({ file: scratchFile(text), ...options }).settings
}

/** The messages with their places, the folder cut off. */
export function problemsOf(text: string, options: Omit<LoadOptions, 'file'> = {}): string[] {
  try {
    load(text, options)
  } catch (error) {
    if (!(error instanceof ConfigErrors)) throw error
    return error.message.split('\n').map((line) => line.replace(/^\S*weir\.yaml:/, ''))
  }
  return []
}
