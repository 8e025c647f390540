/** The hostile crowd as a process of its own: argv is port, clients, seed; `end` ends it. */
import { Crowd } from './crowd.ts'

const [port, clients, seed] = process.argv.slice(2).map(Number) as [number, number, number]
let state = seed >>> 0

/** A small generator (mulberry32), so that a run can be had again. */
function random(): number {
  state = (state + 0x6d2b79f5) >>> 0
  let t = state
  t = Math.imul(t ^ (t >>> 15), t | 1)
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}

const crowd = new Crowd({ port, clients, random, lifeMs: 30_000 })

process.once('message', () => {
  void crowd.end().then(() => process.send?.(Object.fromEntries(crowd.tally)))
})
