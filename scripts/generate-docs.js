#!/usr/bin/env node
// Writes what is generated from the schema of settings: config/weir.schema.json and
// docs/settings.md. Builds first, so that it never prints an old schema.
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
const built = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], {
  stdio: 'inherit',
})
if (built.status !== 0) process.exit(built.status ?? 1)

const catalogue = join(root, 'dist', 'src', 'config', 'catalogue.js')
const { jsonSchema, settingsPage } = await import(pathToFileURL(catalogue).href)
const files = {
  'config/weir.schema.json': `${JSON.stringify(jsonSchema(), null, 2)}\n`,
  'docs/settings.md': settingsPage(),
}
for (const [name, text] of Object.entries(files)) {
  mkdirSync(dirname(join(root, name)), { recursive: true })
  writeFileSync(join(root, name), text)
  process.stdout.write(`wrote ${name}\n`)
}
