/**
 * Keeps the secrets as their sources have them now: reads them again when a file changes, when their
 * time has come, or when somebody doubts them. Rules: at the start and at a reload all sources are
 * read or nothing is taken over; later a source that cannot be read keeps what it last gave, and says
 * so once.
 */
import { isDeepStrictEqual } from 'node:util'
import { Rotation } from '../auth/rotation.ts'
import type { SecretEntry } from '../auth/secret-file.ts'
import type { Environment, SecretSource } from '../auth/secret-source.ts'
import { onePerUser } from '../auth/secrets.ts'
import type { Settings } from '../config/settings.ts'
import { type Audit, noAudit } from '../core/audit.ts'
import type { Clock, Timer } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import { readersOf } from '../core/file-mode.ts'
import { type FileWatch, watchFiles } from '../core/file-watch.ts'
import type { Log } from '../core/log.ts'
import type { GeneralCounters } from '../metrics/counters.ts'
import { secretSources } from './secret-sources.ts'

export interface KeeperParts {
  readonly clock: Clock
  readonly log: Log
  readonly counters: GeneralCounters
  /** Takes over all that holds from now on. */
  readonly apply: (entries: readonly SecretEntry[]) => Promise<void>
  /** A sentence for the list of events. */
  readonly tell: (sentence: string) => void
  readonly audit?: Audit
  /** Default the environment of this process. */
  readonly env?: Environment
  /** Default as the settings name them. */
  readonly sources?: (auth: Settings['auth']) => readonly SecretSource[]
}

interface Kept {
  readonly source: SecretSource
  entries: readonly SecretEntry[]
  /** When it was last read (monotonic, ms). */
  readAt: number
  /** Why it cannot be read; undefined when it can. */
  broken: string | undefined
  /** Times in a row that it could not. */
  failures: number
}

/** A file that is being written is read again after this long before anybody hears of it (ms). */
const SECOND_LOOK_MS = 500
/** A doubt asks a source that is no file at most this often (ms). */
const DOUBT_MS = 15_000
/** A login waits for that at most so long (ms). */
const PATIENCE_MS = 3_000

export class SecretKeeper {
  /** All that holds now, with passwords that were replaced lately. */
  entries: readonly SecretEntry[] = []
  #parts: KeeperParts
  #rotation = new Rotation(0)
  #kept: readonly Kept[] = []
  #files: FileWatch | undefined
  #timers = new Set<Timer>()
  #queue: Promise<void> = Promise.resolve()
  #doubting: Promise<void> | undefined
  #doubtNext: Promise<void> | undefined
  #warned = new Set<string>()
  #stopped = false

  constructor(parts: KeeperParts) {
    this.#parts = parts
  }

  /**
   * Reads everything and goes on from there.
   * @throws WeirError WEIR_SECRETS; then what was before goes on
   */
  async load(auth: Settings['auth']): Promise<void> {
    const { clock, env = process.env } = this.#parts
    const sources = this.#parts.sources?.(auth) ?? secretSources(auth, clock, env)
    const kept = await Promise.all(
      sources.map(async (source): Promise<Kept> => {
        const entries = await source.read()
        return { source, entries, readAt: clock.monotonic(), broken: undefined, failures: 0 }
      }),
    )
    onePerUser(kept.flatMap(({ entries }) => entries))
    await this.#inTurn(async () => {
      this.#kept = kept
      this.#rotation.windowMs = auth.rotationWindowMs
      await this.#settle()
    })
    await this.#watch()
    // What has changed between being read and being watched was seen by nobody.
    await Promise.all(kept.filter(({ source }) => source.file).map((one) => this.#refresh(one)))
  }

  /**
   * Something that is held was refused: looks where that may help, if that was not done lately.
   * Resolves when that is done, or when it takes so long that whoever waits is better answered.
   */
  doubt(): Promise<void> {
    if (this.#doubting !== undefined) {
      // What that one looks at may have changed since.
      this.#doubtNext ??= this.#doubting.then(() => {
        this.#doubtNext = undefined
        return this.doubt()
      })
      return this.#doubtNext
    }
    const { clock } = this.#parts
    this.#doubting = new Promise<void>((resolve) => {
      const enough = clock.after(PATIENCE_MS, resolve)
      void this.#look().finally(() => {
        enough.cancel()
        resolve()
      })
    }).finally(() => {
      this.#doubting = undefined
    })
    return this.#doubting
  }

  stop(): void {
    this.#stopped = true
    this.#unwatch()
  }

  async #look(): Promise<void> {
    const now = this.#parts.clock.monotonic()
    await this.#files?.look()
    const due = this.#kept.filter(
      ({ source, readAt }) => source.refreshMs !== undefined && now - readAt >= DOUBT_MS,
    )
    for (const one of due) void this.#refresh(one)
    await this.#queue
  }

  async #watch(): Promise<void> {
    this.#unwatch()
    const { clock } = this.#parts
    const files = this.#kept.flatMap(({ source }) => source.file ?? [])
    const changed = (names: readonly string[]): void => {
      for (const one of this.#kept) {
        if (one.source.file !== undefined && names.includes(one.source.file)) {
          void this.#refresh(one)
        }
      }
    }
    if (files.length > 0) this.#files = await watchFiles({ files, clock, changed })
    if (this.#stopped) this.#unwatch()
    for (const one of this.#kept) this.#arm(one)
    for (const file of files) await this.#warnOfReaders(file)
  }

  #unwatch(): void {
    this.#files?.stop()
    this.#files = undefined
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }

  #arm(one: Kept): void {
    const { refreshMs } = one.source
    if (refreshMs === undefined) return
    this.#after(refreshMs, () => {
      void this.#refresh(one)
      this.#arm(one)
    })
  }

  #after(ms: number, work: () => void): void {
    if (this.#stopped) return
    const timer = this.#parts.clock.after(ms, () => {
      this.#timers.delete(timer)
      work()
    })
    this.#timers.add(timer)
  }

  #refresh(one: Kept): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#stopped || !this.#kept.includes(one)) return
      one.readAt = this.#parts.clock.monotonic()
      const before = one.entries
      try {
        one.entries = await one.source.read()
        onePerUser(this.#kept.flatMap(({ entries }) => entries))
        await this.#settle()
        this.#isGood(one, before)
      } catch (error) {
        one.entries = before
        this.#isBroken(one, messageOf(error))
      }
    })
  }

  async #settle(): Promise<void> {
    const all = this.#kept.flatMap(({ entries }) => entries)
    const next = this.#rotation.take(all, this.#parts.clock.wall())
    if (isDeepStrictEqual(next, this.entries)) return
    const before = this.entries
    // Before they are told to anybody: a worker that begins just now gets these.
    this.entries = next
    try {
      await this.#parts.apply(next)
    } catch (error) {
      this.entries = before
      throw error
    }
  }

  #isGood(one: Kept, before: readonly SecretEntry[]): void {
    const { log, counters, tell, audit = noAudit } = this.#parts
    const { name } = one.source
    if (one.broken !== undefined) log.info({ source: name }, `secrets of ${name} can be read again`)
    one.broken = undefined
    one.failures = 0
    this.#countBroken()
    const users = changedUsers(before, one.entries)
    if (users.length === 0) return
    counters.secretReloads++
    const more = users.length > 10 ? ` and ${users.length - 10} more` : ''
    const sentence = `secrets of ${name} have changed: ${users.slice(0, 10).join(', ')}${more}`
    log.info({ source: name }, sentence)
    tell(sentence)
    audit.tell({ kind: 'change', what: 'secrets', outcome: 'done', detail: sentence })
  }

  #isBroken(one: Kept, why: string): void {
    const { log, counters, audit = noAudit } = this.#parts
    one.failures++
    if (one.source.file !== undefined && one.failures === 1) {
      this.#after(SECOND_LOOK_MS, () => void this.#refresh(one))
      return
    }
    counters.secretReloadsFailed++
    // A file is told of by its watch, but not every file system tells.
    if (one.source.file !== undefined) this.#files?.forget(one.source.file)
    if (one.broken === why) return
    one.broken = why
    this.#countBroken()
    log.warn({ source: one.source.name }, `${why}; what it last gave goes on`)
    audit.tell({ kind: 'change', what: 'secrets', outcome: 'failed', detail: why })
  }

  #countBroken(): void {
    const broken = this.#kept.filter((one) => one.broken !== undefined)
    this.#parts.counters.secretSourcesBroken = broken.length
  }

  async #warnOfReaders(file: string): Promise<void> {
    const readers = await readersOf(file)
    if (readers === undefined || this.#warned.has(file)) return
    this.#warned.add(file)
    const advice = `chmod 600 ${file}`
    this.#parts.log.warn({ file }, `${file} holds secrets and ${readers} may read it: ${advice}`)
  }

  /** One after the other: a later reading must not be overtaken by an earlier one. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(work)
    this.#queue = done.catch(() => {})
    return done
  }
}

function changedUsers(before: readonly SecretEntry[], now: readonly SecretEntry[]): string[] {
  const was = new Map(before.map((entry) => [entry.username, entry]))
  const is = new Map(now.map((entry) => [entry.username, entry]))
  const names = [...new Set([...was.keys(), ...is.keys()])]
  return names.filter((name) => !isDeepStrictEqual(was.get(name), is.get(name)))
}
