/**
 * What a StartupMessage asks for. Rule: every parameter is kept; only those with a meaning for the
 * proxy itself are taken out. `options` is split as pg_split_opts() does it and read as the
 * backend's own command line, of which `-c name=value` and `--name=value` are understood; any other
 * switch is refused rather than lost.
 */
import type { Startup } from '../../wire/postgres/startup.ts'
import type { RefusalReason } from './greet-step.ts'

export interface StartupRequest {
  readonly user: string
  readonly database: string
  readonly parameters: Map<string, string>
  readonly options: Map<string, string>
  readonly replication: string | undefined
  readonly endpoint: string | undefined
  readonly protocolMinor: 0 | 2
  /** Unknown `_pq_.` options, to be told to the client. */
  readonly unsupported: string[]
  /** Whether the client must be told which version and options it gets. */
  readonly negotiate: boolean
}

export interface StartupFault {
  readonly reason: RefusalReason
  readonly code: string
  readonly message: string
  readonly hint?: string
}

const ENDPOINT = 'weir.endpoint'
/** The newest 3.x spoken here; 3.1 was never given a meaning. */
const NEWEST_MINOR = 2

export function readStartupRequest(startup: Startup): StartupRequest | StartupFault {
  const parameters = new Map<string, string>()
  const unsupported: string[] = []
  for (const [name, value] of startup.params) {
    if (name.startsWith('_pq_.')) unsupported.push(name)
    else parameters.set(name, value)
  }
  const taken = (name: string): string | undefined => {
    const value = parameters.get(name)
    parameters.delete(name)
    return value
  }
  const user = taken('user') ?? ''
  if (user === '') {
    return {
      reason: 'no-user',
      code: '28000',
      message: 'no PostgreSQL user name specified in startup packet',
    }
  }
  const database = taken('database') || user
  const replication = readReplication(taken('replication'))
  if (typeof replication === 'object') return replication
  const options = readOptions(taken('options') ?? '')
  if (!(options instanceof Map)) return options
  const endpoint = taken(ENDPOINT) ?? options.get(ENDPOINT)
  options.delete(ENDPOINT)
  return {
    user,
    database,
    parameters,
    options,
    replication,
    endpoint,
    protocolMinor: startup.minor >= NEWEST_MINOR ? NEWEST_MINOR : 0,
    unsupported,
    negotiate: startup.minor > NEWEST_MINOR || unsupported.length > 0,
  }
}

/** `database`, or a boolean in any form Postgres reads, prefixes of the words included. */
function readReplication(value: string | undefined): string | undefined | StartupFault {
  if (value === undefined || value === 'database') return value
  const text = value.toLowerCase()
  const begins = (word: string, shortest: number) =>
    text.length >= shortest && word.startsWith(text)
  if (text === '0' || begins('false', 1) || begins('no', 1) || begins('off', 2)) return undefined
  if (text === '1' || begins('true', 1) || begins('yes', 1) || text === 'on') return value
  return {
    reason: 'startup-parameter',
    code: '22023',
    message: `invalid value for parameter "replication": "${value}"`,
    hint: 'Valid values are: "false", 0, "true", 1, "database".',
  }
}

/** Words of `text`: white space divides, a backslash takes the next character as it is. */
export function splitOptions(text: string): string[] {
  const words: string[] = []
  let word: string | undefined
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!
    if (character === '\\') {
      // At the very end there is nothing to take; Postgres drops the backslash too.
      word = (word ?? '') + (text[++i] ?? '')
    } else if (/[ \t\n\v\f\r]/.test(character)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else {
      word = (word ?? '') + character
    }
  }
  if (word !== undefined) words.push(word)
  return words
}

function readOptions(text: string): Map<string, string> | StartupFault {
  const options = new Map<string, string>()
  const words = splitOptions(text)
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    let setting: string | undefined
    if (word === '-c') setting = words[++i]
    else if (word.startsWith('-c') || word.startsWith('--')) setting = word.slice(2)
    if (setting === undefined || setting === '') return unknownSwitch(word)
    const equals = setting.indexOf('=')
    if (equals < 0) {
      const shown = word.startsWith('--') ? word : `-c ${setting}`
      return { ...unknownSwitch(word), code: '42601', message: `${shown} requires a value` }
    }
    options.set(setting.slice(0, equals).replaceAll('-', '_'), setting.slice(equals + 1))
  }
  return options
}

function unknownSwitch(word: string): StartupFault {
  return {
    reason: 'startup-parameter',
    code: '0A000',
    message: `startup option "${word}" is not understood`,
    hint: 'Write settings as -c name=value.',
  }
}
