/**
 * Tells when files have changed: certificates, secrets. Their directories are watched, for files are
 * replaced by renaming and mounted ones by turning a link; and they are looked at every few seconds,
 * for not every file system tells. Rule: it only says which file looks different; whoever reads it
 * finds it torn may ask to be told again.
 */
import { type FSWatcher, watch } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Clock, Timer } from './clock.ts'

export interface FileWatchOptions {
  readonly files: readonly string[]
  readonly clock: Clock
  /** Called with those that differ from what they were at the last look; at least one. */
  readonly changed: (files: readonly string[]) => void
  /** How often they are looked at without a sign (ms). Default 5000. */
  readonly lookMs?: number
}

export interface FileWatch {
  /** Looks now; resolves when `changed` has been called, if it was to be. */
  look(): Promise<void>
  /** Takes the file for changed at the next look: what was read was no good. */
  forget(file: string): void
  stop(): void
}

/** A file is written in several steps; the look is at the last of them. */
const SETTLE_MS = 50

/** Begins with a look at how the files are now, which tells nothing. */
export async function watchFiles(options: FileWatchOptions): Promise<FileWatch> {
  const { clock, changed, lookMs = 5_000 } = options
  const files = [...new Set(options.files)]
  const seen = new Map<string, string>()
  const watchers: FSWatcher[] = []
  let periodic: Timer | undefined
  let soon: Timer | undefined
  let looking: Promise<void> | undefined
  let next: Promise<void> | undefined
  let stopped = false

  const lookOnce = async (): Promise<void> => {
    const faces = await Promise.all(files.map(faceOf))
    if (stopped) return
    const different = files.filter((file, i) => seen.get(file) !== faces[i])
    files.forEach((file, i) => {
      seen.set(file, faces[i]!)
    })
    if (different.length > 0) changed(different)
  }
  const look = (): Promise<void> => {
    if (looking === undefined) {
      looking = lookOnce().finally(() => {
        looking = undefined
      })
      return looking
    }
    // The one that runs may have passed by the file already.
    next ??= looking.then(() => {
      next = undefined
      return look()
    })
    return next
  }
  const sign = (): void => {
    soon ??= clock.after(SETTLE_MS, () => {
      soon = undefined
      void look()
    })
  }
  const again = (): void => {
    periodic = clock.after(lookMs, () => {
      void look()
      if (!stopped) again()
    })
  }

  for (const file of files) seen.set(file, await faceOf(file))
  for (const directory of new Set(files.map((file) => dirname(file)))) {
    try {
      const watcher = watch(directory, { persistent: false }, sign)
      // A directory that went away: the periodic look goes on.
      watcher.on('error', () => watcher.close())
      watchers.push(watcher)
    } catch {
      // Watches are a bounded good of the kernel, and the directory may not be there.
    }
  }
  again()
  return {
    look,
    forget: (file) => {
      seen.delete(file)
    },
    stop: () => {
      stopped = true
      periodic?.cancel()
      soon?.cancel()
      for (const watcher of watchers) watcher.close()
    },
  }
}

/** What changes whenever the file does; links are followed. */
async function faceOf(file: string): Promise<string> {
  try {
    const { mtimeNs, ctimeNs, size, ino } = await stat(file, { bigint: true })
    return `${mtimeNs} ${ctimeNs} ${size} ${ino}`
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  }
}
