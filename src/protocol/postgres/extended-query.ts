/**
 * Extended queries: Parse, Bind, Describe, Close, Execute and Sync of a client, with the names of its
 * statements changed to those the server connection knows. Rule: what a statement does to the
 * session counts when it is bound, not when it is parsed; what belongs behind it goes inside the
 * batch.
 */
import { FRONTEND } from '../../wire/postgres/codes.ts'
import { describe, parse } from '../../wire/postgres/frontend.ts'
import { readParse, readTarget } from '../../wire/postgres/read.ts'
import { mayCopy } from './asking.ts'
import { readBindHead, readParseName, renamedBindHead } from './bind-head.ts'
import type { Desk, Verdict } from './desk.ts'
import { FLOW, flowOfStatement } from './flow.ts'
import { isUnnamedPortal } from './frontend-rules.ts'
import { OWED } from './ledger.ts'
import { refusalOf, refusedSql } from './pin-refusal.ts'
import { PortalFlows } from './portal-flows.ts'
import { changedShape } from './result-shape.ts'
import type { PostgresServerConversation } from './server-conversation.ts'
import { channelWanted } from './simple-query.ts'
import { LISTEN, PREPARE, RESET } from './sql/effects.ts'
import type { Statement } from './statements.ts'

export class ExtendedQueries {
  #desk: Desk
  /** What was bound last in the batch at hand, when more than a plain statement. */
  #bound: Statement | undefined
  #executes = 0
  /** That statement is in doubt, and a question may ride behind its batch. */
  #rides = false
  /** A statement of the batch begins or ends a transaction. */
  #transacts = false
  /** The batch has bound something: it cannot go on on another server connection. */
  binds = false
  readonly portals = new PortalFlows()

  constructor(desk: Desk) {
    this.#desk = desk
  }

  parse(server: PostgresServerConversation, total: number): Verdict {
    const desk = this.#desk
    const { in: cursor, statements } = desk
    this.#open(server)
    if (total > desk.inspectBytes) {
      // Too long to keep for another server connection: it lives and dies on this one.
      const name = readParseName(cursor.buffer, cursor.pos, cursor.end)
      if (name === undefined) return 'wait'
      if (desk.following.strict) {
        this.#failInstead(server, refusalOf('large-statement'))
        desk.drop = true
        desk.left = total
        return undefined
      }
      desk.following.keepsLarge(server, true)
      statements.parseLarge(server, name)
      desk.left = total
      return undefined
    }
    if (cursor.available < total) return 'wait'
    const { name, text, types } = readParse(cursor.body(total))
    if (name === '' && statements.parseUnnamed(server, text, types, desk.emit)) {
      desk.left = total
      return undefined
    }
    if (name !== '') statements.parseNamed(server, name, text, types, desk.emit)
    desk.leaveOut(total)
    return undefined
  }

  bind(server: PostgresServerConversation, total: number): Verdict {
    const desk = this.#desk
    const { in: cursor, statements } = desk
    const start = cursor.pos
    const head = readBindHead(cursor.buffer, start, total, cursor.end)
    if (head === 'wait') return 'wait'
    const { portalEnd, nameStart, nameEnd } = head
    const name = statements.nameIn(cursor.buffer, nameStart, nameEnd)
    if (name !== '') {
      const verdict = this.#shape(server, name, total)
      if (verdict === 'refused') return undefined
      if (verdict !== 'fine') return verdict
    }
    const statement = statements.find(name)
    this.#bound = undefined
    if (statement?.classification.bits === 0 && name !== '') this.#mayTryTwice(server)
    if (statement !== undefined) {
      const verdict = this.#look(server, statement, total)
      if (verdict === 'refused') return undefined
      if (verdict !== undefined) return verdict
      if (statement.classification.bits & PREPARE) this.#lookInside(server, name)
    }
    this.#open(server)
    this.binds = true
    this.portals.bound(cursor.buffer, start, portalEnd, flowOfStatement(statement))
    const serverName = statements.bring(server, OWED.BIND, name, desk.emit)
    if (serverName === name) {
      desk.left = total
      return undefined
    }
    desk.emit(renamedBindHead(cursor.buffer, start, total - 1, portalEnd, nameEnd, serverName))
    cursor.pos = nameEnd + 1
    cursor.dropRun()
    desk.left = total - (nameEnd + 1 - start)
    return undefined
  }

  /** What the statement about to be bound does to the session. */
  #look(
    server: PostgresServerConversation,
    statement: Statement,
    total: number,
  ): 'wait' | 'subscribe' | 'refused' | undefined {
    const desk = this.#desk
    const { following } = desk
    const { classification, text } = statement
    if (classification.transaction !== 'none') this.#transacts = true
    if (statement.opaque !== undefined) following.unread(server)
    if (classification.bits === 0 && !following.alert) return undefined
    if (classification.bits & LISTEN && following.follows) {
      const channel = channelWanted(text, desk.subscribed)
      if (channel !== undefined) {
        if (desk.in.available < total) return 'wait'
        desk.subscription = channel
        if (desk.refusal === undefined) return 'subscribe'
        const refusal = desk.refusal
        desk.refusal = undefined
        this.#refuse(server, total, refusal)
        return 'refused'
      }
    }
    // The statement may have to be refused, and then its Bind is left out.
    if (following.refuses(classification.bits, text) && desk.in.available < total) return 'wait'
    const reason = following.sees(server, classification, text, desk.emit)
    if (reason !== undefined) {
      this.#refuse(server, total, refusalOf(reason))
      return 'refused'
    }
    this.#bound = statement
    this.#rides = following.mayAsk && !mayCopy(text)
    return undefined
  }

  /**
   * A client that does not ask for a description reads the rows by the one it had. Where the server
   * has another, or none yet, that has to be known before anything runs.
   */
  #shape(
    server: PostgresServerConversation,
    name: string,
    total: number,
  ): Verdict | 'fine' | 'refused' {
    const desk = this.#desk
    const { in: cursor, statements } = desk
    const describesNext =
      cursor.available > total && cursor.buffer[cursor.pos + total] === FRONTEND.DESCRIBE
    if (describesNext || server.status === 'failed' || server.ledger.skipping) return 'fine'
    if (desk.looking) return 'wait'
    const shape = statements.shapes.at(server, name)
    if (shape === 'holds') return 'fine'
    if (shape === 'changed') {
      if (cursor.available < total) return 'wait'
      this.#refuse(server, total, changedShape())
      return 'refused'
    }
    this.#open(server)
    desk.looking = true
    statements.shapes.look(server, name, desk.emit, () => {
      desk.looking = false
      server.hear()
    })
    return undefined
  }

  /** A Bind that nothing came before may be told that its statement is not what it was. */
  #mayTryTwice(server: PostgresServerConversation): void {
    const { in: cursor, toServer } = this.#desk
    if (server.status !== 'idle' || server.ledger.batchOpen || !server.ledger.certain) return
    if (cursor.hasRun || !toServer.empty) return
    server.secondTry.begins()
  }

  /** What the statement does that an EXECUTE of this name runs. */
  #lookInside(server: PostgresServerConversation, name: string): void {
    const { following, statements, emit } = this.#desk
    for (const { classification, text } of statements.runs(name)) {
      following.sees(server, classification, text, emit)
    }
  }

  /** Something that fails in the Bind's place; the server ignores the rest of the batch by itself. */
  #refuse(server: PostgresServerConversation, total: number, refusal: Buffer): void {
    this.#failInstead(server, refusal)
    this.#desk.leaveOut(total)
  }

  #failInstead(server: PostgresServerConversation, refusal: Buffer): void {
    server.ledger.openBatch()
    server.ledger.push(OWED.PARSE_UNNAMED, {
      refusal,
      restore: () => {
        server.prepared.unnamed = 'unknown'
      },
    })
    this.#desk.emit(parse('', refusedSql(), []))
  }

  execute(server: PostgresServerConversation, total: number): Verdict {
    const desk = this.#desk
    const bound = this.#bound
    const restoring =
      bound !== undefined && bound.classification.bits & RESET
        ? desk.following.settings.restoring(bound.text)
        : ''
    if (restoring !== '' && desk.in.available < total) return 'wait'
    const flow = this.portals.executed(desk.in.buffer, desk.in.pos, desk.in.end)
    if (flow === 'wait') return 'wait'
    this.#open(server)
    this.binds = true
    server.ledger.push(OWED.EXECUTE, desk.statements.executed(server), flow)
    desk.requests++
    this.#executes++
    if (restoring === '') desk.left = total
    else desk.passWith(total, server.aside(restoring))
    return undefined
  }

  sync(server: PostgresServerConversation, total: number): Verdict {
    const desk = this.#desk
    const { ledger } = server
    if (ledger.copyIn) {
      desk.left = total
      return undefined
    }
    const { following } = desk
    const rides =
      this.#rides &&
      following.mayAsk &&
      this.#executes === 1 &&
      !this.#transacts &&
      server.status === 'idle' &&
      ledger.readyOwed === 0 &&
      !ledger.skipping
    if (rides && desk.in.available < total) return 'wait'
    ledger.push(OWED.SYNC)
    const { batch } = ledger
    server.kept.ends(desk.in, desk.in.pos + total, batch)
    server.secondTry.ends(server.kept.has(batch))
    ledger.closeBatch()
    this.reset()
    if (rides) desk.passWith(total, following.ask(server))
    else desk.left = total
    return undefined
  }

  /** A batch is over. */
  reset(): void {
    this.#bound = undefined
    this.#executes = 0
    this.#rides = false
    this.#transacts = false
    this.binds = false
  }

  #open(server: PostgresServerConversation): void {
    const { ledger } = server
    if (ledger.batchOpen) return
    ledger.openBatch()
    if (server.status === 'idle' && (ledger.empty || ledger.certain)) {
      server.kept.begins(this.#desk.in, ledger.batch, this.#desk.requests)
    }
  }

  /** Describe or Close. */
  target(server: PostgresServerConversation, type: number, total: number): Verdict {
    const desk = this.#desk
    const { in: cursor } = desk
    if (cursor.available < total) return 'wait'
    if (!isUnnamedPortal(cursor.buffer, cursor.pos, total)) {
      const { kind, name } = readTarget(cursor.body(total))
      if (kind === 'S') return this.#statement(server, type, total, name)
    }
    this.#open(server)
    if (type === FRONTEND.CLOSE) server.ledger.push(OWED.CLOSE)
    else server.ledger.push(OWED.DESCRIBE, desk.statements.shapes.noting(server))
    desk.left = total
    return undefined
  }

  #statement(
    server: PostgresServerConversation,
    type: number,
    total: number,
    name: string,
  ): undefined {
    const desk = this.#desk
    this.#open(server)
    if (type === FRONTEND.CLOSE) {
      if (desk.statements.close(server, name) === 'answered') desk.leaveOut(total)
      else desk.left = total
      return
    }
    const serverName = desk.statements.bring(server, OWED.DESCRIBE, name, desk.emit)
    server.ledger.mark(FLOW.DESCRIBES)
    if (serverName === name) {
      desk.left = total
      return
    }
    desk.emit(describe('S', serverName))
    desk.leaveOut(total)
  }
}
