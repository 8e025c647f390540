/**
 * A node that has fallen into an attacker's hands, or somebody who answers in its place. Whatever it
 * sends, Weir neither crashes nor gives a password away nor mixes up who gets which answer; and when
 * the node is itself again, clients are served as before.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../../src/core/until.ts'
import * as backend from '../../../src/wire/postgres/backend.ts'
import { query } from '../../../src/wire/postgres/frontend.ts'
import { connect, endClients, failure, one } from '../../support/clients.ts'
import { rawSession } from '../../support/raw-session.ts'
import { answer, type Evil, EvilNode, type EvilWire, good, liar, welcome } from './evil-node.ts'
import { type Standing, weirBefore } from './weir-before.ts'

let node: EvilNode
let weir: Standing

beforeAll(async () => {
  node = await EvilNode.start()
  weir = await weirBefore(node.port)
})

afterEach(async () => {
  endClients()
  node.act = good
  // Whatever it was, the next client is served.
  const client = await connect(url())
  expect(await one(client, 'echo still here')).toBe('echo still here ()')
  endClients()
  await retired()
})

afterAll(async () => {
  endClients()
  await weir?.end()
  await node?.close()
})

const url = (): string => `postgres://weir@127.0.0.1:${weir.port}/app`

/** Every server connection is closed, so that the next client needs a new one. */
async function retired(): Promise<void> {
  node.cut()
  await until(
    () => weir.app.snapshot().pools.every((pool) => pool.active + pool.idle === 0),
    10_000,
    {
      what: 'the pools to be empty',
    },
  )
}

/** Logs in as asked, then `then`. */
function loggedIn(then: Evil): Evil {
  return async (wire) => {
    wire.send(welcome())
    await then(wire)
  }
}

describe('Logged in, a node that', () => {
  it('answers before it is asked is cut, and nobody takes that for an answer', async () => {
    await retired()
    node.act = async (wire) => {
      node.act = good
      wire.send(welcome(), answer('stolen'))
      await wire.behave()
    }
    const client = await connect(url())
    expect(await one(client, 'echo mine')).toBe('echo mine ()')
  })

  it('answers one question twice is cut, and nobody gets the second answer', async () => {
    await retired()
    let cut = false
    node.act = loggedIn(async (wire) => {
      wire.socket.on('close', () => {
        cut = true
      })
      await wire.asked('mine')
      node.act = good
      wire.send(answer('first'), answer('second'))
      await wire.behave()
    })
    const client = await connect(url())
    expect(await one(client, 'echo mine')).toBe('first')
    await until(() => cut, 10_000, { what: 'the connection to be cut' })
    expect(await one(client, 'echo hers')).toBe('echo hers ()')
  })

  it('slips rows in while its connection is idle is cut before the next client', async () => {
    await retired()
    let idle: EvilWire | undefined
    let cut = false
    node.act = loggedIn((wire) => {
      idle = wire
      wire.socket.on('close', () => {
        cut = true
      })
      return wire.behave()
    })
    const client = await connect(url())
    expect(await one(client, 'echo mine')).toBe('echo mine ()')
    node.act = good
    idle!.send(backend.rowDescription([{ name: 'c', typeOid: 25 }]), backend.dataRow(['stolen']))
    await until(() => cut, 10_000, { what: 'the connection to be cut' })
    expect(await one(client, 'echo mine again')).toBe('echo mine again ()')
  })

  const lies: Record<string, Buffer> = {
    'a row beyond all bounds': liar('D', 0xffff_fff0, Buffer.alloc(64)),
    'a length below its own': liar('D', 3),
    'an unknown letter': liar('?', 4),
    'an end of wrong length': liar('Z', 9, Buffer.from('Ixxxx')),
    'an error without end': liar('E', 5_000_000, Buffer.alloc(1_000)),
    'a setting without end': liar('S', 5_000_000, Buffer.alloc(1_000)),
    'a setting without its zero byte': liar('S', 4 + 3, Buffer.from('abc')),
  }
  it.each(Object.entries(lies))('sends %s is cut, and its client is told', async (_, bytes) => {
    await retired()
    node.act = loggedIn(async (wire) => {
      await wire.asked('mine')
      node.act = good
      wire.send(bytes)
    })
    const client = await connect(url())
    // No `insert` is sent a second time, so the client hears of it.
    const error = await failure(one(client, 'insert mine'))
    expect(error.code).toMatch(/^(08|XX)/)
  })

  it('ends in the middle of a row takes that client along and nobody else', async () => {
    await retired()
    let lucky: Promise<unknown> | undefined
    node.act = loggedIn(async (wire) => {
      await wire.asked('doomed')
      node.act = good
      lucky = connect(url()).then((client) => one(client, 'echo lucky'))
      wire.send(backend.rowDescription([{ name: 'c', typeOid: 25 }]))
      wire.send(liar('D', 1_000, Buffer.alloc(500)))
      wire.socket.end()
    })
    const doomed = await connect(url())
    expect(await failure(one(doomed, 'echo doomed'))).toBeInstanceOf(Error)
    expect(await lucky).toBe('echo lucky ()')
  })

  it('sends an error without SQLSTATE is passed on, and serves again', async () => {
    await retired()
    node.act = loggedIn(async (wire) => {
      await wire.asked('mine')
      const bare = Buffer.from('SERROR\0Mno reason\0\0')
      wire.send(liar('E', bare.length + 4, bare), backend.readyForQuery('I'))
      await wire.behave()
    })
    const client = await connect(url())
    expect((await failure(one(client, 'echo mine'))).message).toBe('no reason')
    expect(await one(client, 'echo again')).toBe('echo again ()')
  })

  it('reports settings without end is cut before it fills the memory', async () => {
    await retired()
    let cut = false
    node.act = loggedIn(async (wire) => {
      wire.socket.on('close', () => {
        cut = true
      })
      await wire.asked('mine')
      node.act = good
      for (let i = 0; !cut && i < 50; i++) {
        const chatter = Array.from({ length: 1_000 }, (_, n) =>
          backend.parameterStatus(`p${i}.${n}`, 'x'.repeat(100)),
        )
        wire.send(...chatter)
        await new Promise((resolve) => setImmediate(resolve))
      }
    })
    const raw = await rawSession(weir.port, { user: 'weir' })
    raw.send(query('insert mine'))
    await until(() => cut, 20_000, { what: 'the connection to be cut' })
    raw.vanish()
  })

  it('notifies a client of a channel it never listened to is not heard', async () => {
    await retired()
    node.act = loggedIn(async (wire) => {
      await wire.asked('mine')
      wire.send(backend.notificationResponse(7, 'secrets', 'psst'), answer('fine'))
      await wire.behave()
    })
    const client = await connect(url())
    const heard: unknown[] = []
    client.on('notification', (message) => heard.push(message))
    expect(await one(client, 'echo mine')).toBe('fine')
    expect(await one(client, 'echo once more')).toBe('echo once more ()')
    expect(heard).toEqual([])
  })
})
