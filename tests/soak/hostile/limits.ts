/**
 * Limits under which a hostile crowd is sent: those that cut it are short, so that a soak of minutes
 * sees each of them at work many times. Rule: what normal clients need is never near one of them.
 */
export const HOSTILE_LIMITS = {
  loginTimeout: '5s',
  idleClientTimeout: '20s',
  idleInTransactionTimeout: '2s',
  sendTimeout: '2s',
  messageTimeout: '2s',
} as const
