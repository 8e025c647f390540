/**
 * Says of each node whether it is the writer, over HTTP, as Patroni does beside each node
 * (`/primary`, `/replica`); what HAProxy's check asks. Rule: the role is asked of the node for each
 * check, and a node that says it is writer on an older timeline than another's is none, as one that
 * has lost Patroni's leader key would be.
 */
import { createServer, type Server } from 'node:http'
import pg from 'pg'
import type { Login, NodeAddress } from '../subject.ts'

/** A node that takes longer has no role; Patroni's own patience with its node is of that order. */
const PATIENCE_MS = 1_000

/** One round trip; the name of a file of log begins with the timeline, in hexadecimal. */
const QUESTION = `select pg_is_in_recovery() as recovering,
  case when pg_is_in_recovery() then null
       else left(pg_walfile_name(pg_current_wal_lsn()), 8) end as timeline`

export interface RoleWatch {
  /** Port of a node's own answers, on loopback. */
  port(node: string): number
  close(): Promise<void>
}

/** @param firstPort node by node, upwards from here */
export async function watchRoles(
  nodes: readonly NodeAddress[],
  login: Login,
  firstPort: number,
): Promise<RoleWatch> {
  let highest = 0
  const asks = nodes.map((node) => asker(node, login))
  const role = async (index: number): Promise<'primary' | 'replica' | undefined> => {
    const answer = await asks[index]?.ask()
    if (answer === undefined) return undefined
    if (answer.recovering) return 'replica'
    highest = Math.max(highest, answer.timeline)
    return answer.timeline < highest ? undefined : 'primary'
  }
  const servers: Server[] = []
  const close = async (): Promise<void> => {
    for (const server of servers) {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
    for (const one of asks) one.close()
  }
  try {
    for (const index of nodes.keys()) {
      const server = createServer((request, response) => {
        void role(index).then((is) => {
          response.writeHead(request.url === `/${is}` ? 200 : 503, { 'content-length': 0 }).end()
        })
      })
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(firstPort + index, '127.0.0.1', resolve)
      })
      servers.push(server)
    }
  } catch (error) {
    await close()
    throw error
  }
  return { port: (name) => firstPort + nodes.findIndex((node) => node.name === name), close }
}

interface Answer {
  readonly recovering: boolean
  readonly timeline: number
}

/** Asks one node on a kept connection; undefined when it does not answer in time. Never rejects. */
function asker(node: NodeAddress, login: Login) {
  let kept: Promise<pg.Client> | undefined
  const connected = (): Promise<pg.Client> => {
    const client = new pg.Client({
      ...login,
      host: node.host,
      port: node.port,
      application_name: 'role check',
      connectionTimeoutMillis: PATIENCE_MS,
      query_timeout: PATIENCE_MS,
    })
    client.on('error', forget)
    client.on('end', forget)
    return client.connect()
  }
  function forget(): void {
    const old = kept
    kept = undefined
    old?.then((client) => client.end()).catch(() => {})
  }
  const asked = async (): Promise<Answer | undefined> => {
    kept ??= connected()
    try {
      const { rows } = await (await kept).query(QUESTION)
      const { recovering, timeline } = rows[0]
      return { recovering, timeline: recovering ? 0 : Number.parseInt(timeline, 16) }
    } catch {
      forget()
      return undefined
    }
  }
  let asking: Promise<Answer | undefined> | undefined
  return {
    /** Who asks while another does gets the same answer. */
    ask: (): Promise<Answer | undefined> => {
      asking ??= asked().finally(() => {
        asking = undefined
      })
      return asking
    },
    close: forget,
  }
}
