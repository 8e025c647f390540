/**
 * One round as its clients lived through it: a thin line for each client, time from left to right,
 * coloured where it had no good answer. Rule: every client is drawn, the lucky ones too; an empty
 * stretch means that all requests were answered in time.
 */
import type { ClientRecord, Gap, Round } from '../result.ts'
import { countText, plural, spanText, tickText } from './figures.ts'
import { html, type Markup, type Piece, picture } from './markup.ts'
import { linear } from './scale.ts'
import { KIND_ORDER, KIND_WORDS } from './words.ts'

const WIDTH = 1000
const LEFT = 116
const RIGHT = 904
const TOP = 26
const GROUP_GAP = 6
/** All lines of one picture together, at the most about so high. */
const TALL = 260

/** Shown of a round in which nobody had a gap. */
const UNHURT_MS = 1_000

export interface Window {
  /** Ms from the fault. */
  readonly from: number
  readonly to: number
}

/** From a little before the fault to a little after the last gap of these rounds. */
export function windowOf(rounds: readonly Round[]): Window {
  let first = 0
  let last = 0
  for (const round of rounds) {
    const fault = faultOf(round)
    for (const { gaps } of round.clients) {
      for (const gap of gaps) {
        // A gap that was over before the fault is none of its making.
        if (gap.to > fault) first = Math.min(first, gap.from - fault)
        last = Math.max(last, Math.min(gap.to, round.ended) - fault)
      }
    }
  }
  const to = last === 0 ? UNHURT_MS : Math.max(last * 1.08, 50)
  return { from: -Math.min(Math.max(to * 0.06, -first * 1.1), to * 0.2), to }
}

/** @param window the same for pictures that are to be compared */
export function stripsPicture(round: Round, window: Window): Markup {
  const fault = faultOf(round)
  const scale = linear(window.from, window.to, LEFT, RIGHT)
  const drawn = round.clients.filter((c) => c.kind !== 'idle' || c.gaps.length > 0)
  const high = Math.min(5, Math.max(0.3, TALL / Math.max(1, drawn.length)))
  const parts: Piece[] = []
  let y = TOP
  for (const kind of KIND_ORDER) {
    const all = round.clients.filter((client) => client.kind === kind)
    if (all.length === 0) continue
    const { many } = KIND_WORDS[kind]
    const group = sorted(kind === 'idle' ? all.filter((c) => c.gaps.length > 0) : all)
    const height = Math.max(14, group.length * high)
    const middle = y + height / 2
    const label =
      kind === 'idle' && group.length === 0 ? `${all.length} idle` : `${all.length} ${many}`
    parts.push(
      html`<rect class="well" x="${LEFT}" y="${y}" width="${RIGHT - LEFT}" height="${height}"/>`,
      html`<text class="small end" x="${LEFT - 8}" y="${middle + 4}">${label}</text>`,
      brokenOf(all, middle),
      linesOf(group, y, high, (at) => scale.x(at - fault)),
    )
    y += height + GROUP_GAP
  }
  const bottom = y
  const axis = scale.ticks.map(({ at, ms }) => [
    html`<path class="grid over" d="M${at} ${TOP} V${bottom}"/>`,
    html`<text class="middle tiny" x="${at}" y="${bottom + 13}">${tickText(ms)}</text>`,
  ])
  const height = bottom + 20
  const label = `Clients of ${round.subject}, round ${round.number}`
  const column = html`<text class="tiny end" x="${WIDTH - 8}" y="${TOP - 10}">lost connection</text>`
  return picture(WIDTH, height, label, [
    parts,
    column,
    axis,
    moments(round, scale.x, fault, bottom),
  ])
}

/** At the right edge: how many of a kind had to connect again. */
function brokenOf(clients: readonly ClientRecord[], middle: number): Piece {
  const broken = clients.filter((client) => client.dropped > 0).length
  const look = broken > 0 ? 'figure worry' : 'small'
  return html`<text class="${look} end" x="${WIDTH - 8}" y="${middle + 4}">${countText(broken)}</text>`
}

/** The longest gap on top, so that the shape of the crowd can be seen. */
function sorted(clients: readonly ClientRecord[]): ClientRecord[] {
  const longest = ({ gaps }: ClientRecord): number =>
    Math.max(0, ...gaps.map((gap) => gap.to - gap.from))
  return [...clients].sort((a, b) => longest(b) - longest(a))
}

/** One path for each way a gap can end: thousands of rectangles would be slow to show. */
function linesOf(
  clients: readonly ClientRecord[],
  top: number,
  high: number,
  x: (at: number) => number,
): Piece {
  const paths: Record<Gap['end'], string> = { answered: '', error: '', never: '' }
  for (const [i, client] of clients.entries()) {
    const y = (top + i * high).toFixed(2)
    const h = (high > 2 ? high - 0.6 : high).toFixed(2)
    for (const gap of client.gaps) {
      const from = x(gap.from)
      const wide = Math.max(x(gap.to) - from, 0.8)
      paths[gap.end] += `M${from.toFixed(1)} ${y}h${wide.toFixed(1)}v${h}h-${wide.toFixed(1)}z`
    }
  }
  return (['answered', 'error', 'never'] as const)
    .filter((end) => paths[end] !== '')
    .map((end) => html`<path class="gap-${end}" d="${paths[end]}"/>`)
}

/** Fault and promotion as lines through all clients; their names where they do not touch. */
function moments(round: Round, x: (ms: number) => number, fault: number, bottom: number): Piece {
  const { promoted } = round.timeline
  const at = x(0)
  const parts: Piece[] = [
    html`<path class="moment" d="M${at} ${TOP - 6} V${bottom}"/>`,
    html`<text class="small end" x="${at - 4}" y="${TOP - 10}">fault</text>`,
  ]
  if (promoted === undefined) return parts
  const second = x(promoted - fault)
  const said = `promoted ${spanText(promoted - fault)}`
  parts.push(
    html`<path class="moment dashed" d="M${second} ${TOP - 6} V${bottom}"/>`,
    // To the side on which nothing else stands.
    second > (LEFT + RIGHT) / 2
      ? html`<text class="small end" x="${second - 4}" y="${TOP - 10}">${said}</text>`
      : html`<text class="small" x="${second + 4}" y="${TOP - 10}">${said}</text>`,
  )
  return parts
}

/** One sentence under the picture. */
export function stripsCaption(round: Round): string {
  const gaps = round.clients.filter((c) => c.kind !== 'idle').map((c) => c.longestGapMs)
  const dropped = round.clients.filter((client) => client.dropped > 0).length
  const broken =
    dropped === 0 ? 'no connection broke' : `${plural(dropped, 'client')} lost the connection`
  return `Round ${round.number}: ${round.victim} hurt${round.promoted === undefined ? '' : `, ${round.promoted} promoted`}; longest gap ${spanText(Math.max(0, ...gaps))}; ${broken}.`
}

const faultOf = (round: Round): number => round.timeline.fault ?? round.began
