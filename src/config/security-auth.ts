/** Weaknesses of logins: methods, passwords that are easily guessed, tokens. */
import { isLoopback } from './check.ts'
import type { Examined, Found, Rule } from './security-rule.ts'

/** Shorter ones are found by trying, once a verifier has leaked. */
const SHORTEST = 12
const KNOWN = new Set([
  'password',
  'passw0rd',
  'secret',
  'postgres',
  'change-me',
  'changeme',
  'admin',
])

export const AUTH_RULES: readonly Rule[] = [
  { name: 'trust', find: trust },
  { name: 'md5', find: md5 },
  { name: 'guessable-password', find: guessable },
  { name: 'password-in-clear', find: inClear },
  { name: 'key-for-everybody', find: keysForEverybody },
  { name: 'token-hosts', find: tokenHosts },
  { name: 'certificate-for-everybody', find: certificatesForEverybody },
  { name: 'secrets-in-clear', find: secretsInClear },
  { name: 'superuser', find: superuser },
  { name: 'long-rotation', find: longRotation },
]

function trust({ settings: { auth } }: Examined): Found[] {
  if (!auth.trust) return []
  return [
    {
      level: 'high',
      path: ['auth', 'trust'],
      is: 'is true',
      why: 'Every program and every user of this machine logs in as anybody, without a password.',
      set: 'auth.trust: false.',
    },
  ]
}

function md5({ settings: { auth } }: Examined): Found[] {
  const found = (path: (string | number)[]): Found => ({
    level: 'medium',
    path,
    is: 'has md5',
    why: 'What is stored for md5 is as good as the password itself, and what travels can be tried against lists of passwords billions of times a second.',
    set: '[scram-sha-256]. Users whose secret is a md5 hash need a new password.',
  })
  const general = auth.methods.includes('md5') ? [found(['auth', 'methods'])] : []
  const own = auth.users.flatMap(({ methods = [] }, i) =>
    methods.includes('md5') ? [found(['auth', 'users', i, 'methods'])] : [],
  )
  return [...general, ...own]
}

function guessable({ settings: { auth } }: Examined): Found[] {
  return auth.secrets.flatMap((source, i): Found[] => {
    if (source.kind !== 'inline') return []
    const { username, password } = source
    return passwordFaults(username, password).map((fault) => ({
      ...fault,
      path: ['auth', 'secrets', i],
    }))
  })
}

/** What is weak about a password, without its place. */
export function passwordFaults(username: string, password: string): Omit<Found, 'path'>[] {
  const hashed = /^SCRAM-SHA-256\$|^md5[0-9a-f]{32}$/.test(password)
  if (hashed) return []
  const set = 'A long random password for each user: openssl rand -base64 24'
  if (password === username || KNOWN.has(password.toLowerCase())) {
    return [
      {
        level: 'high',
        is: `has a password for user ${username} that is among the first to be tried`,
        why: 'It is the name itself, or stands on every list of passwords.',
        set,
      },
    ]
  }
  if (password.length >= SHORTEST) return []
  return [
    {
      level: 'medium',
      is: `has a password of fewer than ${SHORTEST} characters for user ${username}`,
      why: 'Whoever gets hold of a verifier or listens to a md5 login can find it by trying.',
      set,
    },
  ]
}

function inClear({ settings: { auth } }: Examined): Found[] {
  const found = (path: (string | number)[]): Found => ({
    level: 'medium',
    path,
    is: 'is enabled',
    why: 'Clients are asked for token or password in clear inside TLS. One that does not verify the certificate gives its password to whoever pretends to be Weir; SCRAM never sends it.',
    set: 'required for users with tokens and disabled for all others, user by user in auth.users.',
  })
  const general = auth.iamAuth === 'enabled' ? [found(['auth', 'iamAuth'])] : []
  const own = auth.users.flatMap(({ iamAuth }, i) =>
    iamAuth === 'enabled' ? [found(['auth', 'users', i, 'iamAuth'])] : [],
  )
  return [...general, ...own]
}

function keysForEverybody({ settings: { auth } }: Examined): Found[] {
  return (auth.iam?.accessKeys ?? []).flatMap(({ users }, i): Found[] => {
    if (!users.some((user) => /^\*+$/.test(user))) return []
    return [
      {
        level: 'medium',
        path: ['auth', 'iam', 'accessKeys', i, 'users'],
        is: 'has *',
        why: 'Whoever has this one key logs in as any user, that of administration included.',
        set: 'The users this key is for, each key its own.',
      },
    ]
  })
}

function tokenHosts({ settings: { auth, listen }, reachable }: Examined): Found[] {
  const { iam } = auth
  if (iam === undefined || !reachable || iam.hosts.some((host) => !isOwnName(host))) return []
  return [
    {
      level: 'low',
      path: ['auth', 'iam'],
      is: `has no hosts, and listen.host is ${listen.host}`,
      why: 'A token is bound to the name it was made for. A name that every Weir has, such as localhost, makes the token of one good at another with the same key.',
      set: 'auth.iam.hosts: the names by which clients call this Weir.',
    },
  ]

  function isOwnName(host: string): boolean {
    return host === 'localhost' || host === '0.0.0.0' || host === '::' || host === 'writer'
  }
}

function certificatesForEverybody({ settings: { tls } }: Examined): Found[] {
  if (tls.clientCertificates === 'off') return []
  return tls.certificateUsers.flatMap(({ user }, i): Found[] => {
    if (user !== undefined) return []
    return [
      {
        level: 'medium',
        path: ['tls', 'certificateUsers', i],
        is: 'names no user',
        why: 'Such a certificate fits every user, that of administration included.',
        set: 'user: whom it is for, or "*" for the part of the name that * stands for.',
      },
    ]
  })
}

function secretsInClear({ settings: { auth } }: Examined): Found[] {
  return auth.secrets.flatMap((source, i): Found[] => {
    const endpoint = source.kind === 'manager' ? source.endpoint : undefined
    if (endpoint === undefined) return []
    const { protocol, hostname } = new URL(endpoint)
    if (protocol === 'https:' || isLoopback(hostname.replace(/^\[|\]$/g, ''))) return []
    return [
      {
        level: 'high',
        path: ['auth', 'secrets', i],
        is: 'is asked over http',
        why: 'Passwords travel from the secrets manager in clear.',
        set: 'An endpoint with https.',
      },
    ]
  })
}

function superuser({ settings: { auth, topology } }: Examined): Found[] {
  const why =
    'The usual superuser of Postgres: with its password one reads files of the server and runs programs there, also through a proxy.'
  const inSecrets = auth.secrets.flatMap((source, i): Found[] =>
    'username' in source && source.username === 'postgres'
      ? [
          {
            level: 'medium',
            path: ['auth', 'secrets', i],
            is: 'lets user postgres in',
            why,
            set: 'Users with the rights that applications need. Administer the nodes directly.',
          },
        ]
      : [],
  )
  const watched: Found[] =
    topology.user === 'postgres'
      ? [
          {
            level: 'medium',
            path: ['topology', 'user'],
            is: 'is postgres',
            why: 'Roles and lag can be read by any user; a superuser is not needed, and its secret lies here.',
            set: 'An ordinary user, with pg_monitor if more is to be shown.',
          },
        ]
      : []
  const asks: Found[] =
    auth.query?.user === 'postgres'
      ? [
          {
            level: 'medium',
            path: ['auth', 'query', 'user'],
            is: 'is postgres',
            why: 'To look passwords up, one function is enough that gives one row and belongs to a superuser.',
            set: 'A user that may run that function (SECURITY DEFINER) and nothing else.',
          },
        ]
      : []
  return [...inSecrets, ...watched, ...asks]
}

function longRotation({ settings: { auth } }: Examined): Found[] {
  if (auth.rotationWindowMs <= 24 * 3_600_000) return []
  return [
    {
      level: 'low',
      path: ['auth', 'rotationWindow'],
      is: 'is more than a day',
      why: 'A password that was replaced because it had leaked opens the door all that time.',
      set: 'As long as clients need to take over the new one, such as 10m.',
    },
  ]
}
