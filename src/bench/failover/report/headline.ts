/**
 * The top of the report: one sentence a fault that can be read aloud, and a few large figures with
 * the other subjects beside them. Rule: the sentence says the bad as plainly as the good; what was
 * not measured is not mentioned as if it were fine.
 */
import { countText, plural, spanText, UNKNOWN } from './figures.ts'
import { html, type Markup } from './markup.ts'
import { clientsOf, crowd, errorCount, type FaultView, type SubjectView } from './view.ts'
import { FAULT_WORDS, KIND_ORDER, KIND_WORDS } from './words.ts'

/** What the lead's clients lived through, in a sentence or two. */
export function leadSentence({ subjects, fault }: FaultView): Markup {
  const [lead] = subjects
  if (lead === undefined) return html``
  const { summary, rounds } = lead
  if (rounds.length === 0) {
    return html`<p class="lead">No round of <b>${summary.subject}</b> counts: the instrument failed in each.</p>`
  }
  const reads = fault === 'reader-kill'
  const gap = reads ? summary.readGap : summary.writeGap
  const who = reads ? 'reading' : 'writing'
  const most =
    gap === undefined || gap.p99 === gap.max
      ? ''
      : `; for 99 of 100 it was at most ${unbroken(gap.p99)}`
  const waited =
    gap === undefined
      ? ''
      : `The longest any ${who} client went without a good answer was ${unbroken(gap.max)}${most}. `
  return html`<p class="lead">${plural(rounds.length, 'round')} with <b>${summary.subject}</b>: ${FAULT_WORDS[fault].what}. ${waited}${idleSentence(lead)} ${verdictSentence(lead)}</p>`
}

/** A number at the end of a line without its unit is hard to read. */
const unbroken = (ms: number): string => spanText(ms).replace(' ', '\u00a0')

function idleSentence({ summary, rounds }: SubjectView): Markup | undefined {
  const idle = clientsOf(rounds, 'idle').length
  if (idle === 0) return undefined
  const dropped = summary.droppedByKind.idle
  if (dropped === 0) return html`None of ${countText(idle)} idle connections was dropped.`
  return html`<span class="bad">${countText(dropped)} of ${countText(idle)} idle connections were dropped.</span>`
}

function verdictSentence({ summary: { verdict } }: SubjectView): Markup {
  const { acknowledged, lost, duplicates, contradicted } = verdict
  if (lost + duplicates + contradicted === 0) {
    return html`All ${countText(acknowledged)} acknowledged writes are there, each once.`
  }
  const told = [
    lost > 0 && `${countText(lost)} acknowledged writes are lost`,
    duplicates > 0 && `${countText(duplicates)} are there twice`,
    contradicted > 0 && `${countText(contradicted)} that were refused are there nevertheless`,
  ].filter((part) => part !== false)
  return html`<span class="bad">Of ${countText(acknowledged)} acknowledged writes: ${told.join(', ')}.</span>`
}

/** The crowd of a round in words: `100 writers, 60 readers, 800 idle clients`. */
export function crowdText(view: FaultView): string {
  const rounds = view.subjects[0]?.rounds ?? []
  const parts = KIND_ORDER.map((kind) => ({ n: crowd(rounds, kind), kind }))
  return parts
    .filter(({ n }) => n > 0)
    .map(({ n, kind }) => `${countText(n)} ${KIND_WORDS[kind].many}`)
    .join(', ')
}

interface Card {
  readonly what: string
  readonly value: (subject: SubjectView) => string
  /** Small, behind the lead's value. */
  readonly more?: (subject: SubjectView) => string
  readonly worry?: (subject: SubjectView) => boolean
  /** Below the others: what nobody can do better. */
  readonly floor?: (subject: SubjectView) => readonly [string, string] | undefined
}

const WRITE_CARDS: readonly Card[] = [
  {
    what: 'Longest write gap of a client, 99 of 100',
    value: ({ summary }) => spanText(summary.writeGap?.p99),
    more: ({ summary }) => `median ${spanText(summary.writeGap?.p50)}`,
  },
  {
    what: 'From the promotion to the first write, median',
    value: ({ summary }) => spanText(summary.firstWrite?.p50),
    more: ({ summary }) => `p99 ${spanText(summary.firstWrite?.p99)}`,
    floor: ({ summary: { ownWrite } }) =>
      ownWrite === undefined ? undefined : ['nodes alone', spanText(ownWrite.p50)],
  },
]

const READ_CARDS: readonly Card[] = [
  {
    what: 'Longest read gap of a client, 99 of 100',
    value: ({ summary }) => spanText(summary.readGap?.p99),
    more: ({ summary }) => `median ${spanText(summary.readGap?.p50)}`,
  },
]

const COMMON_CARDS: readonly Card[] = [
  {
    what: 'Idle connections dropped',
    value: (subject) => {
      const idle = clientsOf(subject.rounds, 'idle').length
      return idle === 0 ? UNKNOWN : countText(subject.summary.droppedByKind.idle)
    },
    more: ({ rounds }) => `of ${countText(clientsOf(rounds, 'idle').length)}`,
    worry: ({ summary }) => summary.droppedByKind.idle > 0,
  },
  {
    what: 'Acknowledged writes lost, and written twice',
    value: ({ summary: { verdict } }) =>
      `${countText(verdict.lost)} + ${countText(verdict.duplicates)}`,
    more: ({ summary }) => `of ${countText(summary.verdict.acknowledged)}`,
    worry: ({ summary: { verdict } }) => verdict.lost + verdict.duplicates > 0,
  },
  {
    what: 'Errors that clients saw',
    value: ({ summary }) => countText(errorCount(summary)),
    more: ({ rounds }) => (rounds.length === 1 ? 'in 1 round' : `in ${rounds.length} rounds`),
  },
]

/** The lead's figures large, the others' beneath. */
export function cards({ subjects, fault }: FaultView): Markup {
  const list = [...(fault === 'reader-kill' ? READ_CARDS : WRITE_CARDS), ...COMMON_CARDS]
  const [lead, ...others] = subjects
  if (lead === undefined || lead.rounds.length === 0) return html``
  return html`<div class="cards">${list.map(({ what, value, more, worry, floor }) => {
    const least = floor?.(lead)
    const look = worry?.(lead) === true ? 'value bad' : 'value'
    return html`<div class="card"><div class="what">${what}</div><div class="${look}">${value(lead)}</div><div class="more">${more?.(lead)}</div>${
      (others.length > 0 || least !== undefined) &&
      html`<dl>${others.map((other) => html`<dt>${other.summary.subject}</dt><dd>${other.rounds.length === 0 ? UNKNOWN : value(other)}</dd>`)}${least !== undefined && html`<dt>${least[0]}</dt><dd>${least[1]}</dd>`}</dl>`
    }</div>`
  })}</div>`
}
