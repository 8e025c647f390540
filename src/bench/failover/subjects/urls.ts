/**
 * The two URLs of a subject: made of a login and a port, and asked whether somebody answers there.
 * Rule: ready means that a query came back from the right role, not that a socket accepted.
 */
import pg from 'pg'
import type { Login, Target } from '../subject.ts'

/** `postgres://user:password@127.0.0.1:port/database`, each part escaped. */
export function urlOf(login: Login, port: number, database = login.database): string {
  const [user, password, name] = [login.user, login.password, database].map(encodeURIComponent)
  return `postgres://${user}:${password}@127.0.0.1:${port}/${name}`
}

/** The same URL without its password, for descriptions and logs. */
export function withoutPassword(url: string): string {
  if (!URL.canParse(url)) return url
  const parsed = new URL(url)
  if (parsed.password !== '') parsed.password = '***'
  return parsed.href
}

/** True when a query answers there, for `writer` from a node that can be written to. Rejects else. */
export async function answers(url: string, target: Target): Promise<boolean> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 2_000,
    query_timeout: 2_000,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query('select pg_is_in_recovery() as recovering')
    return target === 'reader' || rows[0]?.recovering === false
  } finally {
    await client.end().catch(() => {})
  }
}
