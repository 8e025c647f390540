/**
 * Something over time, a line for each target. Rule: the value axis begins at zero unless spans of
 * very different length stand together; then it is logarithmic and says so.
 */
import { html, type Markup, type Piece, picture } from '../../failover/report/markup.ts'
import { linear, logarithmic } from '../../failover/report/scale.ts'
import type { Points } from './view.ts'

/** Two stand side by side. */
const WIDTH = 500
const LEFT = 58
const RIGHT = 476
const TOP = 12
const HEIGHT = 150

export interface Line {
  readonly name: string
  readonly colour: number
  readonly dashed?: boolean
  readonly points: Points
}

export interface LinesOptions {
  readonly label: string
  readonly value: (value: number) => string
  readonly log?: boolean
  /** Ms after the start up to which the picture reaches. */
  readonly until: number
}

/** Undefined when no line has two points, or all is zero. */
export function linesPicture(lines: readonly Line[], options: LinesOptions): Markup | undefined {
  const drawn = lines.filter(({ points }) => points.length > 1)
  if (drawn.length === 0) return undefined
  const bottom = TOP + HEIGHT
  const time = linear(0, options.until, LEFT, RIGHT, 6)
  const values = drawn.flatMap(({ points }) => points.map(([, value]) => value))
  const most = Math.max(...values)
  if (most === 0) return undefined
  const up =
    options.log === true
      ? logarithmic(Math.max(0.1, Math.min(...values)), most, bottom, TOP)
      : linear(0, most * 1.04, bottom, TOP, 4)
  const grid = [
    up.ticks.map(({ at, ms, named }) => [
      html`<path class="${named ? 'grid' : 'grid faint'}" d="M${LEFT} ${at} H${RIGHT}"/>`,
      named &&
        html`<text class="tiny end" x="${LEFT - 8}" y="${at + 4}">${options.value(ms)}</text>`,
    ]),
    time.ticks.map(
      ({ at, ms }) =>
        html`<path class="grid faint" d="M${at} ${TOP} V${bottom}"/><text class="middle tiny" x="${at}" y="${bottom + 16}">${timeText(ms)}</text>`,
    ),
  ]
  const paths = drawn.map(
    (line) =>
      html`<path class="line subject-${line.colour}${line.dashed === true && ' dashed'}" d="${pathOf(line.points, time.x, up.x)}"><title>${line.name}</title></path>`,
  )
  const note: Piece =
    options.log === true &&
    html`<text class="tiny end" x="${RIGHT}" y="${bottom + 32}">each decade is ten times longer</text>`
  const height = bottom + (options.log === true ? 38 : 24)
  return picture(WIDTH, height, options.label, [grid, paths, note])
}

function pathOf(points: Points, x: (ms: number) => number, y: (value: number) => number): string {
  return points
    .map(([at, value], i) => `${i === 0 ? 'M' : 'L'}${x(at).toFixed(1)} ${y(value).toFixed(1)}`)
    .join('')
}

const timeText = (ms: number): string => `${Number((ms / 1000).toPrecision(6))} s`
