/**
 * Failovers on the page: a bar for each, cut where its steps were reached. Rule: a bar is as long as
 * its own failover, so that the parts can be compared within it; figures stand beside it in words.
 */
import { beganAt, outcomesText, type Step, stepsOf, wholeOf } from './failover-steps.ts'
import { type Html, html } from './html.ts'
import type { FailoverStatus } from './snapshot.ts'
import { fineSpan, orDash } from './words.ts'

/** One row for each, the newest first. */
export function failoverRows(failovers: readonly FailoverStatus[]): Html[] {
  return [...failovers].reverse().map(failoverRow)
}

function failoverRow(f: FailoverStatus): Html {
  const steps = stepsOf(f)
  const whole = wholeOf(f)
  return html`<tr><td class="n">${f.number}</td><td>${new Date(beganAt(f)).toISOString().slice(11, 23)}</td>
<td>${f.from} → ${f.to}</td><td><div class="steps" role="img" aria-label="${inWords(steps)}">${steps.map((s) => part(s, whole))}</div>
<div class="legend">${steps.map(caption)}</div></td><td class="n">${fineSpan(whole)}${f.over ? '' : ' …'}</td>
<td class="n">${f.heldMs === null ? '-' : fineSpan(f.heldMs)}</td><td class="n">${f.waitingPeak}</td>
<td class="told">${orDash(outcomesText(f))}</td></tr>`
}

function part({ word, until, ms }: Step, whole: number): Html {
  const percent = whole === 0 ? 0 : (100 * ms) / whole
  return html`<i class="to-${word}" style="width: ${percent.toFixed(2)}%" title="${until}: ${fineSpan(ms)}"></i>`
}

function caption({ word, ms }: Step): Html {
  return html`<span><i class="to-${word}"></i>${word.replace('-', ' ')} +${fineSpan(ms)}</span>`
}

function inWords(steps: readonly Step[]): string {
  return steps.map(({ until, ms }) => `${until} ${fineSpan(ms)}`).join(', ')
}
