/**
 * Errors that clients saw, by code and subject. Rule: bars share one scale, so that a bar twice as
 * long is twice as many; a subject without errors is named too, because that is the news.
 */
import { countText } from './figures.ts'
import { html, type Markup, type Piece, picture } from './markup.ts'
import { errorCount, type SubjectView } from './view.ts'
import { codeWords } from './words.ts'

const WIDTH = 1000
const LEFT = 384
const RIGHT = 900
const LANE = 20

export function errorsPicture(subjects: readonly SubjectView[]): Markup {
  const most = Math.max(1, ...subjects.flatMap(({ summary }) => Object.values(summary.errors)))
  const parts: Piece[] = []
  let y = 0
  for (const { summary, colour } of subjects) {
    const codes = Object.entries(summary.errors).sort((a, b) => b[1] - a[1])
    const total = errorCount(summary)
    const said = total === 0 ? 'no errors' : `${countText(total)} in all`
    parts.push(html`<text class="name" x="0" y="${y + 15}">${summary.subject}</text>`)
    parts.push(html`<text class="small" x="${LEFT}" y="${y + 15}">${said}</text>`)
    y += LANE + 2
    for (const [code, count] of codes) {
      const wide = Math.max(1.5, ((RIGHT - LEFT) * count) / most)
      parts.push(
        html`<text class="small code" x="14" y="${y + 14}">${code}</text>`,
        html`<text class="small" x="152" y="${y + 14}">${codeWords(code)}</text>`,
        html`<rect class="subject-${colour}" x="${LEFT}" y="${y + 4}" width="${wide}" height="${LANE - 8}" rx="2"/>`,
        html`<text class="figure" x="${LEFT + wide + 8}" y="${y + 14}">${countText(count)}</text>`,
      )
      y += LANE
    }
    y += 8
  }
  return picture(WIDTH, y, 'Errors by code', parts)
}
