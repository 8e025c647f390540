#!/usr/bin/env node
// The hostile soak: thousands of clients of the worst kinds beside a normal load.
//
//   node tests/soak/hostile.js --minutes 60 --clients 2000
//   node tests/soak/hostile.js --minutes 2 --clients 200 --every 10 --workers 2 --port 17850
//
// Rule: compiles into a folder of its own under the system's temporary one, and needs five
// neighbouring ports. What it does and prints is told in hostile/run.ts.
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')
const built = mkdtempSync(join(tmpdir(), 'weir-soak-'))
const out = join(built, 'out')
const config = join(built, 'tsconfig.json')
writeFileSync(
  config,
  JSON.stringify({
    extends: join(root, 'tsconfig.json'),
    compilerOptions: { noEmit: false, rootDir: root, outDir: out, types: ['node'] },
    include: [join(root, 'src'), join(root, 'tests/soak/hostile'), join(root, 'tests/support')],
  }),
)
symlinkSync(join(root, 'node_modules'), join(built, 'node_modules'))
mkdirSync(out)
writeFileSync(join(out, 'package.json'), readFileSync(join(root, 'package.json')))
symlinkSync(join(root, 'config'), join(out, 'config'))
// Types are judged by `npm run check`; here only what comes out counts.
const compiler = join(root, 'node_modules/typescript/bin/tsc')
spawnSync(process.execPath, [compiler, '-p', config], { stdio: 'ignore' })
const child = spawn(
  process.execPath,
  [join(out, 'tests/soak/hostile/run.js'), ...process.argv.slice(2)],
  { stdio: 'inherit', cwd: root },
)
child.once('exit', (code) => {
  rmSync(built, { recursive: true, force: true })
  process.exitCode = code ?? 1
})
