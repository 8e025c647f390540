/**
 * Whole distributions side by side: which span how many of a hundred, a thousand, ten thousand stayed
 * below. Rule: the share axis grows by tenths of the tail, so the worst ones are as wide as the middle;
 * a curve ends where there were too few values to say more.
 */
import { tickText } from '../../failover/report/figures.ts'
import { html, type Markup, picture } from '../../failover/report/markup.ts'
import { logarithmic } from '../../failover/report/scale.ts'
import type { SpanResult } from '../result.ts'

const WIDTH = 1000
const LEFT = 74
const RIGHT = 976
const TOP = 12
const HEIGHT = 210
const BOTTOM = TOP + HEIGHT
const NAMED = [0, 0.5, 0.9, 0.99, 0.999, 0.9999]

export interface CurveLine {
  readonly name: string
  readonly colour: number
  readonly span: SpanResult | undefined
}

/** Undefined when there is nothing in any of them. */
export function curvePicture(lines: readonly CurveLine[], label: string): Markup | undefined {
  const known = lines.flatMap(({ span, ...line }) =>
    span === undefined ? [] : [{ ...line, span }],
  )
  if (known.length === 0) return undefined
  const most = Math.max(...known.map(({ span }) => span.figures.max))
  const least = Math.min(...known.flatMap(({ span }) => span.curve.map(([, ms]) => ms)))
  const up = logarithmic(Math.max(0.1, least), most, BOTTOM, TOP)
  const grid = [
    up.ticks.map(({ at, ms, named }) => [
      html`<path class="${named ? 'grid' : 'grid faint'}" d="M${LEFT} ${at} H${RIGHT}"/>`,
      named && html`<text class="tiny end" x="${LEFT - 8}" y="${at + 4}">${tickText(ms)}</text>`,
    ]),
    NAMED.map(
      (share) =>
        html`<path class="grid faint" d="M${placeOf(share)} ${TOP} V${BOTTOM}"/><text class="middle tiny" x="${placeOf(share)}" y="${BOTTOM + 16}">${shareText(share)}</text>`,
    ),
  ]
  const paths = known.map(
    ({ name, colour, span }) =>
      html`<path class="line subject-${colour}" d="${pathOf(span, up.x)}"><title>${name}</title></path>`,
  )
  return picture(WIDTH, BOTTOM + 24, label, [grid, paths])
}

function pathOf({ figures, curve }: SpanResult, y: (ms: number) => number): string {
  // Beyond one in n nothing is known of n values.
  const points = curve.filter(([share]) => share < 1 && (1 - share) * figures.n >= 1)
  const last = figures.n < 2 ? 0.5 : 1 - 1 / figures.n
  const all = [...points, [Math.min(last, 0.9999), figures.max] as const]
  return all
    .map(
      ([share, ms], i) => `${i === 0 ? 'M' : 'L'}${placeOf(share).toFixed(1)} ${y(ms).toFixed(1)}`,
    )
    .join('')
}

/** Each further nine of a share is as wide as the one before. */
function placeOf(share: number): number {
  const nines = -Math.log10(Math.max(1 - share, 1e-4))
  return LEFT + (nines / 4) * (RIGHT - LEFT)
}

const shareText = (share: number): string => `${Number((share * 100).toPrecision(6))} %`
