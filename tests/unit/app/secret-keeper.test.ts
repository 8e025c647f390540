import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { SecretKeeper } from '../../../src/app/secret-keeper.ts'
import type { SecretEntry } from '../../../src/auth/secret-file.ts'
import { fileSource, type SecretSource } from '../../../src/auth/secret-source.ts'
import type { Settings } from '../../../src/config/settings.ts'
import type { AuditEvent } from '../../../src/core/audit.ts'
import { FakeClock } from '../../../src/core/clock.ts'
import { silentLog } from '../../../src/core/log.ts'
import { until } from '../../../src/core/until.ts'
import { GeneralCounters } from '../../../src/metrics/counters.ts'

const AUTH = { rotationWindowMs: 60_000 } as Settings['auth']

/** A source that a test turns by hand. */
class Source implements SecretSource {
  readonly name: string
  readonly refreshMs = 100_000
  /** What it gives, or why it cannot. */
  now: readonly SecretEntry[] | Error
  reads = 0

  constructor(name: string, ...now: SecretEntry[]) {
    this.name = name
    this.now = now
  }

  async read(): Promise<readonly SecretEntry[]> {
    this.reads++
    if (this.now instanceof Error) throw this.now
    return this.now
  }
}

const entry = (username: string, password: string): SecretEntry => ({
  username,
  password,
  source: 'test',
})

let clock: FakeClock
let counters: GeneralCounters
let applied: (readonly SecretEntry[])[]
let warned: string[]
let told: string[]
let audited: AuditEvent[]

function keeperOf(...sources: SecretSource[]): SecretKeeper {
  return new SecretKeeper({
    ...{ clock, counters, sources: () => sources },
    log: { ...silentLog, warn: (_, text) => warned.push(text) },
    apply: async (entries) => {
      applied.push(entries)
    },
    tell: (sentence) => told.push(sentence),
    audit: { tell: (event) => audited.push(event), wants: () => true, closed: undefined },
  })
}

async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve()
}

async function pass(ms: number): Promise<void> {
  clock.advance(ms)
  await settle()
}

beforeEach(() => {
  clock = new FakeClock()
  counters = new GeneralCounters()
  applied = []
  warned = []
  told = []
  audited = []
})

describe('the keeper of secrets', () => {
  it('takes over all sources together, or nothing when one cannot be read', async () => {
    const [a, b] = [new Source('a', entry('app', 'one')), new Source('b')]
    const keeper = keeperOf(a, b)
    b.now = new Error('b cannot be read')
    await expect(keeper.load(AUTH)).rejects.toThrow('b cannot be read')
    expect(applied).toEqual([])
    b.now = [entry('other', 'x')]
    await keeper.load(AUTH)
    expect(applied).toEqual([[entry('app', 'one'), entry('other', 'x')]])
    keeper.stop()
    expect(clock.pending).toBe(0)
  })

  it('reads a source again when its time has come, and lets the former password live on', async () => {
    const source = new Source('a', entry('app', 'one'))
    const keeper = keeperOf(source)
    await keeper.load(AUTH)
    await pass(100_000)
    expect([source.reads, applied.length, told]).toEqual([2, 1, []])
    source.now = [entry('app', 'two')]
    await pass(100_000)
    const until = clock.wall() + 60_000
    const next = { ...entry('app', 'two'), also: [{ password: 'one', until, doors: true }] }
    expect(applied.at(-1)).toEqual([next])
    expect(keeper.entries).toEqual([next])
    expect(told).toEqual(['secrets of a have changed: app'])
    expect(audited).toMatchObject([{ kind: 'change', what: 'secrets', outcome: 'done' }])
    expect(JSON.stringify([told, audited])).not.toContain('two')
    expect(counters.secretReloads).toBe(1)
    keeper.stop()
  })

  it('keeps what a source last gave while it cannot be read, and says so once', async () => {
    const source = new Source('a', entry('app', 'one'))
    const keeper = keeperOf(source)
    await keeper.load(AUTH)
    source.now = new Error('a is not valid JSON')
    await pass(100_000)
    await pass(100_000)
    expect(warned).toEqual(['a is not valid JSON; what it last gave goes on'])
    expect([counters.secretSourcesBroken, counters.secretReloadsFailed]).toEqual([1, 2])
    expect(applied).toHaveLength(1)
    source.now = [entry('app', 'two')]
    await pass(100_000)
    expect(counters.secretSourcesBroken).toBe(0)
    expect(applied.at(-1)).toMatchObject([{ password: 'two' }])
    keeper.stop()
  })

  it('takes a source for broken that gives a user whom another has', async () => {
    const [a, b] = [new Source('a', entry('app', 'one')), new Source('b', entry('other', 'x'))]
    const keeper = keeperOf(a, b)
    await keeper.load(AUTH)
    b.now = [entry('app', 'stolen')]
    await pass(100_000)
    expect(applied).toHaveLength(1)
    expect(warned[0]).toContain('user "app" has two secrets')
    keeper.stop()
  })

  it('asks a source that is doubted, but not again at once', async () => {
    const source = new Source('a', entry('app', 'one'))
    const keeper = keeperOf(source)
    await keeper.load(AUTH)
    await keeper.doubt()
    expect(source.reads).toBe(1)
    clock.advance(15_000)
    source.now = [entry('app', 'two')]
    await Promise.all([keeper.doubt(), keeper.doubt()])
    expect(source.reads).toBe(2)
    // Who doubted goes on with what was found.
    expect(applied.at(-1)).toMatchObject([{ password: 'two' }])
    keeper.stop()
  })

  it('on a reload goes on from the passwords it had', async () => {
    const source = new Source('a', entry('app', 'one'))
    const keeper = keeperOf(source)
    await keeper.load(AUTH)
    source.now = [entry('app', 'two')]
    await keeper.load(AUTH)
    expect(applied.at(-1)).toMatchObject([{ password: 'two', also: [{ password: 'one' }] }])
    keeper.stop()
  })
})

/** The first call gives `first`, the others what `then` gives. */
function once<T>(first: Promise<T>, then: () => Promise<T>): () => Promise<T> {
  let calls = 0
  return () => (calls++ === 0 ? first : then())
}

describe('A file', () => {
  it('that changes while other sources are being read is read again', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'weir-keeper-'))
    const file = join(directory, 'secrets.json')
    await writeFile(file, JSON.stringify(entry('app', 'old')))
    const read = fileSource(file).read()
    const source: SecretSource = { ...fileSource(file), read: once(read, fileSource(file).read) }
    const slow: SecretSource = {
      name: 'slow',
      read: async () => {
        await read
        await writeFile(file, JSON.stringify(entry('app', 'new')))
        return [entry('other', 'pw')]
      },
    }
    const keeper = keeperOf(source, slow)
    await keeper.load(AUTH)
    const held = () => keeper.entries.find(({ username }) => username === 'app')?.password
    await until(() => held() === 'new', 10_000)
    keeper.stop()
    await rm(directory, { recursive: true })
  })
})
