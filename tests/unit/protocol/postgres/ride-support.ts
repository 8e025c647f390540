/** Conversations for tests of rides: a client at rest, and a server connection that is clean. */
import type { Protocol } from '../../../../src/protocol/contract.ts'
import type { PostgresClientConversation } from '../../../../src/protocol/postgres/client-conversation.ts'
import { postgres } from '../../../../src/protocol/postgres/postgres.ts'
import { PostgresServerConversation } from '../../../../src/protocol/postgres/server-conversation.ts'
import { settingsKeyOf } from '../../../../src/protocol/postgres/settings.ts'
import { parseComplete, readyForQuery } from '../../../../src/wire/postgres/backend.ts'
import { parse, sync } from '../../../../src/wire/postgres/frontend.ts'

export function paperProtocol(): Protocol {
  return postgres({
    secrets: { find: () => undefined, proofOf: () => undefined } as never,
    scramKeys: {} as never,
    methods: [],
    tls: 'off',
    startupLimit: 10_000,
    inspectBytes: 1_048_576,
    preparedPerServer: 100,
    initQuery: '',
  })
}

export function bareConversation(protocol = paperProtocol()): PostgresClientConversation {
  const settings = new Map<string, string>()
  const who = {
    user: 'weir',
    database: 'app',
    endpoint: undefined,
    replication: undefined,
    settings,
    settingsKey: settingsKeyOf(settings),
    rest: Buffer.alloc(0),
    protocolMinor: 0,
  }
  return protocol.converse(
    who as never,
    {
      pinning: 'follow',
      verify: false,
      retryReads: true,
    } as never,
  ) as PostgresClientConversation
}

export function bareServer(preparedLimit = 100): PostgresServerConversation {
  return new PostgresServerConversation({
    parameters: new Map(),
    cancelKey: { pid: 1, secret: Buffer.alloc(4) },
    preparedLimit,
    initQuery: '',
  })
}

/** `conversation` has prepared `text` as `name`, on a server connection of its own. */
export function preparedBy(
  conversation: PostgresClientConversation,
  name: string,
  text: string,
): void {
  const server = bareServer()
  conversation.push(Buffer.concat([parse(name, Buffer.from(text), Buffer.alloc(2)), sync()]))
  let step = conversation.next()
  // Another client has prepared it: it needs no server connection.
  while (step === 'answer') step = conversation.next()
  if (step === 'starved') return
  if (step !== 'need-server') throw new Error(`expected need-server, not ${step}`)
  conversation.attach(server)
  for (step = conversation.next(); step === 'forward'; step = conversation.next());
  server.push(Buffer.concat([parseComplete(), readyForQuery('I')]))
  for (let reply = server.next(); reply !== 'starved'; reply = server.next());
  conversation.settle()
  conversation.detach()
}
