/**
 * A tiny Postgres that fits in one's head: transactions, prepared statements, portals, COPY and
 * errors up to Sync, answering as the real one does but with texts of its own instead of SQL. Rule:
 * everything here follows src/backend/tcop/postgres.c; where it does not, a test must not look.
 *
 *   echo $1     one row with its text and parameters      bad      syntax error
 *   table x     the same, and to Weir a read
 *   rows 3      three rows                                fail     error when it runs
 *   insert x    remembered when its transaction commits   copy     COPY FROM STDIN
 *   show        one row with the settings                 set a.b = 'c', begin, commit, rollback
 */
import { BACKEND, FRONTEND, HEADER } from '../../src/wire/postgres/codes.ts'
import * as read from '../../src/wire/postgres/read.ts'
import { backendBytes } from './message-text.ts'

interface Portal {
  readonly text: string
  readonly values: readonly (string | null)[]
  /** Rows not fetched yet; undefined before the first Execute. */
  rows: string[] | undefined
}

class Refusal extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

const ABORTED = new Refusal('25P02', 'current transaction is aborted')
const ENDS = /^(commit|rollback)$/i

export interface ModelOptions {
  /** Settings of a fresh connection. */
  readonly settings?: ReadonlyMap<string, string>
  /** What committed transactions inserted, in order; shared by all connections of a database. */
  readonly committed: string[]
  /**
   * Hears of what an error left undone and Weir cannot know of in time: names of statements whose
   * Close was skipped, and of the unnamed one whose Parse was, or failed behind something else.
   */
  readonly undone?: (name: string) => void
}

/** One connection after login. Bytes in by `push`, answer out as its result. */
export class ModelServer {
  status: 'I' | 'T' | 'E' = 'I'
  closed = false
  #options: ModelOptions
  #settings: Map<string, string>
  #statements = new Map<string, string>()
  #portals = new Map<string, Portal>()
  #work: string[] = []
  #skipping = false
  /** Messages since the last Sync. */
  #inBatch = 0
  #copying: 'simple' | 'extended' | undefined
  #copied = 0
  #in: Buffer = Buffer.alloc(0)
  #out: Buffer[] = []

  constructor(options: ModelOptions) {
    this.#options = options
    this.#settings = new Map(options.settings)
  }

  get prepared(): number {
    return this.#statements.size
  }

  push(chunk: Buffer): Buffer {
    this.#in = Buffer.concat([this.#in, chunk])
    while (!this.closed && this.#in.length >= HEADER) {
      const total = this.#in.readUInt32BE(1) + 1
      if (this.#in.length < total) break
      const type = this.#in[0]!
      const body = this.#in.subarray(HEADER, total)
      this.#in = this.#in.subarray(total)
      this.#take(type, body)
    }
    return Buffer.concat(this.#out.splice(0))
  }

  #say(line: string): void {
    this.#out.push(backendBytes(line))
  }

  #take(type: number, body: Buffer): void {
    if (type === FRONTEND.TERMINATE) {
      this.closed = true
      return
    }
    if (this.#copying !== undefined) {
      this.#copy(type, body)
      return
    }
    if (this.#skipping && type !== FRONTEND.SYNC) {
      if (type === FRONTEND.CLOSE) this.#options.undone?.(read.readTarget(body).name)
      if (type === FRONTEND.PARSE && read.readParse(body).name === '') this.#options.undone?.('')
      return
    }
    if (type === FRONTEND.QUERY) {
      this.#inBatch = 0
      this.#query(read.readQuery(body).toString())
      return
    }
    if (type === FRONTEND.SYNC) {
      this.#skipping = false
      this.#inBatch = 0
      this.#settle()
      return
    }
    this.#inBatch++
    try {
      this.#extended(type, body)
    } catch (error) {
      this.#fail(error)
      this.#skipping = true
      if (type !== FRONTEND.PARSE || read.readParse(body).name !== '') return
      if (this.#inBatch > 1) this.#options.undone?.('')
    }
  }

  #extended(type: number, body: Buffer): void {
    switch (type) {
      case FRONTEND.PARSE:
        this.#parse(body)
        return
      case FRONTEND.BIND:
        this.#bind(body)
        return
      case FRONTEND.DESCRIBE:
        this.#describe(body)
        return
      case FRONTEND.EXECUTE:
        this.#execute(body)
        return
      case FRONTEND.CLOSE: {
        const { kind, name } = read.readTarget(body)
        if (kind === 'S') this.#statements.delete(name)
        else this.#portals.delete(name)
        this.#say('CloseComplete')
        return
      }
      case FRONTEND.FLUSH:
      case FRONTEND.COPY_DATA:
      case FRONTEND.COPY_DONE:
      case FRONTEND.COPY_FAIL:
        return
      default:
        throw new Error(`the model knows no message ${String.fromCharCode(type)}`)
    }
  }

  #parse(body: Buffer): void {
    const { name, text: bytes } = read.readParse(body)
    const text = bytes.toString()
    if (name === '') this.#statements.delete('')
    if (text === 'bad') throw new Refusal('42601', 'syntax error at or near "bad"')
    if (text !== '') this.#refuseInFailed(text)
    if (name !== '' && this.#statements.has(name)) {
      throw new Refusal('42P05', `prepared statement "${name}" already exists`)
    }
    this.#statements.set(name, text)
    this.#say('ParseComplete')
  }

  #bind(body: Buffer): void {
    const { portal, statement, rest } = read.readBindNames(body)
    const text = this.#statement(statement)
    this.#refuseInFailed(text)
    if (portal !== '' && this.#portals.has(portal)) {
      throw new Refusal('42P03', `portal "${portal}" already exists`)
    }
    this.#portals.set(portal, { text, values: values(body, rest), rows: undefined })
    this.#say('BindComplete')
  }

  #describe(body: Buffer): void {
    const { kind, name } = read.readTarget(body)
    const text = kind === 'S' ? this.#statement(name) : this.#portal(name).text
    if (hasRows(text)) this.#refuseInFailed(text)
    if (kind === 'S')
      this.#say(text.includes('$1') ? 'ParameterDescription [25]' : 'ParameterDescription []')
    this.#say(hasRows(text) ? 'RowDescription ["c"]' : 'NoData')
  }

  #execute(body: Buffer): void {
    const { portal: name, maxRows } = read.readExecute(body)
    const portal = this.#portal(name)
    this.#refuseInFailed(portal.text)
    if (portal.text === '') {
      this.#say('EmptyQueryResponse')
      return
    }
    if (portal.text === 'copy') {
      this.#startCopy('extended')
      return
    }
    const first = portal.rows === undefined
    if (hasRows(portal.text)) {
      portal.rows ??= this.#rows(portal.text, portal.values)
      const fetched = portal.rows.splice(0, maxRows > 0 ? maxRows : portal.rows.length)
      for (const row of fetched) this.#say(`DataRow ${JSON.stringify([row])}`)
      if (portal.rows.length > 0) this.#say('PortalSuspended')
      else this.#say(`CommandComplete "SELECT ${fetched.length}"`)
      return
    }
    if (!first) throw new Refusal('55000', `portal "${name}" cannot be run`)
    portal.rows = []
    const tag = this.#run(portal.text, portal.values)
    this.#say(`CommandComplete ${JSON.stringify(tag)}`)
  }

  #query(text: string): void {
    this.#statements.delete('')
    const parts = text === '' ? [] : text.split(';').filter((part) => part !== '')
    try {
      if (parts.length === 0) this.#say('EmptyQueryResponse')
      for (const part of parts) {
        if (part === 'bad') throw new Refusal('42601', 'syntax error at or near "bad"')
        this.#refuseInFailed(part)
        if (part === 'copy') {
          this.#startCopy('simple')
          return
        }
        if (hasRows(part)) {
          const rows = this.#rows(part, [])
          this.#say('RowDescription ["c"]')
          for (const row of rows) this.#say(`DataRow ${JSON.stringify([row])}`)
          this.#say(`CommandComplete "SELECT ${rows.length}"`)
        } else this.#say(`CommandComplete ${JSON.stringify(this.#run(part, []))}`)
      }
    } catch (error) {
      this.#fail(error)
    }
    this.#settle()
  }

  /** The end of a request: outside of a transaction block its work is committed. */
  #settle(): void {
    if (this.status === 'I') this.#end(true)
    this.#say(`ReadyForQuery ${this.status}`)
  }

  #end(commit: boolean): void {
    if (commit) this.#options.committed.push(...this.#work)
    this.#work = []
    this.#portals.clear()
  }

  #fail(error: unknown): void {
    if (!(error instanceof Refusal)) throw error
    this.#say(`ErrorResponse ERROR ${error.code} ${JSON.stringify(error.message)}`)
    if (this.status === 'I') this.#end(false)
    else this.status = 'E'
    this.#portals.clear()
  }

  #refuseInFailed(text: string): void {
    if (this.status === 'E' && !ENDS.test(text)) throw ABORTED
  }

  #statement(name: string): string {
    const text = this.#statements.get(name)
    if (text !== undefined) return text
    const what = name === '' ? 'unnamed prepared statement' : `prepared statement "${name}"`
    throw new Refusal('26000', `${what} does not exist`)
  }

  #portal(name: string): Portal {
    const portal = this.#portals.get(name)
    if (portal === undefined) throw new Refusal('34000', `portal "${name}" does not exist`)
    return portal
  }

  #rows(text: string, list: readonly (string | null)[]): string[] {
    if (text === 'fail') throw new Refusal('22012', 'division by zero')
    if (text === 'show') return [JSON.stringify([...this.#settings].sort())]
    if (text.startsWith('rows ')) {
      return Array.from({ length: Number(text.slice(5)) }, (_, i) => `row ${i}`)
    }
    return [`${text} (${list.join()})`]
  }

  /** Runs what gives no rows; returns its tag. */
  #run(text: string, list: readonly (string | null)[]): string {
    const word = text.split(' ', 1)[0]!.toLowerCase()
    switch (word) {
      case 'begin':
        if (this.status === 'I') this.status = 'T'
        else this.#warn('there is already a transaction in progress')
        return 'BEGIN'
      case 'commit':
      case 'rollback': {
        if (this.status === 'I') this.#warn('there is no transaction in progress')
        const commit = word === 'commit' && this.status !== 'E'
        this.status = 'I'
        this.#end(commit)
        return commit ? 'COMMIT' : 'ROLLBACK'
      }
      case 'insert':
        this.#work.push(`${text} (${list.join()})`)
        return 'INSERT 0 1'
      case 'set': {
        const [, name, value] = /^set (\S+) = '(.*)'$/.exec(text)!
        this.#settings.set(name!, value!)
        return 'SET'
      }
      case 'reset':
        this.#settings.delete(text.slice(6).replaceAll('"', ''))
        return 'RESET'
      case 'select': {
        // What Weir itself sends to bring settings along.
        for (const [, name, value] of text.matchAll(/set_config\('([^']*)','([^']*)',false\)/g)) {
          this.#settings.set(name!, value!)
        }
        return 'SELECT 1'
      }
      case 'discard':
        if (this.status !== 'I')
          throw new Refusal('25001', 'DISCARD ALL cannot run inside a transaction block')
        this.#statements.clear()
        this.#settings = new Map(this.#options.settings)
        return 'DISCARD ALL'
      default:
        throw new Error(`the model does not understand: ${text}`)
    }
  }

  #warn(message: string): void {
    this.#say(`NoticeResponse WARNING 25P01 ${JSON.stringify(message)}`)
  }

  #startCopy(how: 'simple' | 'extended'): void {
    this.#copying = how
    this.#copied = 0
    this.#say('CopyInResponse')
  }

  #copy(type: number, body: Buffer): void {
    const how = this.#copying
    switch (type) {
      case FRONTEND.COPY_DATA:
        this.#copied++
        if (body.toString() !== 'wrong') return
        this.#copyFailed(how, new Refusal('22P02', 'invalid input syntax'))
        return
      case FRONTEND.COPY_DONE:
        this.#copying = undefined
        this.#work.push(`copied ${this.#copied}`)
        this.#say(`CommandComplete "COPY ${this.#copied}"`)
        if (how === 'simple') this.#settle()
        return
      case FRONTEND.COPY_FAIL:
        this.#copyFailed(
          how,
          new Refusal('57014', `COPY from stdin failed: ${read.readCommandTag(body)}`),
        )
        return
      case FRONTEND.SYNC:
      case FRONTEND.FLUSH:
        return
      default:
        this.#say('ErrorResponse FATAL 08P01 "protocol synchronization was lost"')
        this.closed = true
    }
  }

  #copyFailed(how: 'simple' | 'extended' | undefined, error: Refusal): void {
    this.#copying = undefined
    this.#fail(error)
    if (how === 'simple') this.#settle()
    else this.#skipping = true
  }
}

function hasRows(text: string): boolean {
  return /^(echo|rows|show|fail|table)/.test(text)
}

function values(body: Buffer, rest: number): (string | null)[] {
  const list: (string | null)[] = []
  let at = rest + 4
  for (let i = body.readUInt16BE(rest + 2); i > 0; i--) {
    const length = body.readInt32BE(at)
    list.push(length < 0 ? null : body.toString('utf8', at + 4, at + 4 + length))
    at += 4 + Math.max(0, length)
  }
  return list
}

/** How many ReadyForQuery stand in `bytes`. */
export function readyCount(bytes: Buffer): number {
  let count = 0
  for (let at = 0; at + HEADER <= bytes.length; at += bytes.readUInt32BE(at + 1) + 1) {
    if (bytes[at] === BACKEND.READY_FOR_QUERY) count++
  }
  return count
}
