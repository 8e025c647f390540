/**
 * One random client: chooses, sends, and holds every answer against its model; goes away now and then
 * and comes back as somebody else. Rule: the first difference ends it, with all that is needed to
 * play it again: seed, startup settings and the groups since it came.
 */
import { Choice, type Random } from './choose.ts'
import { matches, Speaker, TICKET_LINE } from './expect.ts'
import { encode, Line, type LineOptions } from './line.ts'
import { AUTH, LOGIN, REPORTED, ROLE, ROLES, SETTINGS } from './settings-table.ts'
import { type Group, statementsIn } from './statements.ts'

export interface Difference {
  readonly client: number
  readonly seed: number
  /** A row or a report that is not what the session has: maybe somebody else's. */
  readonly leak: boolean
  readonly expected: string
  readonly came: string
  readonly parameters: Readonly<Record<string, string>>
  readonly groups: readonly Group[]
}

export interface GuestOptions {
  readonly line: Omit<LineOptions, 'parameters'>
  readonly seed: number
  readonly client: number
  /** What a session begins with, by the order of `SETTINGS`. */
  readonly defaults: readonly string[]
  readonly prepareSql: boolean
  readonly sequences: boolean
  /** True as long as there is something left to do; told how many statements were run. */
  readonly goOn: (statements: number) => boolean
}

/** So many groups are kept for the report of a difference. */
const KEPT_GROUPS = 500

/** Reproducible numbers in [0, 1). */
export function randomOf(seed: number): Random {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Startup parameters, and the values a session that asked for them begins with. */
export function startOf(
  random: Random,
  from: number,
  defaults: readonly string[],
): { parameters: Record<string, string>; start: string[] } {
  const start = [...defaults]
  const parameters: Record<string, string> = {}
  const options: string[] = []
  let n = 0
  SETTINGS.forEach(({ name, superuser, values }, i) => {
    // Put back behind a RESET ALL with the rights of the role at hand, which may not be enough.
    if (superuser === true) return
    if (random() > (name === 'application_name' ? 0.8 : 0.25)) return
    const all = typeof values === 'function' ? [values(from, n++)] : values
    const value = all[Math.floor(random() * all.length)]!
    // A style without an order would be merged with the default.
    if (name === 'datestyle' && !value.includes(',')) return
    // Drivers of their own have to know the encoding; as an option it would be the server's business.
    if (random() < 0.5 || name === 'client_encoding') parameters[name] = value
    else options.push(`-c ${name}=${value.replaceAll('\\', '\\\\').replaceAll(' ', '\\ ')}`)
    start[i] = value
  })
  start[ROLE] = 'none'
  start[AUTH] = LOGIN
  if (random() < 0.1) {
    const role = ROLES[Math.floor(random() * ROLES.length)]!
    options.push(`-c role=${role}`)
    start[ROLE] = role
  }
  if (options.length > 0) parameters['options'] = options.join(' ')
  return { parameters, start }
}

export class Guest {
  sessions = 0
  repeated = 0
  #o: GuestOptions
  #random: Random
  #numbers = 0

  constructor(options: GuestOptions) {
    this.#o = options
    this.#random = randomOf(options.seed)
  }

  /** Lives until there is nothing left to do, or to its first difference. */
  async live(): Promise<Difference | undefined> {
    for (;;) {
      const outcome = await this.#session()
      if (outcome === 'over') return undefined
      if (outcome !== 'again') return outcome
    }
  }

  async #session(): Promise<Difference | 'over' | 'again'> {
    const { client, seed, defaults, goOn } = this.#o
    // Keys and tags are of this session alone: what it leaves may take a moment to be cleaned.
    const from = client + 1_000 * this.sessions++
    const { parameters, start } = startOf(this.#random, from, defaults)
    const speaker = new Speaker(start)
    const groups: Group[] = []
    const differs = (expected: string, came: string): Difference => ({
      client,
      seed,
      leak: expected[0] === 'D' || expected[0] === 'S',
      expected,
      came,
      parameters,
      groups,
    })
    const line = await Line.open({ ...this.#o.line, parameters })
    try {
      const told = REPORTED.map((name) => line.known.get(name) ?? '')
      const wrong = reportWrong(told, speaker.model.state.reports())
      if (wrong !== undefined) return differs(...wrong)
      const choice = new Choice(speaker.model, {
        random: this.#random,
        from,
        next: () => this.#numbers++,
        prepareSql: this.#o.prepareSql,
        sequences: this.#o.sequences,
      })
      while (goOn(0)) {
        const group = choice.group()
        groups.push(group)
        if (group.how === 'leave') {
          leave(line, group)
          return 'again'
        }
        const wrong = await this.exchange(line, speaker, group)
        if (wrong !== undefined) return differs(...wrong)
        if (!goOn(statementsIn(group))) break
        if (groups.length > KEPT_GROUPS) groups.shift()
      }
      if (this.#random() < 0.5) line.end()
      return 'over'
    } finally {
      this.repeated += line.repeated
      line.destroy()
    }
  }

  /** Sends a group and compares; what was expected and what came, where they differ. */
  async exchange(
    line: Line,
    speaker: Speaker,
    group: Group,
  ): Promise<[string, string] | undefined> {
    let expected = speaker.expect(group)
    const { bytes, ready } = encode(group)
    line.write(bytes)
    await line.ready(ready)
    const came = line.take()
    expected = speaker.forgotten(came.lines, expected)
    let at = 0
    for (; at < expected.lines.length; at++) {
      const got = came.lines[at]
      const wanted = expected.lines[at]!
      if (got === undefined || !matches(got, wanted)) {
        const more = got?.startsWith('E') ? ` (${line.lastError})` : ''
        return [wanted, `${got ?? (line.closed ? 'the end' : 'nothing')}${more}`]
      }
      if (wanted === TICKET_LINE)
        speaker.model.ticket = { value: got.slice(2), fresh: speaker.model.status === 'T' }
    }
    if (came.lines.length > at) return ['nothing', came.lines[at]!]
    for (let i = 0; i < expected.reports.length; i++) {
      const wrong = reportWrong(came.reports[i]!, expected.reports[i]!)
      if (wrong !== undefined) return wrong
    }
    return undefined
  }
}

function reportWrong(
  came: readonly string[],
  expected: readonly string[],
): [string, string] | undefined {
  for (let i = 0; i < expected.length; i++) {
    if (came[i] !== expected[i]) {
      return [`S ${REPORTED[i]} ${expected[i]}`, `S ${REPORTED[i]} ${came[i]}`]
    }
  }
  return undefined
}

function leave(line: Line, group: Extract<Group, { how: 'leave' }>): void {
  const bytes = group.sending === undefined ? Buffer.alloc(0) : encode(group.sending).bytes
  if (bytes.length > 0) line.write(bytes.subarray(0, Math.ceil(bytes.length * group.cut)))
  if (group.politely && group.cut === 1) line.end()
  // What was written has to have left before the socket is torn down.
  else setImmediate(() => line.destroy())
}
