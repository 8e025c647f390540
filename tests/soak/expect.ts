/**
 * What a group of messages must be answered, message by message, as lines: `C SET`, `D a|b`, `E 42P01`,
 * `Z I`. Rule: simple queries, batches up to their Sync and what each of them means for transactions
 * follow postgres.c; the model says what the statements do.
 */
import { ANY_ROW, Model, type Outcome, TICKET_ROW } from './model.ts'
import type { Group, Message, Statement, Text } from './statements.ts'

export interface Expected {
  readonly lines: string[]
  /** Of each ReadyForQuery: what the client has been told of its settings. */
  readonly reports: string[][]
  /** An error 55000 would be right as well. */
  lenient: boolean
}

/** The model of a client that speaks the protocol: the model of its session and its named statements. */
export class Speaker {
  readonly model: Model
  unnamed: Text | undefined

  constructor(start: readonly string[]) {
    this.model = new Model(start)
  }

  expect(group: Group): Expected {
    const expected: Expected = { lines: [], reports: [], lenient: false }
    this.#group(group, expected)
    return expected
  }

  /** What else may be answered, when a sequence was forgotten: `came` has the error. */
  forgotten(came: readonly string[], expected: Expected): Expected {
    const at = came.indexOf('E 55000')
    if (!expected.lenient || at < 0) return expected
    const lines = [...expected.lines.slice(0, at), 'E 55000']
    this.model.fail()
    const again: Expected = { lines, reports: [], lenient: false }
    this.#ready(again)
    return again
  }

  #group(group: Group, expected: Expected): void {
    if (group.how === 'simple') this.#simple(group.statements, expected)
    else if (group.how === 'batch') this.#batch(group.messages, expected)
    else if (group.how === 'pipeline') for (const g of group.groups) this.#group(g, expected)
  }

  #ready({ lines, reports }: Expected): void {
    this.model.finish()
    lines.push(`Z ${this.model.status}`)
    reports.push(this.model.state.reports())
  }

  #simple(statements: readonly Statement[], expected: Expected): void {
    const { model } = this
    const { lines } = expected
    this.unnamed = undefined
    if (statements.some((s) => s.do === 'syntax')) {
      lines.push('E 42601')
      model.fail()
      this.#ready(expected)
      return
    }
    model.read()
    for (const s of statements) {
      model.begin()
      if (isRead(s) && model.mayForget) expected.lenient = true
      const outcome = model.run(s)
      if ('error' in outcome) {
        if (failsLate(s) && !model.failed) lines.push('T')
        lines.push(`E ${outcome.error}`)
        model.fail()
        break
      }
      if (outcome.rows !== undefined) lines.push('T')
      this.#result(outcome, lines)
    }
    this.#ready(expected)
  }

  #result(outcome: Outcome, lines: string[]): void {
    if ('error' in outcome) return
    for (const row of outcome.rows ?? []) lines.push(`D ${row}`)
    lines.push(`C ${outcome.tag}`)
  }

  #batch(messages: readonly Message[], expected: Expected): void {
    for (const message of messages) {
      const error = this.#message(message, expected)
      if (error === undefined) continue
      expected.lines.push(`E ${error}`)
      this.model.fail()
      break
    }
    this.#ready(expected)
  }

  /** The error it ends in. */
  #message(message: Message, expected: Expected): string | undefined {
    const { lines } = expected
    switch (message.send) {
      case 'flush':
        return undefined
      case 'parse':
        return this.#parse(message.name, message.text, lines)
      case 'close':
        if (message.name === '') this.unnamed = undefined
        else this.model.named.delete(message.name)
        lines.push('3')
        return undefined
      case 'describe':
        return this.#describe(message.name, lines)
      case 'run':
        return this.#run(message, expected)
    }
  }

  #parse(name: string, text: Text, lines: string[]): string | undefined {
    const { model } = this
    model.begin()
    model.read()
    if (name === '') this.unnamed = undefined
    const s = text.is === 'statement' ? text.statement : undefined
    if (s?.do === 'syntax') return '42601'
    if (model.failed && !(s !== undefined && Model.ends(s))) return '25P02'
    const error = s && model.analyse(s)
    if (error !== undefined) return error
    if (name === '') this.unnamed = text
    else if (this.model.named.has(name)) return '42P05'
    else this.model.named.set(name, text)
    lines.push('1')
    return undefined
  }

  #find(name: string): Text | undefined {
    return name === '' ? this.unnamed : this.model.named.get(name)
  }

  #describe(name: string, lines: string[]): string | undefined {
    const { model } = this
    model.begin()
    const text = this.#find(name)
    if (text === undefined) return '26000'
    const s = text.is === 'statement' ? text.statement : undefined
    const rows = s === undefined || hasRows(s)
    if (model.failed && rows) return '25P02'
    const error = s && rows ? model.analyse(s) : undefined
    if (error !== undefined) return error
    lines.push('t', rows ? 'T' : 'n')
    return undefined
  }

  #run(message: Extract<Message, { send: 'run' }>, expected: Expected): string | undefined {
    const { model } = this
    const { lines } = expected
    model.begin()
    const text = this.#find(message.name)
    if (text === undefined) return '26000'
    if (message.values.length !== arityOf(text)) return '08P01'
    const s = text.is === 'statement' ? text.statement : filled(text, message.values)
    if (isRead(s) && model.mayForget) expected.lenient = true
    if (model.failed && !(text.is === 'statement' && Model.ends(s))) return '25P02'
    const error = model.analyse(s)
    if (error !== undefined) return error
    if (s.do === 'divide') return '22012'
    if (s.do === 'scratch' && !model.mayRead) return '42501'
    lines.push('2')
    if (message.described) lines.push(hasRows(s) ? 'T' : 'n')
    const outcome = model.run(s)
    if ('error' in outcome) return outcome.error
    if (text.is === 'set-config') model.nameless = true
    this.#result(outcome, lines)
    return undefined
  }
}

const isRead = (s: Statement): boolean => s.do === 'currval' || s.do === 'lastval'

function arityOf(text: Text): number {
  if (text.is === 'statement') return 0
  return text.is === 'set-config' ? 3 : 1
}

/** The statement that a text with parameters is with these values. */
function filled(text: Text, values: readonly string[]): Statement {
  const [name = '', to = '', local = ''] = values
  if (text.is === 'current-setting') return { do: 'settings', names: [name] }
  return { do: 'set', name, to, local: local === 'true', by: 'config' }
}

const ROWS: ReadonlySet<Statement['do']> = new Set<Statement['do']>([
  'show',
  'settings',
  'isolation',
  'who',
  'whose',
  'mine',
  'divide',
  'offset',
  'day',
  'backslash',
  'literal',
  'tally',
  'scratch',
  'fetch',
  'lock',
  'try-lock',
  'unlock',
  'unlock-all',
  'locks',
  'nextval',
  'currval',
  'lastval',
])

export function hasRows(s: Statement): boolean {
  if (s.do === 'set-wrong') return s.sql.startsWith('select')
  return s.do === 'set' ? s.by === 'config' : ROWS.has(s.do)
}

/** Its error comes when it runs, after its columns were described. */
function failsLate(s: Statement): boolean {
  return hasRows(s) && (s.do === 'set' || s.do === 'set-wrong' || isRead(s))
}

/** What nextval gives. */
export const TICKET_LINE = `D ${TICKET_ROW}`

/** True when the line that came is the one expected. */
export function matches(came: string, expected: string): boolean {
  if (came === expected) return true
  return came.startsWith('D ') && (expected === `D ${ANY_ROW}` || expected === TICKET_LINE)
}
