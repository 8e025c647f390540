/** docs/login-matrix.md, written from what was seen. Rule: it adds nothing and leaves nothing out. */
import type { Outcome } from './login-drivers.ts'
import {
  type Cell,
  CLIENT_WAYS,
  DRIVERS,
  type Driver,
  NODE_WAYS,
  type Setup,
} from './login-matrix.ts'

export interface Seen {
  readonly setup: Setup
  readonly cell: Cell
  readonly driver: Driver
  readonly outcome: Outcome
}

/** A client that was refused before any node was asked. */
export interface TurnedAway {
  readonly what: string
  readonly driver: Driver
  readonly text: string
}

const HEAD = `# Which logins go together

Every way to log in to Weir (rows) with every way in which a node asks Weir (columns), tried by three
clients: libpq (psql 15), \`pg\` 8 and \`postgres\` 3. Written by \`tests/integration/login-matrix.test.ts\`
with \`WEIR_WRITE_MATRIX=1\`; the suite checks every cell.

A cell has one sign for each client, in that order: \`+\` it got in, and \`select current_user\` on the node
gave the user it asked for; a letter: it was refused with that text (below); \`-\`: that client cannot do
it (\`postgres\` knows no channel binding).

Rows: \`scram-plus\` is channel binding, which psql demands (\`channel_binding=require\`) and \`pg\` uses where
it is offered; \`cert\` a client certificate instead of a password; \`token\` an IAM token with
\`iamAuth: required\`. Columns: \`scram-plus\` is \`tls.nodesChannelBinding: require\`, which without TLS
towards the nodes is refused when the configuration is read; \`password\` is the password in clear, which
Weir sends over TLS only; \`cert\` needs TLS and \`tls.nodesCertFile\`. Clients use \`sslmode=prefer\`, and
\`verify-full\` where \`tls.mode\` is \`required\`.
`

export function writeMatrix(seen: readonly Seen[], turnedAway: readonly TurnedAway[]): string {
  const texts: string[] = []
  const letterOf = (error: string): string => {
    const text = plain(error)
    if (!texts.includes(text)) texts.push(text)
    return String.fromCharCode(97 + texts.indexOf(text))
  }
  const tables = new Map<string, string[]>()
  for (const [title, some] of byTitle(seen)) {
    const table = tableOf(some, letterOf)
    tables.set(table, [...(tables.get(table) ?? []), title])
  }
  const parts = [...tables].map(
    ([table, titles]) => `## ${titles[0]}\n\n${also(titles.slice(1))}${table}`,
  )
  const refusals = texts.map((text, i) => `- **${String.fromCharCode(97 + i)}**: ${text}`)
  const ends = ['## The texts of refusals\n', refusals.join('\n'), away(turnedAway)]
  return `${[HEAD, ...parts, ...ends].join('\n')}\n`
}

function away(turnedAway: readonly TurnedAway[]): string {
  const byWhat = new Map<string, Set<string>>()
  for (const { what, text } of turnedAway) {
    const short = plain(text)
    byWhat.set(what, (byWhat.get(what) ?? new Set()).add(short))
  }
  const rows = [...byWhat].map(([what, texts]) => `| ${what} | ${[...texts].join('<br>')} |`)
  const head = ['| what is wrong | every client hears |', '| --- | --- |']
  return `\n## Turned away by Weir, before a node is asked\n\n${[...head, ...rows].join('\n')}`
}

function also(titles: readonly string[]): string {
  return titles.length === 0 ? '' : `The same for: ${titles.join('; ')}.\n\n`
}

function byTitle(seen: readonly Seen[]): Map<string, Seen[]> {
  const groups = new Map<string, Seen[]>()
  for (const one of seen) {
    const { clientTls, nodeTls, held } = one.setup
    const title = `tls.mode ${clientTls}, tls.nodes ${nodeTls}, Weir holds ${held}`
    groups.set(title, [...(groups.get(title) ?? []), one])
  }
  return groups
}

function tableOf(seen: readonly Seen[], letterOf: (error: string) => string): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const rows = CLIENT_WAYS.map((client) =>
    line([
      client,
      ...NODE_WAYS.map((node) => {
        const here = seen.filter(({ cell }) => cell.client === client && cell.node === node)
        if (here.length === 0) return 'not allowed'
        return DRIVERS.map((driver) => {
          const outcome = here.find((one) => one.driver === driver)?.outcome
          if (outcome === undefined) return '-'
          return 'error' in outcome ? letterOf(outcome.error) : '+'
        }).join(' ')
      }),
    ]),
  )
  const head = [
    line(['client \\ node', ...NODE_WAYS]),
    line(['---', ...NODE_WAYS.map(() => '---')]),
  ]
  return `${[...head, ...rows].join('\n')}\n`
}

/** Without the names of this run. */
function plain(error: string): string {
  return error
    .replaceAll(/\b\w+_to_\w+\b/g, 'USER')
    .replaceAll(/port \d+/g, 'port PORT')
    .trim()
}
