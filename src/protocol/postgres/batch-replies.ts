/**
 * Replies to the messages of a batch that carry nothing but the fact: ParseComplete, BindComplete,
 * CloseComplete. Rule: each settles what the books said of its message; those of ours are swallowed.
 */
import type { ServerStep } from '../contract.ts'
import { OWED } from './ledger.ts'
import { broken, type Replied } from './replied.ts'
import type { ReplyStream } from './reply-stream.ts'

export function parseCompleted(
  server: Replied,
  stream: ReplyStream,
  total: number,
): ServerStep | undefined {
  const { ledger } = server
  const { head } = ledger
  if (head === OWED.ASK) return stream.pass(total, true)
  if (head < OWED.PARSE || head > OWED.PARSE_UNNAMED_INJECTED) {
    return broken(server, 'an unexpected ParseComplete')
  }
  const injected = head === OWED.PARSE_INJECTED || head === OWED.PARSE_UNNAMED_INJECTED
  const step = stream.pass(total, injected)
  if (step !== undefined) return step
  const undo = ledger.headUndo
  if (undo?.statement !== undefined && undo.batch !== undefined) {
    server.prepared.confirm(undo.statement, undo.batch)
  }
  undo?.accept?.()
  ledger.shift()
  return undefined
}

export function bindCompleted(
  server: Replied,
  stream: ReplyStream,
  total: number,
): ServerStep | undefined {
  const { ledger } = server
  const injected = ledger.head === OWED.BIND_INJECTED
  if (!injected && ledger.head !== OWED.BIND) return broken(server, 'an unexpected BindComplete')
  const step = stream.pass(total, injected)
  if (step === undefined) {
    ledger.shift()
    if (!injected) server.secondTry.armed = false
  }
  return step
}

export function closeCompleted(
  server: Replied,
  stream: ReplyStream,
  total: number,
): ServerStep | undefined {
  const { ledger } = server
  const { head } = ledger
  if (head === OWED.ASK) return stream.pass(total, true)
  if (head !== OWED.CLOSE && head !== OWED.CLOSE_INJECTED) {
    return broken(server, 'an unexpected CloseComplete')
  }
  const injected = head === OWED.CLOSE_INJECTED
  const step = stream.pass(total, injected)
  if (step !== undefined) return step
  const evicted = injected ? ledger.headUndo?.statement : undefined
  if (evicted !== undefined) server.prepared.closed(evicted)
  ledger.headUndo?.accept?.()
  ledger.shift()
  return undefined
}
