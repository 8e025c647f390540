/**
 * Comparing proofs without telling by time where they differ. Rule: whatever depends on a secret is
 * compared here and nowhere else.
 */
import { timingSafeEqual } from 'node:crypto'

/** True when both hold the same bytes. Only a difference in length shows in the time taken. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
