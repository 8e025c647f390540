/**
 * The report of a storm: one file that holds all it needs and is read without a script, on a screen or
 * on paper. Rule: it is made of a `StormResult` alone; two people with the same JSON see the same.
 */
import {
  countText,
  lastedText,
  momentText,
  plural,
  spanText,
} from '../../failover/report/figures.ts'
import { html, Markup, type Piece } from '../../failover/report/markup.ts'
import { rangesPicture } from '../../failover/report/ranges-picture.ts'
import { STYLE } from '../../failover/report/style.ts'
import { codeWords } from '../../failover/report/words.ts'
import { errorsOf, type SpanName, type StormResult } from '../result.ts'
import { curvePicture } from './curve-picture.ts'
import { cameText, memoryText } from './figures.ts'
import { type Line, linesPicture } from './lines-picture.ts'
import { clientsTable, errorsTable, facts, limitsTable, MEANINGS, serversTable } from './tables.ts'
import {
  cores,
  isFine,
  memoryOfAClient,
  overTime,
  type Points,
  perSecond,
  seen,
  type TargetView,
  viewsOf,
} from './view.ts'

const MIB = 1024 ** 2

const MORE_STYLE = `
path.line { fill: none !important; stroke-width: 2; stroke-linejoin: round; }
@media screen { .cards { grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); } }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 0 26px; }
.two h3 { margin-top: 18px; } .two figure { overflow: visible; } .two figure svg { min-width: 0; }
.warnings { margin: 12px 0; padding: 0; list-style: none; }
.warnings li { margin: 6px 0; }
@media screen and (max-width: 900px) { .two { grid-template-columns: 1fr; } }
`

/** The whole file, as text. */
export function stormHtml(result: StormResult): string {
  const views = viewsOf(result)
  const title = titleOf(result, views)
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title><style>${new Markup(STYLE + MORE_STYLE)}</style></head><body><main>
${header(result, title)}
<section>${leadSentence(views)}${cards(views)}${warnings(views)}</section>
${limits(result)}
<section><h2>Side by side</h2>${clientsTable(views)}${ranges(views)}</section>
<section><h2>Over time</h2>${legend(views)}${series(views)}</section>
<section><h2>Node and proxy</h2>${serversTable(views)}</section>
<section><h2>Errors that clients saw</h2>${errorsTable(views)}</section>
<section><h2>Distributions</h2>${legend(views)}${curve(views, 'firstReply', 'First reply')}${curve(views, 'statement', 'Statement')}</section>
<section><h2>Who took part</h2><dl class="pairs">${views.map(({ result: r }) => html`<dt>${r.target}</dt><dd>${r.description}</dd>`)}</dl></section>
<section><h2>How it was measured</h2>${facts(result)}</section>
<section><h2>What each figure means</h2><dl class="pairs">${MEANINGS.map(([name, text]) => html`<dt>${name}</dt><dd>${text}</dd>`)}</dl></section>
<footer>Measured and written by weir storm, Weir ${result.version}. The figures stand in this file as JSON too, in the element with the id “weir-storm”.</footer>
</main>${data(result)}</body></html>
`
  return page.text
}

function titleOf({ storm }: StormResult, views: readonly TargetView[]): string {
  const [lead, ...others] = views.map(({ result }) => result.target)
  const beside = others.length === 0 ? '' : ` beside ${listed(others)}`
  return `${storm.split(',')[0] ?? storm}: ${lead}${beside}`
}

function header(result: StormResult, title: string): Markup {
  const verdicts = result.expectations.map(
    ({ text, target, actual, met }) =>
      html`<li class="${met ? 'met' : 'missed'}">${met ? '✓' : '✗'} ${text} <span>(${target}: ${cameText(text, actual)})</span></li>`,
  )
  return html`<header><div class="over">Storm report</div><h1>${title}</h1><p class="soft">${momentText(result.began)} · ${result.storm} · ${lastedText(result.ended - result.began)} in all</p>${verdicts.length > 0 && html`<ul class="verdicts">${verdicts}</ul>`}</header>`
}

/** Each target in a sentence, the bad as plainly as the good. */
function leadSentence(views: readonly TargetView[]): Markup {
  return html`<p class="lead">${views.map(({ result: r }) => {
    if (r.failure !== undefined) return html`<b>${r.target}</b> could not be measured. `
    const node =
      r.server === undefined
        ? ''
        : `, with at most ${plural(r.server.peak, 'connection')} on the node`
    const reply = spanText(r.spans.firstReply?.figures.p99)
    if (isFine(r)) {
      return html`<b>${r.target}</b>: all ${countText(r.answered)} clients were answered without an error${node}; 99 of 100 had their first reply within ${reply}. `
    }
    const [code] = Object.entries(r.errors).sort((a, b) => b[1] - a[1])[0] ?? ['']
    const words = codeWords(code)
    return html`<b>${r.target}</b>: <span class="bad">${countText(r.answered)} of ${countText(r.arrived)} clients were answered, with ${plural(errorsOf(r), 'error')}${code !== '' && `, most of them ${code}${words === '' ? '' : ` (${words})`}`}</span>${node}. `
  })}</p>`
}

function cards(views: readonly TargetView[]): Markup {
  const [lead, ...others] = views
  if (lead === undefined) return html``
  const list: readonly [string, (view: TargetView) => string, (view: TargetView) => boolean][] = [
    [
      'Clients answered',
      ({ result: r }) => countText(r.answered),
      ({ result: r }) => r.answered < r.arrived,
    ],
    ['Errors', ({ result: r }) => countText(errorsOf(r)), ({ result: r }) => errorsOf(r) > 0],
    [
      'First reply, 99 of 100',
      ({ result: r }) => spanText(r.spans.firstReply?.figures.p99),
      () => false,
    ],
    [
      'Statement, 99 of 100',
      ({ result: r }) => spanText(r.spans.statement?.figures.p99),
      () => false,
    ],
    [
      'Connections on the node, at most',
      ({ result: r }) => (r.server === undefined ? '–' : countText(r.server.peak)),
      () => false,
    ],
    ['Proxy memory a client', ({ result: r }) => memoryText(memoryOfAClient(r)), () => false],
  ]
  return html`<div class="cards">${list.map(
    ([what, value, worry]) =>
      html`<div class="card"><div class="what">${what}</div><div class="${worry(lead) ? 'value bad' : 'value'}">${value(lead)}</div><div class="more">${lead.result.target}</div>${
        others.length > 0 &&
        html`<dl>${others.map((other) => html`<dt>${other.result.target}</dt><dd>${value(other)}</dd>`)}</dl>`
      }</div>`,
  )}</div>`
}

/** What the instrument says against itself. */
function warnings(views: readonly TargetView[]): Piece {
  const all = views.flatMap(({ result: r }) =>
    r.instrument.warnings.map(
      ({ text }) => html`<li class="note"><b>${r.target}</b>: ${text}</li>`,
    ),
  )
  return all.length > 0 && html`<ul class="warnings">${all}</ul>`
}

function limits(result: StormResult): Piece {
  if (result.limits.length === 0) return undefined
  return html`<section><h2>Raised until it broke</h2>${result.limits.map(({ verdict }) => html`<p>${verdict}.</p>`)}${limitsTable(result.limits)}</section>`
}

function legend(views: readonly TargetView[]): Markup {
  return html`<div class="legend">${views.map(({ result, colour }) => html`<span><i class="subject-${colour}" style="background: var(--subject-${colour})"></i>${result.target}</span>`)}</div>`
}

function ranges(views: readonly TargetView[]): Piece {
  const lanes = (name: SpanName) =>
    views.map(({ result, colour }) => ({
      subject: result.target,
      colour,
      values: result.spans[name]?.figures,
    }))
  const drawn = rangesPicture([
    { title: 'connect', lanes: lanes('connect') },
    { title: 'login', lanes: lanes('authentication') },
    { title: 'first reply', lanes: lanes('firstReply') },
    { title: 'statement amid arrivals', lanes: lanes('amid') },
    { title: 'statement', lanes: lanes('statement') },
  ])
  if (drawn === undefined) return undefined
  return html`<figure>${drawn}<figcaption>Bars reach from p50 to p99, the thin line to the worst.</figcaption></figure>`
}

function series(views: readonly TargetView[]): Piece {
  const until = Math.max(1_000, ...views.map(({ result }) => result.lastedMs))
  const lines = (points: (view: TargetView) => Points, dashed = false): Line[] =>
    views.map((view) => ({
      name: view.result.target,
      colour: view.colour,
      dashed,
      points: points(view),
    }))
  const figure = (
    title: string,
    caption: string,
    drawn: readonly Line[],
    value: (value: number) => string,
    log = false,
  ): Piece => {
    const image = linesPicture(drawn, { label: title, value, log, until })
    if (image === undefined) return undefined
    return html`<figure><h3>${title}</h3>${image}<figcaption>${caption}</figcaption></figure>`
  }
  return html`<div class="two">${[
    figure(
      'Clients that are there',
      'Connected and logged in.',
      lines(({ result }) => overTime(result, ({ open }) => open)),
      countText,
    ),
    figure(
      'Connections on the node',
      'Of the clients’ user, asked twice a second.',
      lines(({ result }) => seen(result, ({ server }) => server?.load)),
      countText,
    ),
    figure(
      'First reply, 99 of 100',
      'Of those who got it in that half second, from when they were due.',
      lines(({ result }) => overTime(result, ({ firstReply }) => firstReply?.p99)),
      spanText,
      true,
    ),
    figure(
      'Statement, 99 of 100',
      'Of those answered in that half second, from when they were due.',
      lines(({ result }) => overTime(result, ({ statement }) => statement?.p99)),
      spanText,
      true,
    ),
    figure(
      'Statements answered',
      'A second.',
      lines(({ result }) => overTime(result, ({ statements }) => perSecond(statements))),
      countText,
    ),
    figure(
      'Errors',
      'A second.',
      lines(({ result }) => overTime(result, ({ errors }) => perSecond(errors))),
      countText,
    ),
    figure(
      'CPU of proxy and node',
      'Cores in use; the node with all its server processes is dashed.',
      [
        ...lines(({ result }) => cores(result, 'proxy')),
        ...lines(({ result }) => cores(result, 'node'), true),
      ],
      (value) => String(Number(value.toPrecision(3))),
    ),
    figure(
      'Memory of proxy and node',
      'The node with all its server processes is dashed; what they share counts once.',
      [
        ...lines(({ result }) => seen(result, ({ proxy }) => proxy && proxy.memory / MIB)),
        ...lines(({ result }) => seen(result, ({ node }) => node && node.memory / MIB), true),
      ],
      (value) => `${countText(value)} MiB`,
    ),
  ]}</div>`
}

function curve(views: readonly TargetView[], name: SpanName, title: string): Piece {
  const lines = views.map(({ result, colour }) => ({
    name: result.target,
    colour,
    span: result.spans[name],
  }))
  const drawn = curvePicture(lines, `${title} by share`)
  if (drawn === undefined) return undefined
  return html`<figure><h3>${title}</h3>${drawn}<figcaption>So many of all were at most so long. Merged from the histograms of all threads, never from percentiles.</figcaption></figure>`
}

/** The result without its looks, for programs; it runs nothing. */
function data(result: StormResult): Markup {
  const targets = result.targets.map(({ moments, sights, ...target }) => ({
    ...target,
    moments: moments.length,
    sights: sights.length,
  }))
  // A `</script>` in a command or a message would end the element.
  const text = JSON.stringify({ ...result, targets }).replaceAll('<', '\\u003c')
  return new Markup(`<script type="application/json" id="weir-storm">${text}</script>`)
}

function listed(names: readonly string[]): string {
  const last = names.at(-1) ?? ''
  return names.length < 2 ? last : `${names.slice(0, -1).join(', ')} and ${last}`
}
