import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { stripVTControlCharacters } from 'node:util'
import { Command, type CommanderError } from 'commander'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { fetchStatus, registerStatus } from '../../../src/cli/status.ts'
import { COLOURS, NO_COLOURS, statusText } from '../../../src/cli/status-view.ts'
import { exampleStatus, PAUSE } from '../admin/example.ts'

let server: Server | undefined
afterEach(() => {
  server?.close()
  server = undefined
  vi.restoreAllMocks()
})

async function serve(listener: RequestListener): Promise<string> {
  const started = createServer(listener)
  server = started
  await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(started.address() as AddressInfo).port}`
}

async function run(...args: string[]): Promise<{ out: string; err: string; code: number }> {
  let out = ''
  let err = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text
    return true
  })
  const program = new Command('weir').exitOverride().configureOutput({
    writeErr: (text) => {
      err += text
    },
  })
  registerStatus(program)
  for (const command of program.commands) command.copyInheritedSettings(program)
  try {
    await program.parseAsync(['status', ...args], { from: 'user' })
    return { out, err, code: 0 }
  } catch (error) {
    return { out, err, code: (error as CommanderError).exitCode }
  }
}

describe('the status text', () => {
  test('aligns its columns and says what a person asks first', () => {
    expect(statusText(exampleStatus(), NO_COLOURS)).toMatchInlineSnapshot(`
      "Weir 0.1.0, up 12 min, topology epoch 5

      Nodes
        NAME    ADDRESS         ROLE     HEALTH    LAG  TIMELINE  LENT  CONNECTIONS  BECAUSE
        node-1  127.0.0.1:5501  writer   up       0 ms         1     6      9 of 97  answers probes and is not in recovery
        node-2  127.0.0.1:5502  reader   up      12 ms         1     1      2 of 97  answers probes and replays from node-1
        node-3  127.0.0.1:5503  unknown  down        -         -     0            0  two probes in a row were refused

      Endpoints
        NAME    KIND    ADDRESS         CLIENTS  A NEW SESSION GETS
        writer  writer  127.0.0.1:6432       41  node-1
        reader  reader  127.0.0.1:6433        7  node-2

      Pools
        NODE    DATABASE  USER     LENT  IDLE  OPENING  WAITING  LONGEST WAIT
        node-1  app       weir  6 of 10     3        1        4         1.2 s

      Clients
        48 connected: 7 with a server connection, 4 waiting, 1 pinned
        by state: idle 37, waiting 4, leased 7
        pins since the start: temporary-table 3

      Failovers
        NO  SINCE (UTC)          FROM    TO      SUSPECTED      DOWN  PROMOTED  OBSERVED   RETIRED  FIRST-BORROW  FIRST-REPLY   WHOLE  WAITED  TOLD
         1  2023-11-14T22:15:00  node-2  node-1    +2.3 ms  +20.0 ms   +488 ms  +0.50 ms  +0.50 ms       +5.0 ms      +3.8 ms  520 ms      42  3 retried, 2 transaction
      "
    `)
  })

  test('colours the health of a node without moving a column', () => {
    const plain = statusText(exampleStatus(), NO_COLOURS)
    const coloured = statusText(exampleStatus(), COLOURS)
    expect(coloured).toContain('\x1b[31mdown  \x1b[0m')
    expect(stripVTControlCharacters(coloured)).toBe(plain)
  })

  test('calls a node fenced that takes writes and must not', () => {
    const nodes = exampleStatus().nodes.map((n) => ({ ...n, fenced: n.name === 'node-3' }))
    const coloured = statusText(exampleStatus({ nodes }), COLOURS)
    expect(coloured).toContain('\x1b[31mfenced\x1b[0m')
  })

  test('shows what is paused, and for how long yet', () => {
    const text = statusText(exampleStatus({ pauses: [PAUSE] }), NO_COLOURS)
    expect(text).toContain('Paused\n  WHAT         FOR  ENDS IN  STILL LENT  WAITING\n')
    expect(text).toContain('  node node-1  4 s     26 s           3        9\n')
    expect(statusText(exampleStatus(), NO_COLOURS)).not.toContain('Paused')
  })

  test('lets no control character of a name reach the terminal', () => {
    const [pool] = exampleStatus().pools
    if (pool === undefined) throw new Error('the example has a pool')
    const text = statusText(
      exampleStatus({ pools: [{ ...pool, user: '\x1b]0;owned\x07\u009b31m' }] }),
      NO_COLOURS,
    )
    expect(text).toContain('?]0;owned??31m')
  })

  test('names nothing as nothing', () => {
    const none = { total: 0, active: 0, waiting: 0, heldBytes: 0, pinned: 0, byState: {} }
    const empty = {
      nodes: [],
      endpoints: [],
      pools: [],
      clients: none,
      pins: [],
      events: [],
      failovers: [],
    }
    const text = statusText(exampleStatus(empty), NO_COLOURS)
    expect(text).toContain('none yet: nobody has asked for a server connection')
    expect(text).not.toContain('by state')
    expect(text).not.toContain('Failovers')
  })
})

describe('weir status', () => {
  test('prints the tables of the Weir it is pointed at, plain into a pipe', async () => {
    const admin = await serve((_, reply) => reply.end(JSON.stringify(exampleStatus())))
    const { out, code } = await run('--admin', admin)
    expect(code).toBe(0)
    expect(out).toBe(statusText(exampleStatus(), NO_COLOURS))
  })

  test('prints with --json exactly what /status says', async () => {
    const asked: (string | undefined)[] = []
    const admin = await serve((request, reply) => {
      asked.push(request.url)
      reply.end(JSON.stringify(exampleStatus()))
    })
    expect(JSON.parse((await run('--json', '--admin', admin)).out)).toEqual(exampleStatus())
    expect(asked).toEqual(['/status'])
  })

  test('says what to type when nothing answers', async () => {
    const admin = await serve(() => {})
    server?.close()
    const { err, code } = await run('--admin', admin)
    expect(code).toBe(1)
    expect(err).toContain(`nothing answers at ${admin}`)
    expect(err).toContain('ECONNREFUSED')
    expect(err).toContain('npm start')
  })

  test('says so when something else answers', async () => {
    const admin = await serve((_, reply) => reply.writeHead(404).end('<h1>Nope</h1>'))
    const { err, code } = await run('--admin', admin)
    expect(code).toBe(1)
    expect(err).toContain('is not the admin port of Weir: 404 <h1>Nope</h1>')
  })

  test('says so when what answers speaks JSON but is no Weir', async () => {
    const admin = await serve((_, reply) => reply.end('{"ok":true}'))
    expect((await run('--admin', admin)).err).toContain('is not the admin port of Weir: 200')
  })

  test('takes host and port without http://', async () => {
    const admin = await serve((_, reply) => reply.end(JSON.stringify(exampleStatus())))
    expect((await fetchStatus(admin.replace('http://', ''))).epoch).toBe(5)
  })

  test('refuses what is no address', async () => {
    await expect(fetchStatus('http://:::')).rejects.toThrow('is not an address')
  })
})
