/**
 * A paper house for fuzzing: a rude client and a polite one over a real pool of model nodes, any of
 * which the test may make rude. Rule: the polite client's every answer is compared with the one right
 * answer, and a connection that comes to it must be as a fresh one.
 */

import type { Clock } from '../../src/core/clock.ts'
import { WeirError } from '../../src/core/errors.ts'
import { silentLog } from '../../src/core/log.ts'
import { Budget } from '../../src/pool/budget.ts'
import { Pool } from '../../src/pool/pool.ts'
import { DEFAULT_POOL_SETTINGS, silentObserver } from '../../src/pool/settings.ts'
import type { ServerConnection } from '../../src/server/server-connection.ts'
import { Lanes } from '../../src/session/lanes.ts'
import { SHARING } from '../../src/session/rider.ts'
import type { Rooms } from '../../src/session/rooms.ts'
import { backendBytes, frontendBytes } from './message-text.ts'
import { ModelServer } from './model-server.ts'
import { PaperHouse, type PaperLink } from './paper-house.ts'

export interface PaperNode {
  readonly server: ServerConnection
  readonly link: PaperLink
  readonly model: ModelServer
  /** Answers that have not been read yet. */
  unread: Buffer
  /** It says nothing more, and goes. */
  gone: boolean
}

/** Enough that a client which keeps its connection keeps nobody waiting. */
const SERVERS = 4

export class Neighbours {
  readonly nodes: PaperNode[] = []
  /** All that the rude client was sent. */
  readonly toRude: Buffer[] = []
  readonly rude: PaperLink
  #committed: string[] = []
  #house: PaperHouse
  #pool: Pool<ServerConnection>
  #polite: PaperLink
  #sharing: boolean
  #politeGot: Buffer[] = []
  #asked = 0
  #status: 'I' | 'T' = 'I'

  /** @param sharing requests that only read ride on shared connections */
  constructor(sharing = false) {
    this.#sharing = sharing
    this.#house = new PaperHouse(
      {
        preparedPerServer: 2,
        heldBytes: 100_000,
        retryReads: sharing,
        ...(sharing ? { lanes: (house) => this.#lanes(house) } : {}),
      },
      {
        tryBorrow: (route) => this.#pool.tryBorrow(route.prefer),
        borrow: (_route, waiter) =>
          this.#pool.borrow(
            {
              granted: (server) => waiter.granted(server, 'node-1'),
              refused: ({ message }) =>
                waiter.refused(new WeirError('WEIR_BORROW_FAILED', message)),
            },
            'unlimited',
          ),
        home: () => this.#pool,
      },
    )
    const { clock, wheel } = this.#house
    this.#pool = new Pool<ServerConnection>({
      name: 'node-1/app/weir',
      open: async () => this.#open(),
      budget: new Budget({ node: 'node-1', clock, limit: SERVERS }),
      clock,
      wheel,
      random: () => 0.5,
      settings: DEFAULT_POOL_SETTINGS,
      observer: silentObserver,
      log: silentLog,
    })
    this.#polite = this.#house.client((bytes) => this.#politeGot.push(bytes)).link
    this.rude = this.#house.client((bytes) => this.toRude.push(bytes)).link
  }

  #lanes({ clock, home }: { clock: Clock; home: Rooms['home'] }): Lanes {
    const router = { current: () => this.#pool } as never
    return new Lanes({ rules: { ...SHARING, connections: 1 }, clock, home, router })
  }

  #open(): ServerConnection {
    const model = new ModelServer({ committed: this.#committed })
    const { server, link } = this.#house.server(
      (bytes) => {
        if (node.gone) return
        try {
          node.unread = Buffer.concat([node.unread, model.push(bytes)])
        } catch {
          // A real one says so and goes.
          node.unread = Buffer.concat([node.unread, backendBytes('ErrorResponse FATAL 08P01 "no"')])
          node.gone = true
        }
        if (model.closed) node.gone = true
      },
      {
        lost: (lost, leased) => {
          if (!leased) this.#pool.lost(lost)
        },
      },
    )
    const node: PaperNode = { server, link, model, unread: Buffer.alloc(0), gone: false }
    this.nodes.push(node)
    return server
  }

  /** Lets everything that is on its way arrive, pools' work included. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 12; ) {
      this.#house.turn.flush()
      quiet = this.#deliver() ? 0 : quiet + 1
      await Promise.resolve()
    }
  }

  /** What nodes have answered reaches us. */
  #deliver(): boolean {
    let moved = false
    for (const node of this.nodes) {
      if (node.link.closed || (node.unread.length === 0 && !node.gone)) continue
      if (node.unread.length > 0 && node.link.paused) continue
      const bytes = node.unread
      node.unread = Buffer.alloc(0)
      if (bytes.length > 0) node.link.deliver(bytes)
      if (node.gone) node.link.hangUp()
      moved = true
    }
    return moved
  }

  /** The polite client keeps a connection of its own from now on. */
  async keepApart(): Promise<void> {
    this.#polite.deliver(frontendBytes('Query "begin"'))
    await this.settle()
    this.#status = 'T'
  }

  /** The polite client asks, and is answered right. */
  async ask(): Promise<void> {
    const n = this.#asked++
    const text = n % 3 === 2 ? 'show' : this.#sharing ? `table t${n}` : `echo ${n}`
    const row = n % 3 === 2 ? '[]' : `${text} ()`
    const due = Buffer.concat([
      backendBytes('RowDescription ["c"]'),
      backendBytes(`DataRow ${JSON.stringify([row])}`),
      backendBytes('CommandComplete "SELECT 1"'),
      backendBytes(`ReadyForQuery ${this.#status}`),
    ])
    this.#politeGot.length = 0
    this.#polite.deliver(frontendBytes(`Query ${JSON.stringify(text)}`))
    await this.settle()
    const got = Buffer.concat(this.#politeGot)
    if (got.equals(due)) return
    const said = JSON.stringify(got.toString('latin1'))
    throw new Error(`the neighbour asked "${text}" and got ${said}`)
  }

  /** The rude client is gone: nothing of it may be left. */
  async leave(): Promise<void> {
    this.rude.hangUp()
    await this.settle()
    for (let i = 0; i < 3; i++) await this.ask()
    const { leased, waiting, resetting, held } = this.#pool.stats()
    const busy = leased + waiting + resetting + held - (this.#status === 'T' ? 1 : 0)
    // A node that does not answer, because its client's message never ended, is given up on time.
    const left = this.nodes.filter(({ link, gone }) => !link.closed && !gone).length
    if (busy > left) throw new Error(`not come to rest: ${JSON.stringify(this.#pool.stats())}`)
    const sessions = this.#house.sessions.size
    if (sessions !== 1) throw new Error(`${sessions} sessions are left, not 1`)
  }
}
