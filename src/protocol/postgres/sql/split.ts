/**
 * A text cut into statements, each as its list of tokens, for those who need more than `classify`
 * tells and may take longer. Rule: it cuts exactly where `classify` does, so a statement has the
 * same number in both; statements without a token do not count.
 */
import { Lexer, TOKEN, type TokenKind } from './lexer.ts'
import { unicodeCode } from './unicode.ts'
import { NUMBER_MASK, quotedCode, W, wordCode } from './words.ts'

/** White space and comments are no tokens; a symbol is one byte. */
export interface Token {
  readonly kind: TokenKind
  /** It is `text[start, end)`. */
  readonly start: number
  readonly end: number
  /** As in `words.ts`, flags included. */
  readonly code: number
}

/**
 * @param text SQL without its terminating NUL, any number of statements; need not be valid
 * @param lexer at the beginning of the text
 */
export function statementsOf(text: Uint8Array, lexer = new Lexer(text)): Token[][] {
  const all: Token[][] = []
  let tokens: Token[] = []
  let depth = 0
  let atomic = 0
  let atHead = true
  let mayHaveBody = false
  let last: number = W.NONE

  const endStatement = (): void => {
    if (tokens.length > 0) all.push(tokens)
    tokens = []
    depth = 0
    atomic = 0
    atHead = true
    mayHaveBody = false
    last = W.NONE
  }
  while (lexer.next() !== TOKEN.END) {
    if (lexer.kind === TOKEN.SPACE || lexer.kind === TOKEN.COMMENT) continue
    const code = codeOf(lexer)
    const number = code & NUMBER_MASK
    if (number === W.SEMICOLON && depth === 0 && atomic === 0) {
      endStatement()
      continue
    }
    if (number === W.SEMICOLON) atHead = true
    else if (atHead && number !== W.OPEN_PAREN) {
      mayHaveBody = number === W.CREATE
      atHead = false
    }
    if (number === W.OPEN_PAREN) depth++
    else if (number === W.CLOSE_PAREN && depth > 0) depth--
    else if (number === W.ATOMIC && last === W.BEGIN && depth === 0 && mayHaveBody) atomic = 1
    else if (number === W.CASE && atomic > 0) atomic++
    else if (number === W.END && atomic > 0 && --atomic === 0) mayHaveBody = false
    tokens.push({ kind: lexer.kind, start: lexer.start, end: lexer.end, code })
    last = number
  }
  endStatement()
  return all
}

function codeOf(lexer: Lexer): number {
  const { text, start, end } = lexer
  switch (lexer.kind) {
    case TOKEN.WORD:
      return wordCode(text, start, end, lexer.hash)
    case TOKEN.QUOTED:
      return quotedCode(text, start + 1, end - 1, lexer.hash)
    case TOKEN.UNICODE_QUOTED:
      return unicodeCode(text, start, end)
    case TOKEN.STRING:
      return W.STRING
    case TOKEN.SYMBOL:
      return symbolCode(text[start]!)
    default:
      return W.VALUE
  }
}

function symbolCode(byte: number): number {
  switch (byte) {
    case 0x28:
      return W.OPEN_PAREN
    case 0x29:
      return W.CLOSE_PAREN
    case 0x2c:
      return W.COMMA
    case 0x2e:
      return W.DOT
    case 0x3b:
      return W.SEMICOLON
    case 0x3d:
      return W.EQUALS
    default:
      return W.SYMBOL
  }
}
