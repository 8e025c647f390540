/**
 * `weir cert`: an authority and certificates to develop and test TLS with. Rule: keys are readable by
 * their owner alone, nothing that is there is written over unless asked, and what to do with the files
 * is said at the end.
 */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { Authority, Pair } from '../certificates/authority.ts'
import { messageOf, WeirError } from '../core/errors.ts'

interface Flags {
  readonly dir: string
  readonly names: string
  readonly clients?: string
  readonly days: string
  readonly force?: true
}

/** An authority for development may outlive what it issues. */
const AUTHORITY_DAYS = 3_650
/** As long as public authorities issue at most. */
const DAYS = '397'
const MOST_DAYS = 3_650

export function registerCert(program: Command): void {
  program
    .command('cert')
    .description('make an authority and certificates for development: a server, and clients')
    .option('--dir <directory>', 'where to put them', 'certs')
    .option('--names <list>', 'host names and addresses of the server', 'localhost,127.0.0.1,::1')
    .option('--clients <list>', 'users to make client certificates for')
    .option('--days <number>', 'how long they are good', DAYS)
    .option('--force', 'write over certificates that are there (never over the authority)')
    .addHelpText(
      'after',
      `
An authority that is in the directory already is used again.

Examples:
  weir cert                                     certs/ca.crt, server.crt and server.key
  weir cert --names localhost,db.internal --clients alice,bob
  weir cert --clients carol                     one more, from the same authority`,
    )
    .action((flags: Flags) => cert(flags))
}

async function cert(flags: Flags): Promise<void> {
  const { dir, force = false } = flags
  const names = list(flags.names)
  const clients = list(flags.clients ?? '')
  for (const client of clients) checkClient(client)
  const days = daysOf(flags.days)
  const { issue } = await import('../certificates/authority.ts')
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const there = new Set<string>()
  for (const name of ['server', ...clients.map(clientFile)]) {
    if ((await contents(join(dir, `${name}.key`))) !== undefined) there.add(name)
  }
  // Another client from the same authority needs no other server.
  const withServer = force || !there.has('server') || clients.length === 0
  const inTheWay = [...there].filter((name) => name !== 'server' || withServer)
  if (!force && inTheWay.length > 0) throw wouldOverwrite(dir, inTheWay)
  const authority = await authorityIn(dir)
  const written: string[] = []
  const put = async (name: string, pair: Pair): Promise<void> => {
    await write(dir, name, pair)
    written.push(`${name}.crt`, `${name}.key`)
  }
  if (withServer) {
    const commonName = names[0] ?? 'localhost'
    await put('server', await issue(authority, { purpose: 'server', commonName, names, days }))
  }
  for (const user of clients) {
    await put(
      clientFile(user),
      await issue(authority, { purpose: 'client', commonName: user, days }),
    )
  }
  process.stdout.write(explanation(dir, names, clients, written))
}

async function authorityIn(dir: string): Promise<Authority> {
  const { makeAuthority, readAuthority } = await import('../certificates/authority.ts')
  const [certificate, key] = await Promise.all(
    ['ca.crt', 'ca.key'].map((name) => contents(join(dir, name))),
  )
  if (certificate === undefined && key === undefined) {
    const authority = await makeAuthority('Weir development CA', AUTHORITY_DAYS)
    await write(dir, 'ca', authority)
    return authority
  }
  try {
    return await readAuthority(certificate ?? '', key ?? '')
  } catch (error) {
    throw new WeirError(
      'WEIR_CERTIFICATE',
      `cannot use the authority in ${dir} (ca.crt, ca.key): ${messageOf(error)}`,
      { hint: 'Choose another directory with --dir.', cause: error },
    )
  }
}

/** The key first: a certificate without one is of no use, a key alone does no harm. */
async function write(dir: string, name: string, { certificate, key }: Pair): Promise<void> {
  const keyFile = join(dir, `${name}.key`)
  await writeFile(keyFile, key, { mode: 0o600 })
  // One that was there keeps its mode otherwise.
  await chmod(keyFile, 0o600)
  await writeFile(join(dir, `${name}.crt`), certificate, { mode: 0o644 })
}

/** Undefined when there is no such file. */
async function contents(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function list(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

/** It becomes part of a file's name. */
function checkClient(user: string): void {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,62}$/.test(user)) return
  throw new WeirError('WEIR_CERTIFICATE', `"${user}" is no name for a client certificate`, {
    hint: 'Use letters, digits and _ . @ -',
  })
}

function clientFile(user: string): string {
  return `client-${user}`
}

function daysOf(text: string): number {
  const days = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : 0
  if (days >= 1 && days <= MOST_DAYS) return days
  throw new WeirError('WEIR_CERTIFICATE', `--days ${text}: want a number from 1 to ${MOST_DAYS}`)
}

function wouldOverwrite(dir: string, names: readonly string[]): WeirError {
  const files = names.map((name) => join(dir, `${name}.key`)).join(', ')
  return new WeirError('WEIR_CERTIFICATE', `there already: ${files}`, {
    hint: 'Write over them with --force, or choose another directory with --dir.',
  })
}

function explanation(
  dir: string,
  names: readonly string[],
  clients: readonly string[],
  written: readonly string[],
): string {
  const at = (name: string) => join(dir, name)
  const host = names[0] ?? 'localhost'
  const [client] = clients
  const asks =
    client === undefined
      ? ''
      : `  clientCaFile: ${at('ca.crt')}
  clientCertificates: optional   # or required: beside the password
auth:
  methods: [cert, scram-sha-256]
`
  const own =
    client === undefined
      ? ''
      : ` user=${client} sslcert=${at(`${clientFile(client)}.crt`)} sslkey=${at(`${clientFile(client)}.key`)}`
  return `Written to ${dir}: ${written.join(', ')} (authority: ca.crt).

In weir.yaml (file names are relative to that file):
tls:
  mode: required
  certFile: ${at('server.crt')}
  keyFile: ${at('server.key')}
${asks}
psql "host=${host} port=6432 sslmode=verify-full sslrootcert=${at('ca.crt')} channel_binding=prefer${own}"

For development and tests: whoever has ca.key can make certificates that your clients believe.
`
}
