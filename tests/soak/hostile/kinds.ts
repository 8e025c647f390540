/**
 * The ways in which a client can be a burden, one function each: it gets a connected socket and lives
 * until it is cut, or until its time is up. Rule: nobody here computes much or keeps what it receives,
 * so that two thousand of them fit into one process beside what they attack.
 */
import type { Socket } from 'node:net'
import {
  bind,
  cancelRequest,
  execute,
  parse,
  query,
  saslInitialResponse,
  sslRequest,
  startupMessage,
  sync,
} from '../../../src/wire/postgres/frontend.ts'

/** A number in [0, 1). */
export type Random = () => number

/** One rude client: what it does with its socket. Resolves when it has had enough. */
export type Kind = (client: Rude) => Promise<void>

/** The role that hostile clients log in as, trusted on loopback. */
export const RUDE = 'rude'

const PROTOCOL_3 = 196_608

export class Rude {
  readonly socket: Socket
  readonly random: Random
  closed = false
  #wake: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined
  #life: number

  /** @param life milliseconds after which it leaves if nobody cut it */
  constructor(socket: Socket, random: Random, life: number) {
    this.socket = socket
    this.random = random
    this.#life = life
    socket.on('close', () => {
      this.closed = true
      this.#wake?.()
    })
  }

  send(...bytes: Buffer[]): void {
    if (!this.closed) this.socket.write(Buffer.concat(bytes))
  }

  /** True when so much time has passed, false when it was cut meanwhile. */
  async wait(ms: number): Promise<boolean> {
    if (this.closed) return false
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      this.#timer = setTimeout(resolve, ms)
    })
    clearTimeout(this.#timer)
    return !this.closed
  }

  /** Stays until it is cut or its time is up, so many times as long as others. */
  async stay(times = 1): Promise<void> {
    await this.wait(times * this.#life)
  }

  /** Logs in as one who is believed, and takes whatever comes. */
  login(user = RUDE): void {
    this.socket.resume()
    this.send(startup(user))
  }

  /** One byte at a time, slowly. */
  async drip(bytes: Buffer): Promise<void> {
    for (const byte of bytes) {
      this.send(Buffer.from([byte]))
      if (!(await this.wait(this.#life / bytes.length))) return
    }
    await this.stay()
  }
}

const startup = (user: string): Buffer =>
  startupMessage(PROTOCOL_3, [
    ['user', user],
    ['database', 'app'],
  ])

function noise(random: Random, most: number): Buffer {
  return Buffer.from(Array.from({ length: 1 + Math.floor(random() * most) }, () => random() * 256))
}

/** Four bytes that are nobody's key, but by accident. */
function key(random: Random): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(Math.floor(random() * 2 ** 32))
  return bytes
}

/** A header that announces `length` bytes. */
function announce(letter: string, length: number): Buffer {
  const head = Buffer.alloc(5)
  head.write(letter, 'latin1')
  head.writeUInt32BE(length, 1)
  return head
}

export const KINDS: Readonly<Record<string, Kind>> = {
  'never reads': async (client) => {
    client.login()
    if (!(await client.wait(1_000))) return
    client.socket.pause()
    client.send(query(`select repeat('x', 100000) from generate_series(1, 200)`))
    await client.stay(4)
  },
  'never reads, asks on': async (client) => {
    client.login()
    if (!(await client.wait(1_000))) return
    client.socket.pause()
    for (let i = 0; i < 200; i++) client.send(query(`select repeat('x', 10000)`))
    await client.stay(4)
  },
  'logs in one byte at a time': (client) => client.drip(startup('nobody-in-particular')),
  'asks one byte at a time': async (client) => {
    client.login()
    if (await client.wait(500)) await client.drip(query('select 1 as one'))
  },
  'binds one byte at a time': async (client) => {
    client.login()
    if (!(await client.wait(500))) return
    client.send(parse('', 'select 1', []))
    await client.drip(Buffer.concat([bind('', ''), execute('', 0), sync()]))
  },
  'breaks off in a message': async (client) => {
    client.login()
    await client.wait(200)
    const bytes = query(`select '${'y'.repeat(500)}'`)
    client.send(bytes.subarray(0, 1 + Math.floor(client.random() * (bytes.length - 1))))
    await client.wait(client.random() * 500)
    client.socket.resetAndDestroy()
  },
  'breaks off in an answer': async (client) => {
    client.login()
    await client.wait(200)
    client.send(query(`select repeat('x', 1000) from generate_series(1, 20000)`))
    await client.wait(client.random() * 300)
    client.socket.resetAndDestroy()
  },
  'breaks off in a login': async (client) => {
    client.send(startup(client.random() < 0.5 ? RUDE : 'somebody').subarray(0, 20))
    await client.wait(client.random() * 200)
    client.socket.resetAndDestroy()
  },
  'sends a huge message': async (client) => {
    client.login()
    if (!(await client.wait(300))) return
    client.send(announce('Q', 900_000_000))
    const piece = Buffer.alloc(65_536, 0x20)
    for (let i = 0; i < 40; i++) {
      client.send(piece)
      if (!(await client.wait(50))) return
    }
    await client.stay()
  },
  'announces what it never sends': async (client) => {
    client.login()
    if (!(await client.wait(300))) return
    client.send(announce(client.random() < 0.5 ? 'P' : 'B', 0x3fff_ffff))
    await client.stay()
  },
  'lies about lengths': async (client) => {
    if (client.random() < 0.5) client.login()
    await client.wait(100)
    client.send(announce('QPBDECSdfp?'[Math.floor(client.random() * 11)]!, 0xffff_ffff))
    await client.stay()
  },
  'says nothing': async (client) => {
    await client.stay()
  },
  'says nothing after its login': async (client) => {
    client.login()
    await client.stay()
  },
  'speaks noise': async (client) => {
    client.socket.resume()
    for (let i = 0; i < 5; i++) {
      client.send(noise(client.random, 300))
      if (!(await client.wait(100))) return
    }
    await client.stay()
  },
  'speaks noise after its login': async (client) => {
    client.login()
    await client.wait(200)
    client.send(noise(client.random, 300))
    await client.stay()
  },
  'speaks HTTP': async (client) => {
    client.socket.resume()
    client.send(Buffer.from('GET / HTTP/1.1\r\nHost: db\r\n\r\n'))
    await client.stay()
  },
  'begins TLS and stops': async (client) => {
    client.socket.resume()
    client.send(sslRequest())
    if (!(await client.wait(100))) return
    client.send(Buffer.from('16030100c8010000c40303', 'hex'))
    await client.stay()
  },
  'proves nothing': async (client) => {
    client.socket.resume()
    client.send(startup('stranger'))
    if (!(await client.wait(200))) return
    client.send(saslInitialResponse('SCRAM-SHA-256', Buffer.from('n,,n=,r=abcdefghijklmnopqrst')))
    await client.stay()
  },
  'asks for ends without reading': async (client) => {
    client.login()
    if (!(await client.wait(300))) return
    client.socket.pause()
    // Enough to be noticed; each costs a round trip, and this is no contest of speed.
    const many = Buffer.concat(Array.from({ length: 300 }, () => sync()))
    for (let i = 0; i < 5; i++) {
      client.send(many)
      if (!(await client.wait(100))) return
    }
    await client.stay(4)
  },
  'keeps a transaction open': async (client) => {
    client.login()
    if (!(await client.wait(300))) return
    client.send(query('begin'))
    await client.stay(4)
  },
  'guesses cancel keys': async (client) => {
    client.socket.resume()
    client.send(cancelRequest(Math.floor(client.random() * 1e6), key(client.random)))
    await client.stay()
  },
  'copies without end': async (client) => {
    client.login()
    if (!(await client.wait(300))) return
    client.send(query('copy dump from stdin'))
    for (let i = 0; i < 100; i++) {
      client.send(announce('d', 4 + 1_000), Buffer.alloc(1_000, 0x61))
      if (!(await client.wait(200))) return
    }
    await client.stay()
  },
}
