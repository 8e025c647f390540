/**
 * HTML from template literals. Rule: every value is escaped unless it was made by `html` itself,
 * so a database or user called `<script>` is text and nothing else.
 */
export class Html {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

type Part = Html | string | number | readonly Part[]

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

export function html(strings: TemplateStringsArray, ...values: readonly Part[]): Html {
  return new Html(strings.map((s, i) => (i === 0 ? s : printed(values[i - 1] ?? '') + s)).join(''))
}

function printed(part: Part): string {
  if (part instanceof Html) return part.text
  if (typeof part === 'object') return part.map(printed).join('')
  return String(part).replace(/[&<>"']/g, (c) => ENTITIES[c] ?? c)
}
