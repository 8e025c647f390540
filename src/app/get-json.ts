/**
 * One GET whose answer is JSON, for sources of nodes. Rule: what comes back is bounded in size and
 * taken only from a 200; no redirect is followed, for an address was configured and no other.
 */
import http from 'node:http'
import https from 'node:https'
import { messageOf } from '../core/errors.ts'

/** A cluster of a hundred nodes is told in a tenth of it. */
const MOST_BYTES = 1024 * 1024

/**
 * The parsed body.
 *
 * @param ca certificates in PEM that are trusted; undefined: those of Node.js
 * @throws Error that names the address and what was wrong, once `signal` aborts too
 */
export function getJson(
  url: string,
  signal: AbortSignal,
  ca?: readonly string[],
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => reject(new Error(`${url}: ${why}`))
    const secure = url.startsWith('https:')
    const headers = { accept: 'application/json' }
    const answered = (response: http.IncomingMessage): void => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        size += chunk.length
        if (size > MOST_BYTES) request.destroy(new Error('the answer is too long'))
      })
      response.on('error', (error) => fail(plainly(error)))
      response.on('end', () => {
        if (response.statusCode !== 200) return fail(`answered ${response.statusCode}`)
        try {
          resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')))
        } catch {
          fail('answered something that is no JSON')
        }
      })
    }
    const request = secure
      ? https.get(
          url,
          { headers, signal, agent: false, ...(ca === undefined ? {} : { ca: [...ca] }) },
          answered,
        )
      : http.get(url, { headers, signal, agent: false }, answered)
    request.on('error', (error) => fail(plainly(error)))
  })
}

function plainly(error: Error): string {
  return error.name === 'AbortError' ? 'no answer in time' : messageOf(error)
}
