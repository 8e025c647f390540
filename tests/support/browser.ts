/**
 * Debian's chromium, without a window, for tests that look at a page as a person would. Rule: every
 * call has a profile of its own that is removed again, and nothing is fetched from anywhere.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']

/** Path of the program; undefined where it is not installed. */
export const chromium = (process.env.PATH ?? '')
  .split(delimiter)
  .flatMap((folder) => NAMES.map((name) => join(folder, name)))
  .find((path) => existsSync(path))

export interface View {
  readonly width?: number
  readonly height?: number
  readonly dark?: boolean
}

/** The page's elements as text, after its scripts have run. */
export async function pageOf(file: string, view: View = {}): Promise<string> {
  return withProfile(async (profile) => {
    const { stdout } = await run(chromium ?? 'chromium', [
      ...flags(profile, view),
      '--dump-dom',
      `file://${file}`,
    ])
    return stdout
  })
}

/** The page as a PNG. */
export async function pictureOf(file: string, view: View = {}): Promise<Buffer> {
  return withProfile(async (profile) => {
    const png = join(profile, 'page.png')
    await run(chromium ?? 'chromium', [
      ...flags(profile, view),
      `--screenshot=${png}`,
      `file://${file}`,
    ])
    return readFileSync(png)
  })
}

function flags(profile: string, { width = 1_100, height = 1_400, dark = false }: View): string[] {
  return [
    '--headless',
    // Its sandbox does not work for root, as in most containers; the page is our own.
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--hide-scrollbars',
    '--no-first-run',
    '--disable-background-networking',
    `--user-data-dir=${profile}`,
    `--window-size=${width},${height}`,
    ...(dark ? ['--force-dark-mode', '--blink-settings=preferredColorScheme=0'] : []),
  ]
}

async function withProfile<T>(work: (profile: string) => Promise<T>): Promise<T> {
  const profile = mkdtempSync(join(tmpdir(), 'weir-browser-'))
  try {
    return await work(profile)
  } finally {
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
  }
}
