/** One GET for a source of nodes: what it takes, and what it says of everything else. */
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { rootCertificates } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { getJson } from '../../../src/app/get-json.ts'
import { TEST_CERTIFICATE, TEST_KEY } from '../../integration/test-certificate.ts'

let server: http.Server | https.Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

async function serve(listener: http.RequestListener, secure = false): Promise<string> {
  server = secure
    ? https.createServer({ cert: TEST_CERTIFICATE, key: TEST_KEY }, listener)
    : http.createServer(listener)
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return `${secure ? 'https' : 'http'}://127.0.0.1:${port}`
}

const get = (url: string, ca?: readonly string[]) => getJson(url, new AbortController().signal, ca)

test('a body is parsed, in however many pieces it comes', async () => {
  const url = await serve((_, response) => {
    response.write('{"members"')
    response.end(': ["ä"]}')
  })
  expect(await get(url)).toEqual({ members: ['ä'] })
})

test('a redirect is not followed, and what is no JSON is said to be none', async () => {
  const url = await serve((request, response) => {
    if (request.url === '/moved') response.writeHead(302, { location: '/' })
    response.end('<html>')
  })
  await expect(get(`${url}/moved`)).rejects.toThrow(`${url}/moved: answered 302`)
  await expect(get(url)).rejects.toThrow(`${url}: answered something that is no JSON`)
})

test('an answer without end is cut off', async () => {
  const url = await serve((_, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536))) {}
    }
    response.on('drain', more)
    more()
  })
  await expect(get(url)).rejects.toThrow(`${url}: the answer is too long`)
})

test('an answer that breaks off is a failure', async () => {
  const url = await serve((_, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('{}', () => response.destroy())
  })
  await expect(get(url)).rejects.toThrow(`${url}: `)
})

test('nobody waits any more', async () => {
  const url = await serve(() => {})
  const off = new AbortController()
  const answer = getJson(url, off.signal)
  off.abort()
  await expect(answer).rejects.toThrow(`${url}: no answer in time`)
})

test('certificates are checked, and those of our own are trusted when they are named', async () => {
  const url = await serve((_, response) => response.end('{}'), true)
  await expect(get(url)).rejects.toThrow(/self.signed certificate/)
  const named = url.replace('127.0.0.1', 'localhost')
  expect(await get(named, [...rootCertificates, TEST_CERTIFICATE])).toEqual({})
})
