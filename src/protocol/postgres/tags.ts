/**
 * What a CommandComplete tag means for prepared statements. Rule: called for every command, so two
 * bytes decide before a string is made; `COMMIT`, `COPY`, `SELECT` and their like cost nothing.
 */

/**
 * `deallocated`: all prepared statements are gone. `discarded`: and all other state of the session.
 * `reshaped`: results may have other columns. `rolled-back`: a transaction, or back to a savepoint.
 */
export type TagEffect = 'deallocated' | 'discarded' | 'reshaped' | 'rolled-back' | undefined

const A = 0x41
const C = 0x43
const D = 0x44
const E = 0x45
const L = 0x4c
const O = 0x4f
const R = 0x52

/** Of the tag in `buf[start, end)`, without its NUL. */
export function effectOfTag(buf: Buffer, start: number, end: number): TagEffect {
  const first = buf[start]
  const second = buf[start + 1]
  if (first === A) return second === L ? 'reshaped' : undefined // ALTER TABLE and so on
  if (first === C) {
    // Only views may be replaced by others of the same name.
    return second === R && text(buf, start, end).endsWith('VIEW') ? 'reshaped' : undefined
  }
  if (first === R) return second === O ? 'rolled-back' : undefined // ROLLBACK
  if (first !== D) return undefined
  if (second === R) return 'reshaped' // DROP TABLE and so on
  if (second === E && end - start < 14) return undefined // DELETE, DECLARE CURSOR
  const tag = text(buf, start, end)
  if (tag === 'DISCARD ALL') return 'discarded'
  return tag === 'DEALLOCATE ALL' ? 'deallocated' : undefined
}

function text(buf: Buffer, start: number, end: number): string {
  return buf.toString('latin1', start, end)
}
