/**
 * Whether a request may be sent again although it may have been carried out already: it only reads,
 * or begins a transaction that was lost before anything could come of it. Rule: every statement that
 * runs must be known and proven; a batch that runs none is harmless.
 */
import { FRONTEND, HEADER } from '../../wire/postgres/codes.ts'
import { readBindNames, readExecute, readParse } from '../../wire/postgres/read.ts'
import { endingOf } from './endings.ts'
import { type Classification, classify } from './sql/classify.ts'
import type { Statement } from './statements.ts'

/** What is run, by its text. */
type Run = Pick<Statement, 'text' | 'classification' | 'opaque'>

/** The statements that a client has prepared, by its names for them. */
export interface Prepared {
  find(name: string): Statement | undefined
}

/**
 * @param request whole messages: a Query, or a batch with its Sync
 * @param reads whether what reads may be sent again at all
 */
export function isHarmless(request: Buffer, prepared: Prepared, reads: boolean): boolean {
  const parsed = new Map<string, Run>()
  const portals = new Map<string, Run>()
  const bound = new Set<string>()
  for (let at = 0; at < request.length; ) {
    const total = request.readUInt32BE(at + 1) + 1
    const body = request.subarray(at + HEADER, at + total)
    const type = request[at]!
    at += total
    switch (type) {
      case FRONTEND.QUERY: {
        const text = body.subarray(0, body.length - 1)
        return isHarmlessRun({ text, classification: classify(text) }, reads)
      }
      case FRONTEND.PARSE: {
        const { name, text } = readParse(body)
        // What was bound by that name before is not what `prepared` knows by now.
        if (bound.has(name)) return false
        parsed.set(name, { text, classification: classify(text) })
        break
      }
      case FRONTEND.BIND: {
        const { portal, statement } = readBindNames(body)
        const run = parsed.get(statement) ?? prepared.find(statement)
        if (run === undefined) return false
        if (!parsed.has(statement)) bound.add(statement)
        portals.set(portal, run)
        break
      }
      case FRONTEND.EXECUTE: {
        const run = portals.get(readExecute(body).portal)
        if (run === undefined || !isHarmlessRun(run, reads)) return false
        break
      }
      case FRONTEND.FUNCTION_CALL:
        return false
    }
  }
  return true
}

function isHarmlessRun({ text, classification, opaque }: Run, reads: boolean): boolean {
  if (opaque) return false
  const { transaction } = classification
  if (transaction === 'none') return reads && classification.readOnly
  return isLone(classification) && (transaction === 'begins' || endsOnly(text))
}

function isLone({ statements, bits, transaction }: Classification): boolean {
  return statements === 1 && bits === 0 && transaction !== 'mixed'
}

function endsOnly(text: Buffer): boolean {
  const ending = endingOf(text)
  return typeof ending === 'object' && (ending.kind === 'commit' || ending.kind === 'rollback')
}
