/**
 * What goes ahead of a client's first statement on a server connection that has other settings. Rule:
 * what acts by being set has its own query behind the others, and all replies are swallowed.
 */
import type { FollowedSettings } from './followed-settings.ts'
import type { PostgresServerConversation } from './server-conversation.ts'
import { actingSql, bringSettings } from './settings.ts'

/** Bytes to send; none when nothing differs. */
export function settingsAhead(
  server: PostgresServerConversation,
  { current, key }: Pick<FollowedSettings, 'current' | 'key'>,
): Buffer[] {
  const sql = bringSettings(server, current, key)
  if (sql === '') return []
  const acting = actingSql(current)
  const ahead = server.quietly(sql)
  return acting === '' ? [ahead] : [ahead, server.quietly(acting)]
}
