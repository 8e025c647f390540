/**
 * The texts of the house against the house: links lead somewhere, commands and settings and metrics
 * exist under the names they are given, and every reason that a log can print is explained.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { commands } from '../../src/cli/main.ts'
import { explain } from '../../src/config/catalogue.ts'
import { EVICT_REASONS } from '../../src/pool/member.ts'
import { PIN_REASONS } from '../../src/protocol/contract.ts'
import { CLOSE_REASONS } from '../../src/session/close-reason.ts'

const root = resolve(import.meta.dirname, '../..')
const pages = [
  'README.md',
  'src/README.md',
  'benchmarks/README.md',
  ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`),
].filter((name) => name.endsWith('.md'))

const read = (page: string): string => readFileSync(join(root, page), 'utf8')

/** The anchor a heading gets, as code hosts make it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} -]/gu, '')
    .replaceAll(' ', '-')
}

function anchorsOf(path: string): string[] {
  const headings = readFileSync(path, 'utf8').matchAll(/^#+ (.+)$/gm)
  return [...headings].map(([, heading]) => anchorOf(heading!))
}

/** What is wrong with the relative links of a page. */
function brokenLinks(page: string): string[] {
  const broken: string[] = []
  for (const [, link] of read(page).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(link!)) continue
    const [file, anchor] = link!.split('#')
    const path = file === '' ? join(root, page) : resolve(root, dirname(page), file!)
    if (!existsSync(path)) broken.push(`${link} is not there`)
    else if (relative(root, path).startsWith('..')) broken.push(`${link} leaves the project`)
    else if (anchor !== undefined && !anchorsOf(path).includes(anchor)) {
      broken.push(`${link} has no such heading`)
    }
  }
  return broken
}

/** What `wrong` finds on any page, with the page's name before it. */
function onAnyPage(wrong: (page: string) => readonly string[]): string[] {
  return pages.flatMap((page) => wrong(page).map((what) => `${page}: ${what}`))
}

test('every relative link leads somewhere', () => {
  expect(onAnyPage(brokenLinks)).toEqual([])
})

/** What is wrong with a `weir ...` line: a command or a long option that does not exist. */
function wrongWith(line: string): string | undefined {
  let command: Command = commands()
  // What stands in quotes is another program's command line.
  const words = line
    .replace(/'[^']*'/g, 'TEXT')
    .split(/\s+/)
    .slice(1)
  while (command.commands.length > 0) {
    const word = words.shift()
    if (word === undefined) return undefined
    const next = command.commands.find((c) => c.name() === word)
    if (next === undefined) return `${line}: no command ${word}`
    command = next
  }
  const flags = words.filter((word) => word.startsWith('--')).map((word) => word.split('=')[0])
  const unknown = flags.find((flag) => command.options.every((o) => o.long !== flag))
  return unknown === undefined ? undefined : `${line}: no option ${unknown}`
}

/** `weir` and what follows it, wherever a page shows it as something to type. */
function commandLines(page: string): string[] {
  const text = read(page)
  const inline = [...text.matchAll(/`(?:npx )?(weir [^`\n]+)`/g)].map((m) => m[1]!)
  const typed = [...text.matchAll(/^(?:npx )?(weir [a-z][^#|\n]*)/gm)].map((m) => m[1]!)
  return [...inline, ...typed].map((line) => line.trim()).filter((line) => !/^weir --/.test(line))
}

test('every weir command exists, with its options', () => {
  const wrong = (page: string) => commandLines(page).map(wrongWith)
  expect(onAnyPage((page) => wrong(page).filter((text) => text !== undefined))).toEqual([])
})

test('the README shows commands at all', () => {
  expect(commandLines('README.md').length).toBeGreaterThan(10)
})

test('the README says how to start and how to test, in these very words', () => {
  const lines = read('README.md').split('\n').slice(0, 30)
  const bare = lines.map((line) => line.trim())
  expect(bare).toContain('npm ci && npm start')
  expect(bare).toContain('npm ci && npm test')
})

test.each([
  ['pin reason', PIN_REASONS, 'docs/pinning.md'],
  ['close reason', CLOSE_REASONS, 'docs/operating.md'],
  ['evict reason', EVICT_REASONS, 'docs/operating.md'],
] as const)('every %s is explained', (_, reasons, page) => {
  const text = read(page)
  expect(reasons.filter((reason) => !text.includes(`\`${reason}\``))).toEqual([])
})

const SECTIONS = 'listen|topology|pool|auth|tls|limits|admin|log'

test('every setting that is named exists', () => {
  const setting = new RegExp(`\`((?:${SECTIONS})\\.[a-zA-Z]+)\``, 'g')
  const wrong = (page: string) =>
    [...read(page).matchAll(setting)]
      .map(([, name]) => name!)
      .filter((name) => !name.endsWith('.ts') && explain(name) === undefined)
  expect(onAnyPage(wrong)).toEqual([])
})

test('every metric that is named is in the catalogue', () => {
  const known = read('docs/metrics.md')
  const wrong = (page: string) =>
    [...read(page).matchAll(/\bweir_[a-z_]+[a-z]\b/g)]
      .map(([name]) => name.replace(/_bucket$/, ''))
      .filter((name) => !known.includes(`\`${name}\``))
  expect(onAnyPage(wrong)).toEqual([])
})
