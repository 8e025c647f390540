/**
 * What one client was told last, for the report of what went wrong. Rule: it keeps the last few lines, cut
 * short, whatever happens; only the report looks at them.
 */
import type { Item } from './model.ts'
import type { Request } from './requests.ts'

/** Lines of the report. */
const LINES = Number(process.env.WEIR_TORTURE_NOTES ?? 30)
const WIDTH = 160

export class Notes {
  #lines: string[] = []

  told(line: string): void {
    this.#lines.push(line.length > WIDTH ? `${line.slice(0, WIDTH)}...` : line)
    if (this.#lines.length > 2 * LINES) this.#lines.splice(0, LINES)
  }

  /** The line told last is the first that answers this request. */
  begins(request: string): void {
    this.#lines.splice(-1, 0, `> ${request}`)
  }

  /** `item`: what had to come; `asked`: requests that are not answered. */
  report(what: string, item: Item | undefined, asked: readonly string[]): string {
    return [
      what,
      `wanted: ${dueOf(item)}`,
      `asked and not answered (${asked.length}):`,
      ...asked.slice(0, 4).map((line) => `  ${line}`),
      'told last:',
      ...this.#lines.slice(-LINES).map((line) => `  ${line}`),
    ].join('\n')
  }
}

/** A request on one line; `unit` is what it belongs to. */
export function printed(unit: string, { how, bytes }: Request): string {
  const text = bytes.toString('latin1', 0, 300).replace(/[^\x20-\x7e]+/g, '·')
  return `${unit}, ${how}: ${text}`
}

function dueOf(item: Item | undefined): string {
  if (item === undefined) return 'nothing'
  if (item.is === 'line') return item.lines.join(' or ').slice(0, WIDTH)
  return JSON.stringify(item)
}
