/**
 * Where audit lines go: a file that is rotated, or standard output. Rule: a sink takes one text at a
 * time and says when it has been taken; after a failure it is thrown away and another is opened.
 */
import { constants } from 'node:fs'
import { access, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { createStream } from 'rotating-file-stream'

export interface Sink {
  /** Resolves when the system has taken it all; rejects when it has not, or only in part. */
  write(text: string): Promise<void>
  close(): Promise<void>
}

export interface FileRules {
  readonly path: string
  /** Bytes after which the file becomes `audit.log.1`. */
  readonly rotateSize: number
  readonly rotateInterval: 'never' | 'hourly' | 'daily' | 'weekly'
  /** Most files besides the one that is written. */
  readonly keep: number
}

const MODE = 0o640
const INTERVALS = { hourly: '1h', daily: '1d', weekly: '7d' } as const
/** A disk that answers nothing for so long has failed (ms). */
const PATIENCE_MS = 10_000

/** @throws the system's error when the file cannot be appended to */
export async function fileSink(rules: FileRules): Promise<Sink> {
  const { path, rotateSize, rotateInterval, keep } = rules
  // The stream would make directories, at places where nobody meant them.
  await access(dirname(path), constants.W_OK | constants.X_OK)
  const handle = await open(path, 'a', MODE)
  const before = await handle.stat().finally(() => handle.close())
  if (!before.isFile()) throw new Error(`${path} is no file`)
  const stream = createStream(path, {
    size: `${Math.max(1, Math.floor(rotateSize / 1_024))}K`,
    rotate: keep,
    mode: MODE,
    ...(rotateInterval === 'never' ? {} : { interval: INTERVALS[rotateInterval] }),
  })
  let failed: Error | undefined
  stream.on('error', (error) => {
    failed ??= error
  })
  return {
    write: async (text) => {
      if (failed !== undefined) throw failed
      if (!(await isThere(path))) throw new Error(`${path} was taken away`)
      await within(
        new Promise<void>((resolve, reject) => {
          stream.write(text, (error) => (error == null ? resolve() : reject(error)))
        }),
      )
    },
    close: () =>
      within(
        new Promise<void>((resolve) => {
          if (stream.destroyed) resolve()
          else stream.end(() => resolve())
        }),
      ).catch(() => {
        stream.destroy()
      }),
  }
}

/** It is away for a moment while it is rotated. */
async function isThere(path: string): Promise<boolean> {
  for (const waitMs of [10, 100, 0]) {
    if (
      await stat(path).then(
        () => true,
        () => false,
      )
    )
      return true
    await new Promise((resolve) => setTimeout(resolve, waitMs))
  }
  return false
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
