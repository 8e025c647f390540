/**
 * Counts what Weir sends besides what its clients send, from outside of it. Rule: it only looks; the
 * conversations do what they did.
 */
import { PostgresClientConversation } from '../../src/protocol/postgres/client-conversation.ts'
import { PostgresServerConversation } from '../../src/protocol/postgres/server-conversation.ts'

export interface Extra {
  /** Questions to the server, wherever they were sent. */
  questions: number
  /** Those sent at a boundary by themselves: nobody waits, but the connection is kept a round trip. */
  alone: number
  /** Borrowed connections that had to be brought to their client's settings, ahead of its statement. */
  brought: number
  /** Server connections reset. */
  resets: number
  /** Connections lent. */
  borrowed: number
}

/** Begins to count; `end` stops it. */
export function countExtra(): { readonly extra: Extra; end(): void } {
  const extra: Extra = { questions: 0, alone: 0, brought: 0, resets: 0, borrowed: 0 }
  const client = PostgresClientConversation.prototype
  const server = PostgresServerConversation.prototype
  const { attach, settle } = client
  const { silently, cleanUp } = server
  client.attach = function (...a) {
    const ahead = attach.apply(this, a)
    extra.borrowed++
    if (ahead.length > 0) extra.brought++
    return ahead
  }
  client.settle = function (...a) {
    const bytes = settle.apply(this, a)
    if (bytes.length > 0) extra.alone++
    return bytes
  }
  server.silently = function (...a) {
    extra.questions++
    return silently.apply(this, a)
  }
  server.cleanUp = function (...a) {
    const bytes = cleanUp.apply(this, a)
    if (bytes !== undefined && bytes.length > 0) extra.resets++
    return bytes
  }
  return {
    extra,
    end: () => {
      Object.assign(client, { attach, settle })
      Object.assign(server, { silently, cleanUp })
    },
  }
}
