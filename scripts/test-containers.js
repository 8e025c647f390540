#!/usr/bin/env node
// `npm run test:containers`: Weir in front of the official Postgres images, by testcontainers.
//
// Rule: never a silent pass. Exit code 0 means that tests ran and all passed, 1 that some failed or
// none ran, 3 that no Docker engine answers and nothing was tested. These suites end in `.spec.ts`
// and belong to no kind of `npm test`, which has to run where there is no Docker.
//
//   npm run test:containers                                    oldest and newest supported Postgres
//   WEIR_POSTGRES_IMAGES=postgres:16 npm run test:containers   the images you name
//   npm run test:containers -- --check                         only: does an engine answer?
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'

const NO_ENGINE = 3
const root = dirname(import.meta.dirname)

/** What kept us from a Docker engine, or undefined when one answers. */
async function noEngine() {
  let getContainerRuntimeClient
  try {
    ;({ getContainerRuntimeClient } = await import('testcontainers'))
  } catch {
    return 'the package testcontainers is missing, run `npm ci` first'
  }
  try {
    await getContainerRuntimeClient()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

async function run() {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const built = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  if (built.status !== 0) {
    console.log('test:containers: the build failed; nothing was run')
    return 1
  }
  const { startVitest } = await import('vitest/node')
  const vitest = await startVitest('test', [], {
    root,
    config: false,
    watch: false,
    environment: 'node',
    include: ['tests/containers/**/*.spec.ts'],
    fileParallelism: false,
    testTimeout: 60_000,
    // The first run downloads images.
    hookTimeout: 600_000,
  })
  const tests = vitest.state.getFiles().flatMap((file) => collect(file))
  const failedFiles = vitest.state.getFiles().filter((file) => file.result?.state === 'fail').length
  const count = (state) => tests.filter((test) => (test.result?.state ?? 'skip') === state).length
  const passed = count('pass')
  const failed = Math.max(count('fail'), failedFiles)
  await vitest.close()
  console.log(
    `\n${passed} passed, ${failed} failed, ${tests.length - passed - count('fail')} skipped`,
  )
  return failed === 0 && passed > 0 ? 0 : 1
}

function collect(task) {
  return task.type === 'test' ? [task] : (task.tasks ?? []).flatMap((child) => collect(child))
}

const why = await noEngine()
if (why !== undefined) {
  console.log(`test:containers: no Docker engine answers (${why}); nothing was tested`)
  process.exitCode = NO_ENGINE
} else if (process.argv.includes('--check')) {
  console.log('test:containers: a Docker engine answers')
} else {
  process.exitCode = await run()
}
