/** Who besides its owner may read a file that holds secrets. Rule: words for a warning, no verdict. */
import { stat } from 'node:fs/promises'

/** In words; undefined when nobody may, or when the file is not there. */
export async function readersOf(path: string): Promise<string | undefined> {
  const mode = await stat(path).then(
    (found) => found.mode,
    () => 0,
  )
  return readersByMode(mode)
}

/** @param mode permission bits as `stat` tells them */
function readersByMode(mode: number): string | undefined {
  if ((mode & 0o004) !== 0) return 'everybody on this machine'
  if ((mode & 0o040) !== 0) return 'the group of its owner'
  return undefined
}
