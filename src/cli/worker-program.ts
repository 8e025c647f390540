/** Where the program of a worker process lies: beside this file, built or not. */
import { fileURLToPath } from 'node:url'

export function workerProgram(): string {
  const here = import.meta.url
  return fileURLToPath(new URL(here.endsWith('.ts') ? './worker.ts' : './worker.js', here))
}
