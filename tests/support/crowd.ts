/**
 * Many clients over few server connections, all simulated: scripts of messages go through real
 * sessions, real server connections and a real pool to model servers, in pieces and in an order that
 * a seed decides. Rule: each client must read exactly what it would have read alone with a model
 * server of its own.
 */
import { WeirError } from '../../src/core/errors.ts'
import { silentLog } from '../../src/core/log.ts'
import { Budget } from '../../src/pool/budget.ts'
import { Pool } from '../../src/pool/pool.ts'
import { DEFAULT_POOL_SETTINGS, silentObserver } from '../../src/pool/settings.ts'
import type { ServerConnection } from '../../src/server/server-connection.ts'
import { asLines, frontendBytes } from './message-text.ts'
import { ModelServer } from './model-server.ts'
import { PaperHouse, type PaperLink, type PaperPool } from './paper-house.ts'

export interface ClientScript {
  readonly settings: Readonly<Record<string, string>>
  /** Messages sent without waiting; the next group goes when this one is answered in full. */
  readonly groups: readonly (readonly string[])[]
  readonly ending: 'terminate' | 'gone'
}

export interface Alone {
  /** Replies to each group. */
  readonly replies: readonly Buffer[]
  readonly committed: readonly string[]
  /**
   * It cannot be compared: it ends in a lost connection, or it depends, within one group, on an error
   * that Weir cannot know of yet (a Close that was skipped, a Parse of the unnamed statement that was
   * skipped), or it describes in a failed transaction, where nothing can be prepared again.
   */
  readonly unfit: boolean
}

/** What this client reads with a server of its own. */
export function alone(script: ClientScript): Alone {
  const committed: string[] = []
  const undone = new Set<string>()
  const server = new ModelServer({
    settings: new Map(Object.entries(script.settings)),
    committed,
    undone: (name) => undone.add(name),
  })
  let unfit = false
  const replies = script.groups.map((group) => {
    undone.clear()
    const pieces = group.map((line) => {
      const name = /^(?:Parse|Close S|Describe S|Bind "[^"]*") "([^"]*)"/.exec(line)?.[1]
      if (name !== undefined && undone.has(name)) unfit = true
      if (server.status === 'E' && line.startsWith('Describe S')) unfit = true
      return server.push(frontendBytes(line))
    })
    return Buffer.concat(pieces)
  })
  return { replies, committed, unfit: unfit || server.closed }
}

export interface CrowdOptions {
  readonly servers: number
  readonly preparedPerServer: number
  /** 0 <= r < 1; decides who is next and how much arrives. */
  readonly random: () => number
}

/** Distinct named texts there are (see client-scripts). */
const STATEMENTS_IN_A_GROUP = 12

interface Guest {
  readonly script: ClientScript
  readonly expected: Alone
  link: PaperLink
  received: Buffer
  group: number
  unsent: Buffer
  over: boolean
}

interface Node {
  readonly server: ServerConnection
  readonly link: PaperLink
  readonly model: ModelServer
  unread: Buffer
}

/** Returns what is wrong, in words; empty when nothing is. */
export async function meet(
  scripts: readonly ClientScript[],
  options: CrowdOptions,
): Promise<string[]> {
  const crowd = new Crowd(scripts, options)
  return crowd.run()
}

class Crowd {
  #options: CrowdOptions
  #house: PaperHouse
  #pool: Pool<ServerConnection>
  #nodes: Node[] = []
  #guests: Guest[]
  #committed: string[] = []
  #wrong: string[] = []

  constructor(scripts: readonly ClientScript[], options: CrowdOptions) {
    this.#options = options
    const paperPool: PaperPool = {
      tryBorrow: (route) => this.#pool.tryBorrow(route.prefer),
      borrow: (_route, waiter) =>
        this.#pool.borrow(
          {
            granted: (server) => waiter.granted(server, 'node-1'),
            refused: ({ message }) => waiter.refused(new WeirError('WEIR_BORROW_FAILED', message)),
          },
          'unlimited',
        ),
      home: () => this.#pool,
    }
    const { preparedPerServer } = options
    this.#house = new PaperHouse({ preparedPerServer }, paperPool)
    const { clock, wheel } = this.#house
    this.#pool = new Pool<ServerConnection>({
      name: 'node-1/app/weir',
      open: async () => this.#open(),
      budget: new Budget({ node: 'node-1', clock, limit: options.servers }),
      clock,
      wheel,
      random: options.random,
      settings: DEFAULT_POOL_SETTINGS,
      observer: silentObserver,
      log: silentLog,
    })
    this.#guests = scripts.map((script) => this.#invite(script))
  }

  #open(): ServerConnection {
    const model = new ModelServer({ committed: this.#committed })
    const { server, link } = this.#house.server(
      (bytes) => {
        node.unread = Buffer.concat([node.unread, model.push(bytes)])
      },
      {
        lost: (lost, leased) => {
          this.#wrong.push(
            `server connection ${lost.id} was lost: ${lost.conversation.error?.message}`,
          )
          if (!leased) this.#pool.lost(lost)
        },
      },
    )
    const node: Node = { server, link, model, unread: Buffer.alloc(0) }
    this.#nodes.push(node)
    return server
  }

  #invite(script: ClientScript): Guest {
    const expected = alone(script)
    const { link } = this.#house.client(
      (bytes) => {
        guest.received = Buffer.concat([guest.received, bytes])
      },
      new Map(Object.entries(script.settings)),
    )
    const guest: Guest = {
      script,
      expected,
      link,
      received: Buffer.alloc(0),
      group: -1,
      unsent: Buffer.alloc(0),
      over: false,
    }
    return guest
  }

  async run(): Promise<string[]> {
    for (let idle = 0; idle < 40 && this.#wrong.length === 0; ) {
      const acts = this.#acts()
      if (acts.length === 0) {
        idle++
        await new Promise<void>((resolve) =>
          idle < 20 ? queueMicrotask(resolve) : setImmediate(resolve),
        )
        this.#house.turn.flush()
        continue
      }
      idle = 0
      acts[Math.floor(this.#options.random() * acts.length)]!()
      if (this.#options.random() < 0.3) await Promise.resolve()
    }
    if (this.#wrong.length === 0) this.#review()
    return this.#wrong
  }

  #acts(): (() => void)[] {
    const acts: (() => void)[] = []
    for (const guest of this.#guests) {
      if (guest.over) continue
      if (guest.unsent.length > 0) {
        acts.push(() => {
          const n = this.#some(guest.unsent.length)
          const chunk = guest.unsent.subarray(0, n)
          guest.unsent = guest.unsent.subarray(n)
          guest.link.deliver(chunk)
        })
      } else if (this.#answered(guest)) acts.push(() => this.#next(guest))
    }
    for (const node of this.#nodes) {
      if (node.unread.length === 0 || node.link.closed || node.link.paused) continue
      acts.push(() => {
        const n = this.#some(node.unread.length)
        const chunk = node.unread.subarray(0, n)
        node.unread = node.unread.subarray(n)
        node.link.deliver(chunk)
      })
    }
    return acts
  }

  #some(most: number): number {
    const { random } = this.#options
    const scale = [1, 6, 40, most][Math.floor(random() * 4)]!
    return Math.min(most, 1 + Math.floor(random() * scale))
  }

  #answered(guest: Guest): boolean {
    const due = guest.group < 0 ? 0 : guest.expected.replies[guest.group]!.length
    if (guest.received.length >= due) return true
    return false
  }

  #next(guest: Guest): void {
    if (guest.group >= 0) {
      const due = guest.expected.replies[guest.group]!
      if (!guest.received.equals(due)) {
        this.#complain(guest)
        return
      }
    }
    guest.received = Buffer.alloc(0)
    guest.group++
    const group = guest.script.groups[guest.group]
    if (group !== undefined) {
      guest.unsent = Buffer.concat(group.map(frontendBytes))
      return
    }
    guest.over = true
    if (guest.script.ending === 'gone') guest.link.hangUp()
    else guest.link.deliver(frontendBytes('Terminate'))
  }

  #complain(guest: Guest): void {
    const who = `client ${this.#guests.indexOf(guest)}, group ${guest.group}`
    const due = guest.expected.replies[guest.group] ?? Buffer.alloc(0)
    const show = (bytes: Buffer): string => asLines(bytes, 'server').lines.join('\n    ')
    const sent = guest.script.groups[guest.group]?.join('\n    ')
    this.#wrong.push(
      `${who}\n  sent\n    ${sent}\n  alone\n    ${show(due)}\n  here\n    ${show(guest.received)}`,
    )
  }

  #review(): void {
    for (const guest of this.#guests) if (!guest.over) this.#complain(guest)
    if (this.#wrong.length > 0) return
    const { leased, waiting, resetting, held } = this.#pool.stats()
    if (leased + waiting + resetting + held > 0) {
      this.#wrong.push(`not come to rest: ${JSON.stringify(this.#pool.stats())}`)
    }
    if (this.#house.sessions.size > 0) this.#wrong.push('sessions are left')
    for (const { server, model } of this.#nodes) {
      if (model.status !== 'I')
        this.#wrong.push(`server connection ${server.id} is in a transaction`)
      // Statements prepared in one batch cannot be closed before they are answered.
      if (model.prepared > this.#options.preparedPerServer + 1 + STATEMENTS_IN_A_GROUP) {
        this.#wrong.push(`server connection ${server.id} has ${model.prepared} statements`)
      }
    }
    const due = this.#guests.flatMap((guest) => guest.expected.committed).sort()
    const have = [...this.#committed].sort()
    if (JSON.stringify(due) !== JSON.stringify(have)) {
      this.#wrong.push(`committed ${JSON.stringify(have)} instead of ${JSON.stringify(due)}`)
    }
  }
}
