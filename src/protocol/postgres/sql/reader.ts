/**
 * The tokens of one statement, to be asked for words and names by index. Rule: asking behind the
 * end is no error, there is nothing there.
 */
import { TOKEN } from './lexer.ts'
import { folded, type Name, nameAt } from './names.ts'
import type { Token } from './split.ts'

export class Reader {
  readonly text: Buffer
  readonly tokens: readonly Token[]

  constructor(text: Buffer, tokens: readonly Token[]) {
    this.text = text
    this.tokens = tokens
  }

  get length(): number {
    return this.tokens.length
  }

  /** An unquoted word in lower case. */
  wordAt(index: number): string | undefined {
    const token = this.tokens[index]
    return token?.kind === TOKEN.WORD ? folded(this.text, token) : undefined
  }

  symbolAt(index: number): string | undefined {
    const token = this.tokens[index]
    return token?.kind === TOKEN.SYMBOL
      ? this.text.toString('latin1', token.start, token.end)
      : undefined
  }

  isString(index: number): boolean {
    return this.tokens[index]?.kind === TOKEN.STRING
  }

  nameAt(index: number): Name | undefined {
    return nameAt(this.text, this.tokens, index)
  }

  /** Index of the word that says what the statement is, behind EXPLAIN and its options. */
  get head(): number {
    if (this.wordAt(0) !== 'explain') return 0
    let i = 1
    if (this.symbolAt(i) === '(') return this.#behindParenthesis(i)
    while (/^(analy[sz]e|verbose)$/.test(this.wordAt(i) ?? '')) i++
    return i
  }

  /** Index behind the AS EXECUTE of a CREATE TABLE that goes on at `from`; the end if there is none. */
  behindAsExecute(from: number): number {
    let i = from
    while (/^(local|global|temp|temporary|unlogged)$/.test(this.wordAt(i) ?? '')) i++
    if (this.wordAt(i) !== 'table') return this.length
    // AS is nobody's name, so the first one is the statement's own or that of a cast in a default.
    while (i < this.length && this.wordAt(i) !== 'as') i++
    return this.wordAt(i + 1) === 'execute' ? i + 2 : this.length
  }

  #behindParenthesis(open: number): number {
    let depth = 0
    for (let i = open; i < this.length; i++) {
      const symbol = this.symbolAt(i)
      if (symbol === '(') depth++
      if (symbol === ')' && --depth === 0) return i + 1
    }
    return this.length
  }
}
