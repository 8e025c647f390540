/**
 * The tables of a storm's report and the words that explain it. Rule: every figure of the summary
 * stands in one of them, so that nothing can only be read off a picture.
 */
import {
  countText,
  lastedText,
  momentText,
  spanText,
  UNKNOWN,
} from '../../failover/report/figures.ts'
import { html, type Markup, type Piece } from '../../failover/report/markup.ts'
import { codeWords } from '../../failover/report/words.ts'
import { errorsOf, type Limit, type SpanName, type StormResult } from '../result.ts'
import { cameText, cpuText, memoryText } from './figures.ts'
import { memoryOfAClient, type TargetView } from './view.ts'

/** All columns but the first `words` are numbers. */
function table(headings: readonly Piece[], rows: readonly (readonly Piece[])[], words = 1): Markup {
  const head = headings.map((text, i) => html`<th${i >= words && html` class="n"`}>${text}</th>`)
  const body = rows.map(
    (cells) =>
      html`<tr>${cells.map((cell, i) => html`<td${i >= words && html` class="n"`}>${cell}</td>`)}</tr>`,
  )
  return html`<div class="wide"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`
}

const good = (text: string, fine: boolean): Markup =>
  fine ? html`<span class="good">${text}</span>` : html`<span class="bad">${text}</span>`

export function clientsTable(views: readonly TargetView[]): Markup {
  return table(
    [
      '',
      'arrived',
      'logged in',
      'answered',
      'errors',
      'dropped',
      'connect',
      'login',
      'first reply',
      'amid arrivals',
      'statement',
      'statements',
      'never sent',
    ].map((name) =>
      /^(connect|login|first reply|amid arrivals|statement)$/.test(name)
        ? html`${name}<br>p50 / p99`
        : name,
    ),
    views.map(({ result: r }) => {
      if (r.failure !== undefined) return [r.target, ...Array.from({ length: 12 }, () => UNKNOWN)]
      const pair = (name: SpanName): string => {
        const figures = r.spans[name]?.figures
        return figures === undefined
          ? UNKNOWN
          : `${spanText(figures.p50)} / ${spanText(figures.p99)}`
      }
      return [
        r.target,
        countText(r.arrived),
        countText(r.loggedIn),
        good(countText(r.answered), r.answered >= r.arrived),
        good(countText(errorsOf(r)), errorsOf(r) === 0),
        countText(r.dropped),
        pair('connect'),
        pair('authentication'),
        pair('firstReply'),
        pair('amid'),
        pair('statement'),
        countText(r.statements),
        countText(r.overdue),
      ]
    }),
  )
}

export function serversTable(views: readonly TargetView[]): Markup {
  const count = (n: number | undefined): string => (n === undefined ? UNKNOWN : countText(n))
  const cpu = (n: number | undefined): string => (n === undefined ? UNKNOWN : n.toFixed(2))
  return table(
    [
      '',
      'server connections, at most',
      'opened',
      'others’',
      'node CPU',
      'at most cores',
      'node memory',
      'proxy CPU',
      'at most cores',
      'proxy memory',
      'before',
      'a client',
      'SYN refused',
    ],
    views.map(({ result: r }) => [
      r.target,
      count(r.server?.peak),
      count(r.server?.opened),
      count(r.server?.otherPeak),
      cpuText(r.node?.cpuSeconds),
      cpu(r.node?.cpuPeak),
      memoryText(r.node?.memoryPeak),
      cpuText(r.proxy?.cpuSeconds),
      cpu(r.proxy?.cpuPeak),
      memoryText(r.proxy?.memoryPeak),
      memoryText(r.proxy?.memoryBefore),
      memoryText(memoryOfAClient(r)),
      count(r.overflows),
    ]),
  )
}

export function errorsTable(views: readonly TargetView[]): Markup {
  const rows = views.flatMap(({ result: r }): Piece[][] => {
    if (r.failure !== undefined) return [[r.target, '', r.failure, UNKNOWN]]
    const codes = Object.entries(r.errors).sort((a, b) => b[1] - a[1])
    if (codes.length === 0) return [[r.target, '', 'no errors', '0']]
    return codes.map(([code, n], i) => [
      i === 0 ? r.target : '',
      html`<code>${code}</code> ${codeWords(code)}`,
      r.texts[code] ?? '',
      countText(n),
    ])
  })
  return table(['', 'code', 'in the words of the first', 'clients'], rows, 3)
}

export function limitsTable(limits: readonly Limit[]): Markup {
  const rows = limits.flatMap(({ steps }) =>
    steps.map(({ target, clients, rate, expectations, warnings }) => [
      target,
      countText(clients),
      `${countText(rate)}/s`,
      html`${expectations.map(({ text, actual, met }, i) => [i > 0 && ', ', good(`${text}: ${cameText(text, actual)}`, met)])}`,
      warnings.every(({ kind }) => kind === 'busy') ? '' : 'not the target’s alone',
    ]),
  )
  return table(['', 'clients', 'rate', 'what was expected', ''], rows, 5)
}

/** Settings, machine and the command, so that somebody else can run it again. */
export function facts(result: StormResult): Markup {
  const pairs = (entries: Readonly<Record<string, string | number | boolean>>): Piece =>
    Object.entries(entries).map(([name, value]) => html`<dt>${name}</dt><dd>${String(value)}</dd>`)
  const trust = result.targets.map(
    ({ target, instrument: i }) =>
      html`<dt>${target}</dt><dd>${i.threads} threads; what was due was begun within ${spanText(i.late?.p99)} (p99), ${spanText(i.late?.max)} at worst; longest stall ${spanText(i.longestStallMs)}; the busiest thread ${share(i.busiest)}, the machine ${share(i.machineBusiest)} busy at most; CPU of the instrument ${cpuText(i.cpuSeconds)}; SCRAM keys derived ${countText(i.derivations)} times</dd>`,
  )
  return html`<pre><code>${result.command}</code></pre><h3>Settings</h3><dl class="pairs">${pairs(result.settings)}</dl><h3>Machine</h3><dl class="pairs">${pairs(result.machine)}<dt>began</dt><dd>${momentText(result.began)}</dd><dt>lasted</dt><dd>${lastedText(result.ended - result.began)}</dd></dl><h3>How far to trust it</h3><dl class="pairs">${trust}</dl>`
}

const share = (part: number | undefined): string =>
  part === undefined ? UNKNOWN : `${Math.round(part * 100)} %`

export const MEANINGS: readonly (readonly [string, string])[] = [
  [
    'due',
    'Arrivals and statements are on a schedule made before. Nothing holds it up: who comes late, because the target or the instrument was slow, counts from when it was due.',
  ],
  ['connect', 'From the due time of an arrival to the TCP connection, and TLS where there is any.'],
  ['login', 'From the connection to the first ReadyForQuery: startup, SCRAM, settings.'],
  [
    'first reply',
    'From the due time of an arrival to the answer to its first statement: all of it.',
  ],
  [
    'statement',
    'From the due time of a later statement to its answer. For functions: their transaction, from the login to the answer to COMMIT.',
  ],
  [
    'amid arrivals',
    'The same, of statements that fell due while other clients were still to arrive: what those that are there feel of those that come.',
  ],
  [
    'never sent',
    'Statements that were due while the one before was not answered, until the end. They count as long as they waited.',
  ],
  [
    'errors',
    'By SQLSTATE where a server gave one, else by the system’s code or a word: login-timeout, answer-timeout, connection-closed.',
  ],
  [
    'server connections',
    'Sessions of the clients’ user on the node, asked twice a second from a connection that was open before; “opened” is how many began during the storm; “others’” are control connections, a proxy’s for one.',
  ],
  [
    'CPU, memory',
    'Of the process and all its children, from /proc; memory that processes share is divided among them.',
  ],
  [
    'SYN refused',
    'How often the kernel of this machine threw a connection away because a listener’s accept queue was full. The client’s next try comes a second later.',
  ],
]
