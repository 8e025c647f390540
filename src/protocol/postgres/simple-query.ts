/**
 * Simple queries: read whole to see what they do to the session, sent on as they are or with what
 * belongs behind them. Rule: a plain statement costs one glance; only what may change the session is
 * read, and only that has anything sent along.
 */
import { commandComplete, errorResponse } from '../../wire/postgres/backend.ts'
import { HEADER } from '../../wire/postgres/codes.ts'
import type { ErrorFields } from '../../wire/postgres/error-fields.ts'
import { query } from '../../wire/postgres/frontend.ts'
import { mayCopy } from './asking.ts'
import type { Desk, Verdict } from './desk.ts'
import { FLOW, flowOf, plainFlow, UNREAD } from './flow.ts'
import { OWED, type Undo } from './ledger.ts'
import { refusalOf, refusedSql } from './pin-refusal.ts'
import type { PostgresServerConversation } from './server-conversation.ts'
import { setSql } from './settings.ts'
import { queryBytes } from './shelf.ts'
import { actionsOf } from './sql/actions.ts'
import { type Classification, classify } from './sql/classify.ts'
import { DISCARD, LISTEN, PREPARE, RESET } from './sql/effects.ts'
import { isPlain } from './sql/glance.ts'
import type { WovenText } from './woven-text.ts'

export class SimpleQueries {
  #desk: Desk

  constructor(desk: Desk) {
    this.#desk = desk
  }

  /** A Query of `total` bytes at the cursor. */
  query(server: PostgresServerConversation, total: number): Verdict {
    const desk = this.#desk
    const { in: cursor, following } = desk
    if (total > desk.inspectBytes) {
      following.unread(server)
      this.#book(server, total, UNREAD)
      return undefined
    }
    if (cursor.available < total) return 'wait'
    const start = cursor.pos + HEADER
    const end = cursor.pos + total - 1
    if (!following.alert && isPlain(cursor.buffer, start, end)) {
      this.#plain(server, total, start, end)
      return undefined
    }
    const text = cursor.buffer.subarray(start, end)
    const classification = classify(text)
    if (classification.bits === 0 && !following.alert) {
      this.#book(server, total, flowOf(classification, text))
      return undefined
    }
    return this.#special(server, text, classification, total)
  }

  /** Books a plain Query (see `glance.ts`); apart, so that the glance stays inlined in `query`. */
  #plain(server: PostgresServerConversation, total: number, start: number, end: number): void {
    const { buffer } = this.#desk.in
    const first = buffer[start]! | 0x20
    // s, u, d: SELECT, UPDATE, DELETE
    const data = first === 0x73 || first === 0x75 || first === 0x64
    this.#book(server, total, data ? FLOW.NONE : plainFlow(buffer, start, end))
  }

  /** Books a Query and lets it pass. */
  #book(server: PostgresServerConversation, total: number, flow: number): void {
    this.#owe(server, total, flow)
    this.#desk.left = total
  }

  #owe(server: PostgresServerConversation, total: number, flow: number, undo?: Undo): void {
    const desk = this.#desk
    const { ledger } = server
    if (server.status === 'idle' && (ledger.empty || ledger.certain)) {
      server.kept.one(desk.in, total, ledger.batch, desk.requests)
    }
    const unnamed = desk.statements.dropUnnamed(server)
    ledger.push(OWED.QUERY, undo === undefined ? unnamed : both(undo, unnamed), flow)
    desk.requests++
    ledger.closeBatch()
  }

  #special(
    server: PostgresServerConversation,
    text: Buffer,
    classification: Classification,
    total: number,
  ): Verdict {
    const desk = this.#desk
    const { following } = desk
    const { bits } = classification
    if (bits & LISTEN && following.follows) {
      const channel = channelWanted(text, desk.subscribed)
      if (channel !== undefined) {
        desk.subscription = channel
        if (desk.refusal === undefined) return 'subscribe'
        const refusal = desk.refusal
        desk.refusal = undefined
        this.#refuse(server, total, refusal)
        return undefined
      }
    }
    const { sql } = desk.statements
    const alone = server.status === 'idle' && server.ledger.certain
    const owns = following.holds
    let reason = following.sees(server, classification, text, desk.emit)
    for (const run of bits & PREPARE ? sql.runs(text) : []) {
      reason ??= following.sees(server, run.classification, run.text, desk.emit)
    }
    if (reason !== undefined) {
      this.#refuse(server, total, refusalOf(reason))
      return undefined
    }
    const discardsAll = (bits & DISCARD) !== 0 && isDiscardAll(text)
    if (discardsAll && alone && classification.statements === 1) {
      this.#discardAll(server, total, owns)
      return undefined
    }
    // Who keeps one server connection has its own names there, unless some are ours already.
    const names = bits & PREPARE && (following.follows || desk.statements.size > 0)
    const changed = names ? sql.query(server, text, desk.emit) : undefined
    const sent = changed?.text ?? text
    // In the same query, so that it is undone with it, and the client is told of both at once.
    const restored = bits & RESET && !discardsAll ? following.settings.restored(sent) : undefined
    const undo = restored === undefined ? changed?.undo : woven(restored, changed?.undo)
    this.#owe(server, total, flowOf(classification, text), undo)
    if (restored === undefined && changed === undefined) desk.in.pos += total
    else {
      desk.emit(queryBytes(restored?.bytes ?? sent))
      desk.leaveOut(total)
    }
    if (discardsAll && classification.statements === 1) {
      // It cannot be in one query with anything. Where it is refused, its transaction has failed,
      // and this does too.
      const again = following.settings.restoring(text)
      if (again !== '') desk.emit(server.silently(again, undefined, true))
    }
    const ends = classification.transaction === 'ends'
    const rides = ends || (alone && classification.transaction === 'none')
    if (rides && classification.statements === 1 && following.mayAsk && !mayCopy(text)) {
      desk.emit(following.ask(server))
    }
    return undefined
  }

  /** Something that fails in the client's place, so that a transaction fails as it would directly. */
  #refuse(server: PostgresServerConversation, total: number, refusal: Buffer): void {
    this.#owe(server, total, 0, { refusal })
    this.#desk.emit(query(refusedSql()))
    this.#desk.leaveOut(total)
  }

  /**
   * DISCARD ALL, told as such: the settings in one query that reports to the client what changed,
   * the rest behind it where this session has left anything (`owns`), and what the client asked for
   * at start again. Statements that others have prepared stay where nothing is left.
   */
  #discardAll(server: PostgresServerConversation, total: number, owns: boolean): void {
    const desk = this.#desk
    const { following } = desk
    const { settings, settingsKey } = following.settings.start
    const init = server.initQuery === '' ? '' : `${server.initQuery}\n;`
    const again = setSql(settings)
    this.#owe(server, total, 0, { instead: commandComplete('DISCARD ALL') })
    desk.emit(query(`SET SESSION AUTHORIZATION DEFAULT;RESET ALL;${init}${again}`))
    desk.leaveOut(total)
    desk.statements.clear()
    following.startAnew()
    if (owns) {
      desk.emit(server.quietly('DISCARD ALL'))
      server.forgetState()
      if (init !== '') desk.emit(server.initialise())
      if (again !== '') desk.emit(server.quietly(again))
    }
    server.settings = settings
    server.settingsKey = settingsKey
    if (following.mayAsk) desk.emit(following.ask(server))
  }
}

/** Of a text with statements of ours in it, and maybe names of ours too. */
function woven({ ours, told }: WovenText, undo: Undo | undefined): Undo {
  const retell = (fields: ErrorFields): Buffer | undefined => {
    const moved = told(fields)
    return undo?.retell?.(moved) ?? (moved === fields ? undefined : errorResponse(moved))
  }
  return { ...undo, ours, retell }
}

function both(undo: Undo, unnamed: Undo | undefined): Undo {
  if (unnamed === undefined) return undo
  const restore = (failed: boolean): void => {
    undo.restore?.(failed)
    unnamed.restore?.(failed)
  }
  return { ...undo, restore }
}

/** The first channel in `text` that is to be listened to and is not yet. */
export function channelWanted(text: Buffer, subscribed: ReadonlySet<string>): string | undefined {
  for (const action of actionsOf(text)) {
    if (action.kind === 'listen' && !subscribed.has(action.channel)) return action.channel
  }
  return undefined
}

export function isDiscardAll(text: Buffer): boolean {
  return actionsOf(text).some((action) => action.kind === 'discard' && action.what === 'all')
}
