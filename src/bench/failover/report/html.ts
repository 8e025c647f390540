/**
 * The report: one file that holds all it needs and is read without a script, on a screen or on
 * paper. Rule: it is made of a `FailoverResult` alone, so that a report can be made again from the
 * JSON of a run, and two people with the same JSON see the same.
 */
import type { FailoverResult } from '../result.ts'
import { errorsPicture } from './errors-picture.ts'
import { lastedText, momentText, plural, spanText } from './figures.ts'
import { cards, crowdText, leadSentence } from './headline.ts'
import { html, Markup, type Piece } from './markup.ts'
import { rangesPicture } from './ranges-picture.ts'
import { stripsCaption, stripsPicture, windowOf } from './strips-picture.ts'
import { STYLE } from './style.ts'
import {
  arrowsTable,
  comparisonTable,
  droppedTable,
  expectations,
  facts,
  meanings,
  overviewTable,
  verdictTable,
} from './tables.ts'
import { timelinePicture } from './timeline-picture.ts'
import {
  type FaultView,
  faultViews,
  leadOf,
  roundsToShow,
  type SubjectView,
  subjectNames,
} from './view.ts'
import { FAULT_WORDS, PHASE_WORDS } from './words.ts'

/** The whole file, as text. */
export function reportHtml(result: FailoverResult): string {
  const views = faultViews(result)
  const title = titleOf(result, views)
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title><style>${new Markup(STYLE)}</style></head><body><main>
${header(result, views, title)}
${views.length > 1 && [html`<h2>All faults</h2>`, overviewTable(views)]}
${views.map((view) => faultSection(view, views.length === 1))}
<section><h2>Who took part</h2><dl class="pairs">${descriptions(result)}</dl></section>
<section><h2>How it was measured</h2>${facts(result)}${trust(views)}</section>
<section><h2>What each figure means</h2>${meanings()}</section>
<footer>Measured and written by weir failover, Weir ${result.version}. The figures stand in this file as JSON too, in the element with the id “weir-failover”.</footer>
</main>${data(result)}</body></html>
`
  return page.text
}

function titleOf(result: FailoverResult, views: readonly FaultView[]): string {
  const faults = views.map(({ fault }) => FAULT_WORDS[fault].title.toLowerCase())
  const what = faults.length < 3 ? faults.join(', ') : `${plural(faults.length, 'kind')} of fault`
  const others = subjectNames(result).slice(1)
  const beside = others.length === 0 ? '' : ` beside ${listed(others)}`
  return `${what}: ${leadOf(result)}${beside}`
}

function header(result: FailoverResult, views: readonly FaultView[], title: string): Markup {
  const [first] = views
  const crowd = first === undefined ? '' : crowdText(first)
  const rounds = plural(result.rounds.length, 'round')
  const lasted = lastedText(result.ended - result.began)
  return html`<header><div class="over">Failover report</div><h1>${capital(title)}</h1><p class="soft">${momentText(result.began)} · ${rounds} in ${lasted} · ${crowd}</p>${expectations(result.expectations, views.length)}</header>`
}

function faultSection(view: FaultView, only: boolean): Markup {
  const { fault, subjects } = view
  const worth = subjects.filter(({ rounds }) => rounds.length > 0)
  const voided = subjects.flatMap(({ invalid }) => invalid)
  return html`<section>${!only && html`<h2 class="fault">${FAULT_WORDS[fault].title}</h2>`}${leadSentence(view)}${cards(view)}
${
  voided.length > 0 &&
  html`<p class="note">${plural(voided.length, 'round')} not counted, because the instrument itself failed: ${voided.map((r) => `${r.subject} ${r.number} (${r.invalid})`).join('; ')}</p>`
}
<h3>Side by side</h3>${comparisonTable(view)}${ranges(view)}
${strips(worth)}
<h3>The failover, word by word</h3>${phaseLegend()}${worth.map(timeline)}
<h3>Errors that clients saw</h3><figure>${errorsPicture(worth)}</figure>${droppedTable(view)}
<h3>Judged by the sequence table</h3><p class="soft">Every write carries the client’s number and a running number; after each round the table on the final writer is compared with what each client was told.</p>${verdictTable(view)}</section>`
}

function ranges({ subjects }: FaultView): Piece {
  const lanes = (pick: (s: SubjectView['summary']) => SubjectView['summary']['writeGap']) =>
    subjects.map(({ summary, colour }) => ({
      subject: summary.subject,
      colour: colour % 6,
      values: pick(summary),
    }))
  const drawn = rangesPicture([
    { title: 'write gap', lanes: lanes((s) => s.writeGap) },
    { title: 'transaction gap', lanes: lanes((s) => s.transactionGap) },
    { title: 'read gap', lanes: lanes((s) => s.readGap) },
    { title: 'promotion to first write', lanes: lanes((s) => s.firstWrite) },
    { title: 'promotion to every client', lanes: lanes((s) => s.everyWrite) },
    { title: 'promotion to own write', lanes: lanes((s) => s.ownWrite) },
  ])
  if (drawn === undefined) return undefined
  return html`<figure>${drawn}<figcaption>Bars reach from p50 to p99, the thin line to the worst.</figcaption></figure>`
}

/** A typical round of each subject on one axis, then the worst of each on its own. */
function strips(subjects: readonly SubjectView[]): Piece {
  const shown = subjects.flatMap(({ summary, colour, rounds }) => {
    const { typical, worst } = roundsToShow(rounds)
    return typical === undefined || worst === undefined ? [] : [{ summary, colour, typical, worst }]
  })
  if (shown.length === 0) return undefined
  const window = windowOf(shown.map(({ typical }) => typical))
  const legend = html`<div class="legend"><span><i class="well"></i>answered in time</span><span><i class="answered"></i>no answer, then a good one</span><span><i class="error"></i>errors in between</span><span><i class="never"></i>no good answer any more</span></div>`
  const figure = (heading: string, colour: number, caption: string, drawn: Markup): Markup =>
    html`<figure><h4><span class="dot subject-${colour % 6}"></span>${heading}</h4>${drawn}<figcaption>${caption}</figcaption></figure>`
  const many = shown.length > 1
  const several = shown.some(({ typical, worst }) => typical !== worst)
  const hurt = shown.some(({ worst }) => worst.clients.some(({ gaps }) => gaps.length > 0))
  return [
    html`<h3>What every client saw${many && ', on one time axis'}</h3><p class="soft">A line for each client of one typical round.${many && ' The axis is the same for all, so that lengths compare.'}</p>${legend}`,
    shown.map(({ summary, colour, typical }) =>
      figure(summary.subject, colour, stripsCaption(typical), stripsPicture(typical, window)),
    ),
    hurt &&
      (many || several) &&
      html`<h3>${several ? (many ? 'The worst round of each' : 'The worst round') : 'Each on a time axis of its own'}</h3>`,
    hurt &&
      (many || several) &&
      shown.map(({ summary, colour, worst }) =>
        figure(
          summary.subject,
          colour,
          stripsCaption(worst),
          stripsPicture(worst, windowOf([worst])),
        ),
      ),
  ]
}

function timeline(view: SubjectView): Piece {
  const drawn = timelinePicture(view)
  const { summary, colour, rounds } = view
  const heading = html`<h4><span class="dot subject-${colour % 6}"></span>${summary.subject}</h4>`
  if (drawn === undefined) {
    return html`${heading}<p class="soft">It says nothing of roles, and no write succeeded after the fault.</p>`
  }
  const caption = `The middle of ${plural(rounds.length, 'round')}; milestones that ${summary.subject} cannot tell are left out.`
  return html`<figure>${heading}${drawn}<figcaption>${caption}</figcaption></figure>${arrowsTable(view)}`
}

function phaseLegend(): Markup {
  const phases = ['noticing', 'promoting', 'moving'] as const
  return html`<div class="legend">${phases.map((phase) => html`<span><i class="${phase}"></i>${PHASE_WORDS[phase]}</span>`)}</div>`
}

/** How far the instrument itself is to be trusted. */
function trust(views: readonly FaultView[]): Markup {
  const all = views.flatMap(({ subjects }) => subjects)
  const stalls = all.flatMap(({ summary }) =>
    summary.stall === undefined ? [] : [summary.stall.max],
  )
  const within = all.flatMap(({ rounds }) =>
    rounds.flatMap(({ instrument }) => instrument.promotedWithinMs ?? []),
  )
  return html`<h3>How far to trust it</h3><dl class="pairs"><dt>longest stall of the instrument</dt><dd>${spanText(stalls.length === 0 ? undefined : Math.max(...stalls))}; gaps shorter than that say nothing</dd><dt>promotion seen within</dt><dd>${spanText(within.length === 0 ? undefined : Math.max(...within))} of its happening, at the worst</dd></dl>`
}

function descriptions(result: FailoverResult): Piece {
  return subjectNames(result).map((name) => {
    const found = result.subjects.find(({ subject }) => subject === name)
    return html`<dt>${name}</dt><dd>${found?.description ?? ''}</dd>`
  })
}

/** The result without its clients, for programs; it runs nothing. */
function data(result: FailoverResult): Markup {
  const rounds = result.rounds.map(({ clients, ...round }) => ({
    ...round,
    clients: clients.length,
  }))
  // A `</script>` in a command or a message would end the element.
  const text = JSON.stringify({ ...result, rounds }).replaceAll('<', '\\u003c')
  return new Markup(`<script type="application/json" id="weir-failover">${text}</script>`)
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

function listed(names: readonly string[]): string {
  const last = names.at(-1) ?? ''
  return names.length < 2 ? last : `${names.slice(0, -1).join(', ')} and ${last}`
}
