/** Why a client session ended; log, metric and console print these same words. */
export const CLOSE_REASONS = [
  'client-quit',
  'client-gone',
  'client-reset',
  'protocol-error',
  'server-lost',
  'idle-timeout',
  'idle-in-transaction',
  'statement-timeout',
  'message-timeout',
  'lifetime',
  'half-messages',
  'send-timeout',
  'send-overflow',
  'notifications-overflow',
  'login-failed',
  'draining',
  'internal-error',
] as const
export type CloseReason = (typeof CLOSE_REASONS)[number]
