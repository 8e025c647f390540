/**
 * What may be said of a client's message by its type alone: how long it may be, and whether it belongs
 * to a copy. The same bounds as the server's own, so a wrong length is refused alike.
 */
import { FRONTEND, HEADER } from '../../wire/postgres/codes.ts'

/** PQ_SMALL_MESSAGE_LIMIT and PQ_LARGE_MESSAGE_LIMIT of src/include/libpq/libpq.h. */
const SMALL_MESSAGE = 10_000
const LARGE_MESSAGE = 0x3fff_ffff

/** Messages a server takes while it reads COPY data. */
export function isCopyMessage(type: number): boolean {
  return (
    type === FRONTEND.COPY_DATA ||
    type === FRONTEND.COPY_DONE ||
    type === FRONTEND.COPY_FAIL ||
    type === FRONTEND.SYNC ||
    type === FRONTEND.FLUSH
  )
}

/** The longest length word a message of this type may have; 0 for a type no client sends. */
export function limitOf(type: number): number {
  switch (type) {
    case FRONTEND.QUERY:
    case FRONTEND.PARSE:
    case FRONTEND.BIND:
    case FRONTEND.FUNCTION_CALL:
    case FRONTEND.COPY_DATA:
      return LARGE_MESSAGE
    case FRONTEND.CLOSE:
    case FRONTEND.DESCRIBE:
    case FRONTEND.EXECUTE:
    case FRONTEND.FLUSH:
    case FRONTEND.SYNC:
    case FRONTEND.TERMINATE:
    case FRONTEND.COPY_DONE:
    case FRONTEND.COPY_FAIL:
      return SMALL_MESSAGE
    default:
      return 0
  }
}

/** A Describe or Close of the unnamed portal: `P` and an empty name. Most there are. */
export function isUnnamedPortal(buffer: Buffer, start: number, total: number): boolean {
  return total === HEADER + 2 && buffer[start + HEADER] === 0x50 && buffer[start + HEADER + 1] === 0
}
