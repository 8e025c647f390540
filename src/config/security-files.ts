/**
 * Weaknesses of the files that hold secrets, and of secrets that lie where they need not. Rule: the
 * modes of files are looked at; of what they hold, only whether a password is easily guessed.
 */
import { readFileSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { passwordFaults } from './security-auth.ts'
import type { Examined, Found, Rule } from './security-rule.ts'
import type { Path } from './walk.ts'

const GROUP_OR_OTHERS = 0o077
const OTHERS = 0o007

export const FILE_RULES: readonly Rule[] = [
  { name: 'secret-in-config', find: inConfig },
  { name: 'config-readable', find: configReadable },
  { name: 'file-readable', find: filesReadable },
  { name: 'guessable-password-in-file', find: guessableInFile },
]

/** Bits of `path` that others have, or undefined when it cannot be looked at. */
function modeOf(path: string, mask: number): number | undefined {
  try {
    return statSync(path).mode & mask
  } catch {
    return undefined
  }
}

/** Where secrets are written into the configuration itself. */
function inline({ settings: { auth } }: Examined): Path[] {
  const secrets = auth.secrets.flatMap(({ kind }, i): Path[] =>
    kind === 'inline' ? [['auth', 'secrets', i]] : [],
  )
  const keys = (auth.iam?.accessKeys ?? []).flatMap(({ secretAccessKey, sessionToken }, i) =>
    [secretAccessKey, sessionToken].some((held) => held?.kind === 'inline')
      ? [['auth', 'iam', 'accessKeys', i]]
      : [],
  )
  return [...secrets, ...keys]
}

function inConfig(examined: Examined): Found[] {
  return inline(examined).map((path) => ({
    level: 'medium',
    path,
    is: 'has its secret written in this file',
    why: 'Configurations are copied, shown and kept in version control; what was ever written there stays in its history.',
    set:
      path[1] === 'iam'
        ? 'secretAccessKey: { file: NAME } or { env: NAME }.'
        : 'A file of its own with mode 600 (auth.secrets: [secrets.json]), a variable, or a secrets manager.',
  }))
}

function configReadable(examined: Examined): Found[] {
  if (inline(examined).length === 0) return []
  if ((modeOf(examined.file, OTHERS) ?? 0) === 0) return []
  return [
    {
      level: 'high',
      path: [],
      is: 'This file can be read by every user of the machine, and holds secrets',
      why: 'Each of them can log in with these.',
      set: `chmod 600 ${basename(examined.file)}, and move the secrets out of it.`,
    },
  ]
}

function filesReadable({ settings: { auth, tls, admin, nodes } }: Examined): Found[] {
  const files: [Path, string | undefined][] = [
    ...auth.secrets.map((source, i): [Path, string | undefined] => [
      ['auth', 'secrets', i],
      source.kind === 'file' ? source.path : undefined,
    ]),
    ...(auth.iam?.accessKeys ?? []).flatMap(({ secretAccessKey, sessionToken }, i) =>
      [secretAccessKey, sessionToken].map((held): [Path, string | undefined] => [
        ['auth', 'iam', 'accessKeys', i],
        held?.kind === 'file' ? held.path : undefined,
      ]),
    ),
    [['tls', 'keyFile'], tls.keyFile],
    [['tls', 'nodesKeyFile'], tls.nodesKeyFile],
    ...tls.certificates.map(({ keyFile }, i): [Path, string] => [
      ['tls', 'certificates', i],
      keyFile,
    ]),
    ...nodes.map((node, i): [Path, string | undefined] => [['nodes', i, 'tls'], node.tls?.keyFile]),
    [['admin', 'tls', 'keyFile'], admin.tls?.keyFile],
    ...(admin.users ?? []).flatMap((user, i) =>
      [user.passwordFile, user.tokenFile].map((file): [Path, string | undefined] => [
        ['admin', 'users', i],
        file,
      ]),
    ),
  ]
  return files.flatMap(([path, file]): Found[] => {
    if (file === undefined || (modeOf(file, GROUP_OR_OTHERS) ?? 0) === 0) return []
    const everybody = modeOf(file, OTHERS) !== 0
    return [
      {
        level: everybody ? 'high' : 'low',
        path,
        is: `names ${basename(file)}, which ${everybody ? 'every user of the machine' : 'its group'} can read or write`,
        why: 'Whoever reads it can log in with what it holds, or pretend to be Weir.',
        set: `chmod 600 ${basename(file)}; it must belong to the user Weir runs as.`,
      },
    ]
  })
}

function guessableInFile({ settings: { auth } }: Examined): Found[] {
  return auth.secrets.flatMap((source, i): Found[] => {
    if (source.kind !== 'file') return []
    return pairsIn(source.path)
      .flatMap(({ username, password }) => passwordFaults(username, password))
      .map((fault) => ({ ...fault, path: ['auth', 'secrets', i] }))
  })
}

/** The pairs of a secrets file, which is known to have the right shape. */
function pairsIn(path: string): { username: string; password: string }[] {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return (Array.isArray(value) ? value : [value]) as { username: string; password: string }[]
  } catch {
    return []
  }
}
