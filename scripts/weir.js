#!/usr/bin/env node
// The `weir` command. Runs the built program; in a clone that was not built yet it builds first.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const entry = join(root, 'dist', 'src', 'cli', 'main.js')
if (!existsSync(entry)) {
  process.stderr.write('weir: building (first run in this clone)\n')
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  if (!existsSync(tsc)) {
    process.stderr.write('weir: dependencies are missing; run `npm ci` first\n')
    process.exit(1)
  }
  const built = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  if (built.status !== 0) process.exit(built.status ?? 1)
}
const { main } = await import(pathToFileURL(entry).href)
await main(process.argv)
