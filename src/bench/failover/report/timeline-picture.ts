/**
 * One subject's failovers as a picture: the middle of all rounds with every milestone named, below
 * it what happened after the promotion enlarged, and a thin bar for each round. Rule: linear, so that
 * lengths can be compared by eye; the colour of a stretch says whose time it was.
 */
import type { Milestone, Round, Timeline } from '../result.ts'
import { spanText, tickText } from './figures.ts'
import { html, type Markup, type Piece, picture } from './markup.ts'
import { linear, type Scale, spread } from './scale.ts'
import { fromFault, inOrder, type SubjectView } from './view.ts'
import { MILESTONE_WORDS } from './words.ts'

const WIDTH = 1000
const LEFT = 44
const RIGHT = 956
const BAR = 22
const TOP = 10
const LABEL_GAP = 94
/** More rounds than this are a comb that nobody can read; the slowest are shown then. */
const MOST_ROUNDS = 30
const ROUND_HEIGHT = 12

/** Undefined where not even fault and first reply are known. */
export function timelinePicture({ summary, median, rounds }: SubjectView): Markup | undefined {
  const marks = inOrder(median)
  if (marks.length < 2) return undefined
  const end = Math.max(...marks.map(({ at }) => at))
  const whole = linear(0, end, LEFT, RIGHT)
  const parts: Piece[] = []
  let y = 112
  const zoom = afterPromotion(median)
  if (zoom !== undefined && zoom.to - zoom.from < end / 3) {
    const scale = linear(zoom.from, zoom.to, LEFT, RIGHT)
    const top = y + 24
    parts.push(
      html`<path class="lens" d="M${whole.x(zoom.from)} ${TOP + BAR} L${LEFT} ${top} H${RIGHT} L${whole.x(zoom.to)} ${TOP + BAR} Z"/>`,
      // What the enlargement names need not be crowded into the bar above.
      named(median, whole, TOP, 0, (name) => !(name in zoom.timeline) || name === 'promoted'),
      html`<text class="small" x="${LEFT}" y="${top - 8}">from the promotion on, enlarged</text>`,
      named(zoom.timeline, scale, top, zoom.from),
    )
    y += 120
  } else {
    parts.push(named(median, whole, TOP))
  }
  const shown = slowest(rounds)
  const ends = shown.map((round) => Math.max(0, ...inOrder(fromFault(round)).map((m) => m.at)))
  const each = linear(0, Math.max(end, ...ends), LEFT, RIGHT)
  if (shown.length > 1) {
    const note = shown.length < rounds.length ? `the ${shown.length} slowest rounds` : 'each round'
    parts.push(html`<text class="small" x="${LEFT}" y="${y + 12}">${note}</text>`)
    y += 20
    const height = shown.length * ROUND_HEIGHT
    parts.push(gridOf(each, y, y + height))
    for (const [i, round] of shown.entries()) {
      const top = y + i * ROUND_HEIGHT
      parts.push(
        html`<text class="tiny end" x="${LEFT - 6}" y="${top + 8}">${round.number}</text>`,
        stretches(fromFault(round), each, top, ROUND_HEIGHT - 3),
      )
    }
    y += height + 18
  }
  return picture(WIDTH, y, `Timeline of ${summary.subject} after the fault`, parts)
}

/** A bar with every milestone's name and time under it. */
function named(
  timeline: Timeline,
  scale: Scale,
  top: number,
  origin = 0,
  wanted: (name: Milestone) => boolean = () => true,
): Piece {
  const marks = inOrder(timeline).filter(({ name }) => wanted(name))
  const centres = spread(
    marks.map(({ at }) => scale.x(at)),
    LABEL_GAP,
    LEFT + 4,
    RIGHT - 4,
  )
  const bottom = top + BAR
  return [
    stretches(timeline, scale, top, BAR),
    marks.map(({ name, at }, i) => {
      const x = scale.x(at)
      const labelX = centres[i] ?? x
      const words = MILESTONE_WORDS[name]
      return html`<g class="mark"><path d="M${x} ${top - 4} V${bottom + 6} L${labelX} ${bottom + 22}"/><text class="middle name" x="${labelX}" y="${bottom + 36}">${words.label}</text><text class="middle small" x="${labelX}" y="${bottom + 51}">${offset(at, name, origin)}</text></g>`
    }),
  ]
}

function offset(at: number, name: Milestone, origin: number): string {
  const past = at - origin
  if (past === 0) return name === 'fault' ? 'at 0' : 'from here'
  return `${past < 0 ? '−' : '+'}${spanText(Math.abs(past))}`
}

/** One rectangle for each stretch between neighbouring milestones. */
function stretches(timeline: Timeline, scale: Scale, top: number, height: number): Piece {
  const marks = inOrder(timeline)
  let other = false
  return marks.slice(1).map(({ name, at }, i) => {
    const before = marks[i] ?? { name, at }
    const { phase } = MILESTONE_WORDS[name]
    // Neighbours of one phase in two shades, so that both can be seen.
    other = i > 0 && MILESTONE_WORDS[before.name].phase === phase && !other
    const from = scale.x(before.at)
    // A stretch too short to see is still there.
    const wide = Math.max(scale.x(at) - from, 0.6)
    const said = `${before.name} → ${name}: ${spanText(at - before.at)}`
    return html`<rect class="${phase}${other && ' other'}" x="${from}" y="${top}" width="${wide}" height="${height}"><title>${said}</title></rect>`
  })
}

function gridOf(scale: Scale, top: number, bottom: number): Piece {
  return scale.ticks.map(({ at, ms }) => [
    html`<path class="grid" d="M${at} ${top} V${bottom}"/>`,
    html`<text class="middle tiny" x="${at}" y="${bottom + 12}">${tickText(ms)}</text>`,
  ])
}

/** What follows the promotion, with the promotion itself; undefined where nothing does. */
function afterPromotion(
  median: Timeline,
): { timeline: Timeline; from: number; to: number } | undefined {
  const { promoted } = median
  if (promoted === undefined) return undefined
  const marks = inOrder(median).filter(({ at }) => at >= promoted)
  const last = marks.at(-1)
  if (marks.length < 3 || last === undefined || last.at - promoted < 0.1) return undefined
  const timeline = Object.fromEntries(marks.map(({ name, at }) => [name, at]))
  return { timeline, from: promoted, to: last.at }
}

function slowest(rounds: readonly Round[]): Round[] {
  const known = rounds.filter((round) => inOrder(fromFault(round)).length > 1)
  const length = (round: Round): number => inOrder(fromFault(round)).at(-1)?.at ?? 0
  const chosen = [...known].sort((a, b) => length(b) - length(a)).slice(0, MOST_ROUNDS)
  return chosen.sort((a, b) => a.number - b.number)
}
