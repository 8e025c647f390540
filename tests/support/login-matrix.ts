/**
 * The login matrix: which ways to log in there are on either side, what must come of each pair, and a
 * lab whose node asks every user in another way. Rule: what is expected is derived here from a few
 * sentences, never from what was seen.
 */
import { randomBytes } from 'node:crypto'
import { chownSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { issue, makeAuthority } from '../../src/certificates/authority.ts'
import { until } from '../../src/core/until.ts'
import { FRONT_PORTS } from './front.ts'
import { type House, startHouse } from './house.ts'

/** How clients prove who they are. */
export const CLIENT_WAYS = ['scram', 'scram-plus', 'md5', 'cert', 'trust', 'token'] as const
/** How nodes ask; `scram-plus`: Weir insists on channel binding there. */
export const NODE_WAYS = ['scram', 'scram-plus', 'md5', 'password', 'cert', 'trust'] as const
export const CLIENT_TLS = ['off', 'allowed', 'required'] as const
export const NODE_TLS = ['disable', 'require', 'verify-full'] as const
export const DRIVERS = ['psql', 'pg', 'postgres'] as const

export type ClientWay = (typeof CLIENT_WAYS)[number]
export type NodeWay = (typeof NODE_WAYS)[number]
export type ClientTls = (typeof CLIENT_TLS)[number]
export type NodeTls = (typeof NODE_TLS)[number]
export type Driver = (typeof DRIVERS)[number]

/** What Weir holds of its users: their passwords, or what the node has stored of them. */
export type Held = 'passwords' | 'stored forms'

export interface Setup {
  readonly clientTls: ClientTls
  readonly nodeTls: NodeTls
  readonly held: Held
  /** Channel binding towards the node is required; only users of the node's SCRAM log in then. */
  readonly bound: boolean
}

export interface Cell {
  readonly client: ClientWay
  readonly node: NodeWay
  readonly user: string
}

const NEED_TLS: ReadonlySet<ClientWay> = new Set(['token', 'cert'])

/** One role for each pair: the node asks it by the end of its name, Weir by the beginning. */
export function cellsOf({ bound, clientTls }: Setup): Cell[] {
  const nodes = bound ? (['scram-plus'] as const) : NODE_WAYS.filter((way) => way !== 'scram-plus')
  // Tokens and certificates without TLS are refused when the configuration is read.
  const clients = CLIENT_WAYS.filter((way) => clientTls !== 'off' || !NEED_TLS.has(way))
  return clients.flatMap((client) =>
    nodes.map((node) => ({ client, node, user: userOf(client, node) })),
  )
}

function userOf(client: ClientWay, node: NodeWay): string {
  return `${client.replace('-', '')}_to_${node === 'scram-plus' ? 'scram' : node}`
}

/** Part of the error's text; undefined when the login must succeed; `no such client`: cannot be tried. */
export function refusalOf(setup: Setup, cell: Cell, driver: Driver): string | undefined {
  return clientRefusal(setup, cell, driver) ?? nodeRefusal(setup, cell)
}

export const NO_SUCH_CLIENT = 'no such client'

function clientRefusal(
  { clientTls, held }: Setup,
  { client, node }: Cell,
  driver: Driver,
): string | undefined {
  const off = clientTls === 'off'
  // An md5 hash cannot check a proof by SCRAM; and nothing says so, for that would tell who exists.
  const unfit =
    held === 'stored forms' && node === 'md5' ? 'password authentication failed' : undefined
  switch (client) {
    case 'scram':
      return unfit
    case 'scram-plus':
      // postgres.js knows no channel binding; pg takes it where it is offered and cannot insist.
      if (driver === 'postgres') return NO_SUCH_CLIENT
      if (off && driver === 'psql') return 'channel binding'
      return unfit
    default:
      return undefined
  }
}

function nodeRefusal({ nodeTls, held }: Setup, { client, node }: Cell): string | undefined {
  const clear = nodeTls === 'disable'
  // Only a proof by SCRAM tells the key that a stored verifier lacks.
  const proved = client === 'scram' || client === 'scram-plus' || client === 'md5'
  const nothing = held === 'stored forms' && !proved ? 'and none is held' : undefined
  switch (node) {
    case 'scram':
    case 'scram-plus':
      return nothing
    case 'md5':
    case 'trust':
      return undefined
    case 'password':
      if (nothing !== undefined) return nothing
      if (clear) return 'asks for the password in clear over an open connection'
      return held === 'stored forms' ? 'only a stored form is held' : undefined
    case 'cert':
      return clear ? 'pg_hba.conf rejects connection' : undefined
    default:
      return node satisfies never
  }
}

export interface MatrixLab {
  readonly house: House
  /** Absolute names of PEM files. */
  readonly files: Readonly<Record<'ca' | 'cert' | 'key' | 'clientCert' | 'clientKey', string>>
  readonly accessKey: { readonly accessKeyId: string; readonly secretAccessKey: string }
  /** By user: the password, and what the node has stored of it. */
  readonly passwords: ReadonlyMap<string, Readonly<Record<Held, string>>>
  end(): Promise<void>
}

/** Every role of the matrix, with the rules of the node that ask it so. */
export async function startMatrixLab(): Promise<MatrixLab> {
  const house = await startHouse({ ports: FRONT_PORTS, cluster: { maxConnections: 300 } })
  const authority = await makeAuthority('matrix CA', 2)
  const names = ['localhost', '127.0.0.1']
  const [server, client, weir] = await Promise.all([
    issue(authority, { purpose: 'server', commonName: 'localhost', names, days: 1 }),
    issue(authority, { purpose: 'client', commonName: 'somebody', days: 1 }),
    issue(authority, { purpose: 'client', commonName: 'weir proxy', days: 1 }),
  ])
  const put = (name: string, text: string): string => {
    const file = join(house.directory, name)
    writeFileSync(file, text, { mode: 0o600 })
    return file
  }
  const files = {
    ca: put('ca.crt', authority.certificate),
    cert: put('server.crt', server.certificate),
    key: put('server.key', server.key),
    clientCert: put('client.crt', client.certificate),
    clientKey: put('client.key', client.key),
    weirCert: put('weir.crt', weir.certificate),
    weirKey: put('weir.key', weir.key),
  }
  const passwords = await makeRoles(house)
  await demandTls(house, { ca: authority.certificate, server })
  const accessKey = { accessKeyId: 'AKIAMATRIX', secretAccessKey: randomBytes(20).toString('hex') }
  return { house, files, accessKey, passwords, end: () => house.end() }
}

async function makeRoles(house: House): Promise<MatrixLab['passwords']> {
  const users = new Set(
    CLIENT_WAYS.flatMap((client) => NODE_WAYS.map((node) => userOf(client, node))),
  )
  const statements = [...users].map((user) => {
    const stored = user.endsWith('_to_md5') ? 'md5' : 'scram-sha-256'
    return `set password_encryption = '${stored}'; create role ${user} login password '${user}!'`
  })
  await house.ask(statements.join(';'))
  const rows = await house.ask(
    'select rolname, rolpassword from pg_authid where rolname = any($1)',
    [[...users]],
  )
  return new Map(
    rows.map(({ rolname, rolpassword }) => [
      String(rolname),
      { passwords: `${String(rolname)}!`, 'stored forms': String(rolpassword) },
    ]),
  )
}

/** Patterns of users need PostgreSQL 16 on the node. */
const RULES = `
hostssl all "/_to_cert$" 127.0.0.1/32 cert map=weir
host all "/_to_cert$" 127.0.0.1/32 reject
host all "/_to_scram$" 127.0.0.1/32 scram-sha-256
host all "/_to_md5$" 127.0.0.1/32 md5
host all "/_to_password$" 127.0.0.1/32 password
host all "/_to_trust$" 127.0.0.1/32 trust
`

async function demandTls(
  house: House,
  { ca, server }: { ca: string; server: { certificate: string; key: string } },
): Promise<void> {
  const [{ hba_file: hba } = {}] = await house.ask('show hba_file')
  const file = String(hba)
  const data = dirname(file)
  const { uid, gid } = statSync(data)
  for (const [name, text] of [
    ['matrix-ca.crt', ca],
    ['matrix.crt', server.certificate],
    ['matrix.key', server.key],
    ['pg_ident.conf', 'weir "weir proxy" all\n'],
    ['pg_hba.conf', RULES + readFileSync(file, 'utf8')],
  ] as const) {
    writeFileSync(join(data, name), text, { mode: 0o600 })
    chownSync(join(data, name), uid, gid)
  }
  await house.ask(`alter system set ssl_cert_file = 'matrix.crt'`)
  await house.ask(`alter system set ssl_key_file = 'matrix.key'`)
  await house.ask(`alter system set ssl_ca_file = 'matrix-ca.crt'`)
  await house.ask('alter system set ssl = on')
  await house.ask('select pg_reload_conf()')
  await until(async () => (await house.ask('show ssl'))[0]?.ssl === 'on', 10_000, { what: 'TLS' })
}

/** The sections of the configuration for one front. */
export function configOf(lab: MatrixLab, setup: Setup): Readonly<Record<string, unknown>> {
  const { files, accessKey } = lab
  const { clientTls, nodeTls, bound } = setup
  const rules = {
    scram: { methods: ['scram-sha-256'] },
    'scram-plus': { methods: ['scram-sha-256'] },
    md5: { methods: ['md5'] },
    cert: { methods: ['cert'] },
    token: { iamAuth: 'required' },
  }
  const users = cellsOf(setup).flatMap(({ client, user: name }) =>
    // Who is not named is asked for nothing, by auth.trust.
    client === 'trust' ? [] : [{ name, ...rules[client] }],
  )
  const shown = { certFile: files.cert, keyFile: files.key, clientCaFile: files.ca }
  const certificates = { clientCertificates: 'optional', certificateUsers: [{ name: 'somebody' }] }
  const toNodes = {
    nodes: nodeTls,
    nodesCertFile: join(dirname(files.ca), 'weir.crt'),
    nodesKeyFile: join(dirname(files.ca), 'weir.key'),
    ...(nodeTls === 'verify-full' ? { nodesCaFile: files.ca } : {}),
    ...(bound ? { nodesChannelBinding: 'require' } : {}),
  }
  return {
    tls: {
      mode: clientTls,
      ...(clientTls === 'off' ? {} : { ...shown, ...certificates }),
      ...toNodes,
    },
    auth: { trust: true, users, iam: { accessKeys: [{ ...accessKey, users: ['token_*'] }] } },
  }
}
