/**
 * What the results of a statement look like: names and types of its columns. A client that was told
 * once reads all later rows by it, so rows of another shape must never reach it: PostgreSQL itself
 * would refuse to run the statement (0A000), and so does Weir where it prepares it anew.
 */
import { errorResponse } from '../../wire/postgres/backend.ts'
import { ProtocolError } from '../../wire/postgres/protocol-error.ts'
import { endOfCString } from '../../wire/postgres/read.ts'

/** The body of a RowDescription as a key: equal for equal shapes. Undefined (NoData) gives `''`. */
export function shapeOf(body: Buffer | undefined): string {
  if (body === undefined) return ''
  const columns: string[] = []
  let at = 2
  for (let n = body.readUInt16BE(0); n > 0; n--) {
    const nul = endOfCString(body, at, body.length)
    if (nul + 19 > body.length) throw new ProtocolError('insufficient data left in message')
    const name = body.toString('latin1', at, nul)
    // Behind the name: table, column, type, length, modifier, format.
    columns.push(`${name}\0${body.readUInt32BE(nul + 7)},${body.readInt32BE(nul + 13)}`)
    at = nul + 19
  }
  return columns.join('\0')
}

/** As PostgreSQL says it (plancache.c). */
export function changedShape(): Buffer {
  return errorResponse({
    severity: 'ERROR',
    code: '0A000',
    message: 'cached plan must not change result type',
    routine: 'RevalidateCachedQuery',
  })
}
