/**
 * Clients without anything in between: a list of hosts and the wish for a role, as libpq has it in
 * `host=a,b,c target_session_attrs=read-write`. The driver of Node knows no such list, so it is here.
 * Rule: one call goes through the list once (readers: twice, standbys first); trying again is the
 * caller's business, as it is an application's.
 */
import pg from 'pg'
import { messageOf } from '../../../core/errors.ts'
import { until } from '../../../core/until.ts'
import type { ConnectOptions, Login, NodeAddress, Subject, Target } from '../subject.ts'

/** libpq's connect_timeout is for each host; an application that cares sets it this low. */
const HOST_TIMEOUT_MS = 1_000

export function directSubject(): Subject {
  return {
    name: 'direct',
    description: async () =>
      'no proxy: each client has all hosts in its connection string (target_session_attrs=read-write, ' +
      'readers prefer-standby in random order), connect timeout 1 s a host',
    missing: async () => [],
    start: async ({ nodes, login }) => {
      const connect = (target: Target, options: ConnectOptions): Promise<pg.Client> =>
        connectDirect(nodes, login, target, options)
      for (const target of ['writer', 'reader'] as const) {
        const probe = async (): Promise<boolean> => {
          const client = await connect(target, PROBE)
          await client.end()
          return true
        }
        await until(probe, 10_000, { what: `a ${target} among the nodes` })
      }
      return {
        writerUrl: hostsUrl(nodes, login, 'target_session_attrs=read-write'),
        readerUrl: hostsUrl(
          nodes,
          login,
          'target_session_attrs=prefer-standby&load_balance_hosts=random',
        ),
        connect,
      }
    },
    stop: async () => {},
  }
}

const PROBE: ConnectOptions = {
  applicationName: 'weir failover',
  connectTimeoutMs: HOST_TIMEOUT_MS,
  queryTimeoutMs: 5_000,
}

/** As psql would be given it; shown to people, since the driver cannot use it. */
export function hostsUrl(nodes: readonly NodeAddress[], login: Login, attributes: string): string {
  const hosts = nodes.map(({ host, port }) => `${host}:${port}`).join(',')
  const [user, password, name] = [login.user, login.password, login.database].map(
    encodeURIComponent,
  )
  return `postgres://${user}:${password}@${hosts}/${name}?${attributes}`
}

/**
 * Connects to the first host that has the wished role. Rejects with every host's reason when none
 * has; a client that was refused for its role is closed.
 */
export async function connectDirect(
  nodes: readonly NodeAddress[],
  login: Login,
  target: Target,
  options: ConnectOptions,
): Promise<pg.Client> {
  const order = target === 'writer' ? [...nodes] : shuffled(nodes)
  const reasons: string[] = []
  let last: unknown
  // prefer-standby: whoever is no standby gets its chance in a second pass.
  for (const wish of target === 'writer' ? (['writer'] as const) : (['reader', 'any'] as const)) {
    for (const node of order) {
      try {
        return await connectOne(node, login, wish, options)
      } catch (error) {
        last = error
        reasons.push(`${node.name}: ${messageOf(error)}`)
      }
    }
  }
  // The code of the last host's refusal is what an application would see.
  const code = (last as { code?: unknown } | undefined)?.code
  throw Object.assign(new Error(reasons.join('; '), { cause: last }), { code })
}

async function connectOne(
  node: NodeAddress,
  login: Login,
  wish: Target | 'any',
  options: ConnectOptions,
): Promise<pg.Client> {
  const client = new pg.Client({
    ...login,
    host: node.host,
    port: node.port,
    application_name: options.applicationName,
    connectionTimeoutMillis: Math.min(options.connectTimeoutMs, HOST_TIMEOUT_MS),
    query_timeout: options.queryTimeoutMs,
  })
  // The caller listens later; until then a lost connection must not end the process.
  const ignore = (): void => {}
  client.on('error', ignore)
  options.keys?.lend(client)
  // Postgres 14 and newer say it at login, so that no question costs a round trip.
  let recovering: boolean | undefined
  const hear = ({ parameterName, parameterValue }: ParameterStatus): void => {
    if (parameterName === 'in_hot_standby') recovering = parameterValue === 'on'
  }
  client.connection.on('parameterStatus', hear)
  try {
    await client.connect()
    client.connection.off('parameterStatus', hear)
    if (wish !== 'any') {
      const standby = recovering ?? (await asked(client))
      if (wish === 'writer' && standby) throw refusal('25006', 'session is read-only')
      if (wish === 'reader' && !standby) throw refusal('25006', 'server is not in hot standby mode')
    }
  } catch (error) {
    // Not awaited: a frozen host never says goodbye.
    client.end().catch(() => {})
    throw error
  }
  client.off('error', ignore)
  return client
}

interface ParameterStatus {
  readonly parameterName: string
  readonly parameterValue: string
}

async function asked(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query('select pg_is_in_recovery() as recovering')
  return rows[0]?.recovering === true
}

const refusal = (code: string, text: string): Error => Object.assign(new Error(text), { code })

function shuffled<T>(list: readonly T[]): T[] {
  const keyed = list.map((item) => ({ item, at: Math.random() }))
  return keyed.sort((a, b) => a.at - b.at).map(({ item }) => item)
}
