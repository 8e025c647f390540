/** Missing bounds: what one client, or one attacker, can take from all others. */
import type { Examined, Found, Rule } from './security-rule.ts'

type Limits = Examined['settings']['limits']
type Told = Omit<Found, 'path' | 'level'>

/** A limit that is off, or too wide. */
function bound(
  name: string,
  key: string,
  wide: (limits: Limits) => boolean,
  told: Told,
  reachable: Found['level'] = 'low',
): Rule {
  return {
    name,
    find: ({ settings: { limits }, reachable: far }) =>
      wide(limits) ? [{ ...told, path: ['limits', key], level: far ? reachable : 'low' }] : [],
  }
}

export const LIMIT_RULES: readonly Rule[] = [
  bound(
    'auth-failures',
    'authFailures',
    ({ authFailures }) => authFailures === 'off',
    {
      is: 'is off',
      why: 'Passwords may be tried as fast as the machine can say no.',
      set: 'limits.authFailures: 20.',
    },
    'medium',
  ),
  bound('connect-rate', 'connectRate', ({ connectRate }) => connectRate === 'off', {
    is: 'is off',
    why: 'One address can begin logins and TLS handshakes without end, which keeps a processor busy and others waiting.',
    set: 'limits.connectRate: a few times what one of your clients does after a restart, such as 100/s.',
  }),
  bound(
    'clients-per-source',
    'maxClientsPerSource',
    ({ maxClientsPerSource }) => maxClientsPerSource === 'unlimited',
    {
      is: 'is unlimited',
      why: 'One machine can take all places of limits.maxClientConnections.',
      set: 'limits.maxClientsPerSource: the largest pool of one machine, and some more.',
    },
  ),
  bound(
    'clients-per-user',
    'maxClientsPerUser',
    ({ maxClientsPerUser }) => maxClientsPerUser === 'unlimited',
    {
      is: 'is unlimited',
      why: 'One application, or whoever has its password, can take all places of limits.maxClientConnections.',
      set: 'limits.maxClientsPerUser, or auth.users[].maxClients for single users.',
    },
  ),
  bound('login-timeout', 'loginTimeout', ({ loginTimeoutMs }) => loginTimeoutMs > 60_000, {
    is: 'is more than a minute',
    why: 'So long each stranger who says nothing holds a place among those who log in.',
    set: 'limits.loginTimeout: 15s.',
  }),
  bound(
    'idle-clients',
    'idleClientTimeout',
    ({ idleClientTimeout }) => idleClientTimeout === 'unlimited',
    {
      is: 'is unlimited',
      why: 'Sessions that somebody has left behind stay open for good, and with them whatever they were allowed.',
      set: 'limits.idleClientTimeout: 30m, as RDS Proxy has it.',
    },
  ),
  bound(
    'idle-transactions',
    'idleInTransactionTimeout',
    ({ idleInTransactionTimeout }) => idleInTransactionTimeout === 'unlimited',
    {
      is: 'is unlimited',
      why: 'A client that begins a transaction and then does nothing keeps a server connection and its locks from all others.',
      set: 'limits.idleInTransactionTimeout: 5m, or less.',
    },
  ),
  bound(
    'long-statements',
    'statementTimeout',
    ({ statementTimeout }) => statementTimeout === 'unlimited',
    {
      is: 'is unlimited',
      why: 'A few statements that never end keep all server connections of a pool.',
      set: 'limits.statementTimeout: more than the longest you expect, such as 1h.',
    },
  ),
  bound(
    'never-reading',
    'sendTimeout',
    ({ sendTimeout }) => sendTimeout === 'unlimited',
    {
      is: 'is unlimited',
      why: 'A client that never reads its answer keeps a server connection for good.',
      set: 'limits.sendTimeout: 5m.',
    },
    'medium',
  ),
  bound(
    'slow-messages',
    'messageTimeout',
    ({ messageTimeout }) => messageTimeout === 'unlimited',
    {
      is: 'is unlimited',
      why: 'A client that sends a message one byte at a time keeps a server connection for good.',
      set: 'limits.messageTimeout: 5m.',
    },
    'medium',
  ),
]
