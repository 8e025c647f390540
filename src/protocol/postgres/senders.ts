/**
 * Who sends a notification. A client knows the number it was given at its login, the server names the
 * process that served the transaction; so Weir tells its own listener in the same stream: ahead of a
 * client's NOTIFY goes one of ours that names the client. Rule: what a process sends it sends in
 * order, so the newest mark of a process says whose all that follows is.
 *
 *   process 900:   mark '41'   NOTIFY of client 41   mark '0'   a trigger's, of nobody known
 *
 * A mark is one more NOTIFY in the same write and costs no round trip. While nobody listens through
 * this Weir none is sent.
 */
import type { Ledger } from './ledger.ts'

/** The channel of the marks; nobody would call one so. */
export const MARKS = 'weir:sender'
/** No client: the process has no mark that counts. */
export const NOBODY = 0
const NOTHING = Buffer.alloc(0)
/** Its newest mark may have been rolled back. */
const UNSURE = -1
/** Processes whose marks are kept; more than a node has. */
const MOST = 16_384

/** What a server connection has marked last; changed by `Senders` alone. */
export class SenderMark {
  client = NOBODY
  epoch = 0
}

/** A server connection, as far as its marks go. */
export interface Marked {
  readonly sender: SenderMark
  readonly status: string
  readonly ledger: Ledger
  readonly parameters: ReadonlyMap<string, string>
  silently(sql: string): Buffer
  aside(sql: string): Buffer
}

/** Listeners that other processes of the same Weir have: they read the marks that are sent here. */
export interface ListenersElsewhere {
  /** How many there have been, and how many there are. */
  readonly epoch: number
  readonly listeners: number
  /** Told how many there have been and are here. */
  changed(epoch: number, listeners: number): void
}

/** The marks of one Weir. */
export class Senders {
  #elsewhere: ListenersElsewhere | undefined
  #opened = 0
  #listeners = 0

  constructor(elsewhere?: ListenersElsewhere) {
    this.#elsewhere = elsewhere
  }

  /** Grows with each listener, who knows nothing of marks sent before it came. */
  get #epoch(): number {
    return this.#opened + (this.#elsewhere?.epoch ?? 0)
  }

  /** Somebody listens from now on. */
  opened(): void {
    this.#opened++
    this.#listeners++
    this.#elsewhere?.changed(this.#opened, this.#listeners)
  }

  closed(): void {
    this.#listeners--
    this.#elsewhere?.changed(this.#opened, this.#listeners)
  }

  /** Bytes to send ahead of a NOTIFY of the client with the number `client`; empty when it is known. */
  mark(server: Marked, client: number): Buffer {
    if (!this.#heardFrom(server)) return NOTHING
    const { sender } = server
    const known = sender.epoch === this.#epoch && sender.client === client
    // Within a transaction it could be rolled back together with an earlier mark of its own.
    const sure = server.status === 'idle' && server.ledger.certain && !server.ledger.batchOpen
    if (known && sure) return NOTHING
    sender.epoch = this.#epoch
    sender.client = sure ? client : UNSURE
    return server.aside(markSql(client))
  }

  /** The client `client` begins to use `server`: what it sends unseen must not be another's. */
  part(server: Marked, client: number): Buffer {
    const { sender } = server
    if (sender.client === NOBODY || sender.client === client) return NOTHING
    const heard = sender.epoch === this.#epoch && this.#heardFrom(server)
    sender.client = NOBODY
    return heard ? server.silently(markSql(NOBODY)) : NOTHING
  }

  #heardFrom(server: Marked): boolean {
    const listeners = this.#listeners + (this.#elsewhere?.listeners ?? 0)
    return listeners > 0 && server.parameters.get('in_hot_standby') !== 'on'
  }
}

/** What a listener has read of marks. */
export class SenderBook {
  #clients = new Map<number, number>()

  /** The client in whose name `process` sends now; undefined when that is not known. */
  of(process: number): number | undefined {
    return this.#clients.get(process)
  }

  /** A mark of `process` has come by. */
  read(process: number, payload: string): void {
    this.#clients.delete(process)
    const client = Number(payload)
    if (!Number.isInteger(client) || client <= 0 || client > 0x7fff_ffff) return
    if (this.#clients.size >= MOST) this.#clients.clear()
    this.#clients.set(process, client)
  }
}

function markSql(client: number): string {
  return `NOTIFY "${MARKS}", '${client}'`
}
