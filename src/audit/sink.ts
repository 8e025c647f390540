/**
 * Where audit lines go: a file that is put aside when it is large or old, or standard output. Rule: a
 * text is taken as a whole or not at all, also by a disk that becomes full in the middle of it; after a
 * failure a sink is thrown away and another is opened.
 */
import { type FileHandle, open, rename, stat } from 'node:fs/promises'
import type { Clock } from '../core/clock.ts'

export interface Sink {
  /** Resolves when the system has taken it all; rejects when it has not, and then it took nothing. */
  write(text: string): Promise<void>
  close(): Promise<void>
}

export interface FileRules {
  readonly path: string
  /** Most bytes of it, unless one text is longer; before that it becomes `audit.log.1`. */
  readonly rotateSize: number
  /** By UTC: whatever the hour, day or week before has left is put aside. */
  readonly rotateInterval: 'never' | 'hourly' | 'daily' | 'weekly'
  /** Most files besides the one that is written. */
  readonly keep: number
}

const MODE = 0o640
const HOUR_MS = 3_600_000
const PERIODS = { never: Infinity, hourly: HOUR_MS, daily: 24 * HOUR_MS, weekly: 168 * HOUR_MS }
/** A disk that answers nothing for so long has failed (ms). */
const PATIENCE_MS = 10_000

/** @throws the system's error when the file cannot be appended to */
export async function fileSink(rules: FileRules, clock: Pick<Clock, 'wall'>): Promise<Sink> {
  const file = new AuditFile(rules, clock)
  await file.open()
  return {
    write: (text) => within(file.write(Buffer.from(text, 'utf8'))),
    close: () => within(file.close()).catch(() => {}),
  }
}

class AuditFile {
  #rules: FileRules
  #clock: Pick<Clock, 'wall'>
  #handle: FileHandle | undefined
  #ino = 0
  #size = 0
  /** Number of the hour, day or week it is of. */
  #period = 0

  constructor(rules: FileRules, clock: Pick<Clock, 'wall'>) {
    this.#rules = rules
    this.#clock = clock
  }

  async open(): Promise<void> {
    const { path } = this.#rules
    const handle = await open(path, 'a+', MODE)
    try {
      const now = await handle.stat()
      if (!now.isFile()) throw new Error(`${path} is no file`)
      this.#ino = now.ino
      this.#size = now.size
      this.#period = this.#periodOf(now.size === 0 ? this.#clock.wall() : now.mtimeMs)
      // Another program has died in the middle of a line.
      if (now.size > 0 && !(await endsLine(handle, now.size))) {
        await handle.appendFile('\n')
        this.#size++
      }
    } catch (error) {
      await handle.close()
      throw error
    }
    this.#handle = handle
  }

  async write(bytes: Buffer): Promise<void> {
    const { path, rotateSize } = this.#rules
    // Whoever moves or removes the file by hand means the next line to go to a new one.
    const there = await stat(path).catch(() => undefined)
    if (there?.ino !== this.#ino) await this.#openAgain()
    const period = this.#periodOf(this.#clock.wall())
    const due = this.#period !== period || this.#size + bytes.length > rotateSize
    if (this.#size > 0 && due) await this.#putAside()
    this.#period = period
    const handle = this.#handle
    if (handle === undefined) throw new Error(`${path} is not open`)
    try {
      await handle.appendFile(bytes)
    } catch (error) {
      // A full disk takes a part of it.
      await handle.truncate(this.#size).catch(() => {})
      throw error
    }
    this.#size += bytes.length
  }

  async close(): Promise<void> {
    await this.#handle?.close()
  }

  async #putAside(): Promise<void> {
    const { path, keep } = this.#rules
    const name = (n: number): string => (n === 0 ? path : `${path}.${n}`)
    for (let n = keep; n > 0; n--) {
      await rename(name(n - 1), name(n)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error
      })
    }
    await this.#openAgain()
  }

  async #openAgain(): Promise<void> {
    const before = this.#handle
    this.#handle = undefined
    await before?.close()
    await this.open()
  }

  #periodOf(at: number): number {
    return Math.floor(at / PERIODS[this.#rules.rotateInterval])
  }
}

async function endsLine(handle: FileHandle, size: number): Promise<boolean> {
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1)
  return buffer[0] === 0x0a
}

/** @param out standard output; its end is nobody's business here */
export function streamSink(out: NodeJS.WritableStream): Sink {
  return {
    write: (text) =>
      new Promise((resolve, reject) => {
        out.write(text, (error) => (error == null ? resolve() : reject(error)))
      }),
    close: async () => {},
  }
}

async function within<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE_MS} ms`)), PATIENCE_MS)
    timer.unref()
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
