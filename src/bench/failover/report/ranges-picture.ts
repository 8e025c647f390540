/**
 * Percentiles of several subjects side by side: a bar from p50 to p99, a whisker to the worst. Rule:
 * the axis is logarithmic because milliseconds stand beside many seconds here, and it says so; the
 * figures themselves stand at the end of each line.
 */
import type { Percentiles } from '../result.ts'
import { spanText, tickText } from './figures.ts'
import { html, type Markup, type Piece, picture } from './markup.ts'
import { logarithmic, type Scale } from './scale.ts'

const WIDTH = 1000
const LEFT = 190
const RIGHT = 700
const LANE = 22
const HEAD = 26

export interface Lane {
  readonly subject: string
  readonly colour: number
  readonly values: Percentiles | undefined
}

export interface Range {
  readonly title: string
  readonly lanes: readonly Lane[]
}

/** Undefined when there is nothing in any of them. */
export function rangesPicture(ranges: readonly Range[]): Markup | undefined {
  const known = ranges.filter(({ lanes }) => lanes.some(({ values }) => values !== undefined))
  const all = known.flatMap(({ lanes }) => lanes.flatMap((l) => (l.values ? [l.values] : [])))
  if (all.length === 0) return undefined
  const scale = logarithmic(
    Math.max(1, Math.min(...all.map((v) => v.p50))),
    Math.max(...all.map((v) => v.max)),
    LEFT,
    RIGHT,
  )
  const parts: Piece[] = []
  let y = 16
  for (const [column, x] of [
    ['p50', 770],
    ['p99', 866],
    ['worst', 962],
  ] as const) {
    parts.push(html`<text class="small end" x="${x}" y="${y - 3}">${column}</text>`)
  }
  const top = y + 6
  for (const { title, lanes } of known) {
    y += HEAD
    parts.push(html`<text class="name" x="0" y="${y - 4}">${title}</text>`)
    for (const lane of lanes) {
      parts.push(laneOf(lane, scale, y))
      y += LANE
    }
    y += 4
  }
  const grid = scale.ticks.map(({ at, ms, named }) => [
    html`<path class="${named ? 'grid' : 'grid faint'}" d="M${at} ${top} V${y}"/>`,
    named && html`<text class="middle tiny" x="${at}" y="${y + 13}">${tickText(ms)}</text>`,
  ])
  parts.push(
    html`<text class="tiny end" x="${WIDTH - 38}" y="${y + 13}">each decade is ten times longer</text>`,
  )
  return picture(WIDTH, y + 20, 'Percentiles of all subjects', [grid, parts])
}

function laneOf({ subject, colour, values }: Lane, scale: Scale, top: number): Piece {
  const middle = top + LANE / 2
  const name = html`<text class="small end" x="${LEFT - 10}" y="${middle + 4}">${subject}</text>`
  if (values === undefined) {
    return [name, html`<text class="small" x="${LEFT + 6}" y="${middle + 4}">not measured</text>`]
  }
  const [from, to, end] = [scale.x(values.p50), scale.x(values.p99), scale.x(values.max)]
  return [
    name,
    html`<g class="subject-${colour}"><path class="whisker" d="M${from} ${middle} H${end} M${end} ${middle - 4} V${middle + 4}"/>`,
    html`<rect x="${from - 2}" y="${top + 5}" width="${Math.max(to - from, 0) + 4}" height="${LANE - 10}" rx="2"/></g>`,
    html`<text class="figure end" x="770" y="${middle + 4}">${spanText(values.p50)}</text>`,
    html`<text class="figure end" x="866" y="${middle + 4}">${spanText(values.p99)}</text>`,
    html`<text class="figure end" x="962" y="${middle + 4}">${spanText(values.max)}</text>`,
  ]
}
