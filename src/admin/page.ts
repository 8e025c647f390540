/**
 * The page for people: the status snapshot as tables. Rule: drawn here, on the server, from the
 * same value that `/status` prints; the browser only replaces what it was sent.
 */
import { failoverRows } from './failovers.ts'
import { Html, html } from './html.ts'
import { SCRIPT, STYLE } from './page-style.ts'
import type { EndpointStatus, NodeStatus, PoolStatus, StatusSnapshot } from './snapshot.ts'
import { healthWord, lag, mebibytes, orDash, outOf, poolNode, sourceLine, span } from './words.ts'

/** The whole document. */
export function page(status: StatusSnapshot): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Weir</title>
<style>${trusted(STYLE)}</style>
<noscript><meta http-equiv="refresh" content="5"></noscript>
</head>
<body>
<main>${tablesHtml(status)}</main>
<p class="sub"><span id="stale" class="bad">Weir does not answer; these are its last figures.</span></p>
<nav><a href="/status">status</a><a href="/clients">clients</a><a href="/metrics">metrics</a><a href="/readyz">ready?</a></nav>
<script>${trusted(SCRIPT)}</script>
</body>
</html>
`.text
}

/** What the page asks for every two seconds: the inside of its `main`. */
export function tables(status: StatusSnapshot): string {
  return tablesHtml(status).text
}

function tablesHtml(s: StatusSnapshot): Html {
  const { clients } = s
  return html`<h1>Weir</h1>
<p class="sub">${s.version}, up ${span(s.uptimeMs)}, topology epoch ${s.epoch}</p>
${pausesHtml(s)}<h2>Nodes</h2>
${table(
  ['name', 'address', 'role', 'health', 'lag', '#timeline', '#lent', 'connections', 'because'],
  s.nodes.map(nodeRow),
  'No node is known.',
)}
${sourceHtml(s)}<h2>Endpoints</h2>
${table(
  ['name', 'kind', 'address', '#clients', 'a new session gets'],
  s.endpoints.map(endpointRow),
  'No endpoint is configured.',
)}
<h2>Pools</h2>
${table(
  ['node', 'database', 'user', 'lent', '#idle', '#opening', '#waiting', 'longest wait'],
  s.pools.map(poolRow),
  'No pool yet: nobody has asked for a server connection.',
)}
<h2>Clients</h2>
<p>${clients.total} connected: ${clients.active} with a server connection, ${clients.waiting} waiting, ${clients.pinned} pinned.</p>
${table(['state', '#clients'], pairs(clients.byState), 'No client is connected.')}
${workersHtml(s)}<h2>Failovers</h2>
${table(
  ['#no', 'since (UTC)', 'writer', 'steps', '#whole', '#held', '#waited', 'clients told'],
  failoverRows(s.failovers),
  'The writer has not changed since the start.',
)}
<h2>Pins since the start</h2>
${table(
  ['reason', '#count'],
  s.pins.map((p) => html`<tr><td>${p.reason}</td><td class="n">${p.count}</td></tr>`),
  'No session was pinned.',
)}
<h2>Events</h2>
${table(
  ['when (UTC)', 'what'],
  [...s.events].reverse().map(
    (e) => html`<tr><td>${new Date(e.at).toISOString().slice(11, 23)}</td>
<td class="wide">${e.text}</td></tr>`,
  ),
  'Nothing has happened yet.',
)}`
}

/** Nothing at all while nothing is paused. */
function pausesHtml(s: StatusSnapshot): Html {
  if (s.pauses.length === 0) return html``
  const now = s.startedAt + s.uptimeMs
  const rows = s.pauses.map(
    (p) => html`<tr><td>${p.what}</td><td>${span(Math.max(0, now - p.since))}</td>
<td>${span(Math.max(0, p.until - now))}</td><td class="n">${p.lent}</td>
<td class="n">${p.waiting}</td></tr>`,
  )
  return html`<h2>Paused</h2>
${table(['what', 'for', 'ends in', '#still lent', '#waiting'], rows, '')}
`
}

/** Nothing while Weir is one process. */
function workersHtml(s: StatusSnapshot): Html {
  if (s.workers.length < 2) return html``
  const now = s.startedAt + s.uptimeMs
  const rows = s.workers.map(
    (w) => html`<tr><td class="n">${w.number}</td><td class="n">${w.pid}</td>
<td class="${w.state === 'serving' ? 'good' : 'warn'}">${w.state}</td><td>${span(Math.max(0, now - w.since))}</td>
<td class="n">${w.clients}</td><td class="n">${span(w.cpuSeconds * 1_000)}</td>
<td class="n">${mebibytes(w.memoryBytes)}</td></tr>`,
  )
  return html`<h2>Workers</h2>
${table(['#no', '#process', 'state', 'for', '#clients', '#CPU', '#memory'], rows, '')}
`
}

function sourceHtml({ source }: StatusSnapshot): Html {
  const line = sourceLine(source)
  if (line === undefined) return html``
  return html`<p class="sub${source.ok === false ? ' bad' : ''}">${line}</p>
`
}

/** A heading that begins with # stands over numbers, to the right. */
function table(headings: readonly string[], rows: readonly Html[], none: string): Html {
  if (rows.length === 0) return html`<p class="none">${none}</p>`
  const cells = headings.map((h) =>
    h.startsWith('#') ? html`<th class="n">${h.slice(1)}</th>` : html`<th>${h}</th>`,
  )
  return html`<div class="scroll"><table><thead><tr>${cells}</tr></thead><tbody>${rows}</tbody></table></div>`
}

function nodeRow(n: NodeStatus): Html {
  return html`<tr><td>${n.name}</td><td>${n.host}:${n.port}</td><td>${n.role}</td>
<td class="${healthClass(n.health)}">${healthWord(n)}</td><td>${lag(n.lagMs)}</td>
<td class="n">${orDash(n.timeline)}</td><td class="n">${n.leases}</td>
<td>${bar(n.connections, n.budget)}${outOf(n.connections, n.budget)}</td>
<td class="wide">${n.because}</td></tr>`
}

function healthClass(health: NodeStatus['health']): string {
  if (health === 'up') return 'good'
  return health === 'down' ? 'bad' : 'warn'
}

function endpointRow(e: EndpointStatus): Html {
  return html`<tr><td>${e.name}</td><td>${e.kind}</td><td>${e.address}</td>
<td class="n">${e.clients}</td><td class="wide">${e.chooses}</td></tr>`
}

function poolRow(p: PoolStatus): Html {
  return html`<tr><td>${poolNode(p)}</td><td>${p.database}</td><td>${p.user}</td>
<td>${bar(p.active, p.maximum)}${outOf(p.active, p.maximum)}</td><td class="n">${p.idle}</td>
<td class="n">${p.opening}</td><td class="n">${p.waiting}</td>
<td>${p.waiting === 0 ? '-' : span(p.longestWaitMs)}</td></tr>`
}

function bar(used: number, limit: number | null): Html {
  if (limit === null || limit <= 0) return html``
  const percent = Math.min(100, Math.round((100 * used) / limit))
  return html`<span class="bar"><i style="width: ${percent}%"></i></span>`
}

function pairs(counts: Readonly<Record<string, number>>): Html[] {
  return Object.entries(counts).map(
    ([word, n]) => html`<tr><td>${word}</td><td class="n">${n}</td></tr>`,
  )
}

/** Our own style and script, which escaping would break. */
function trusted(text: string): Html {
  return new Html(text)
}
