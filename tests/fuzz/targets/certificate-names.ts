/**
 * Client certificates and the list that maps their names to users. Rule: against a second reading of
 * the rules by regular expressions; a name with odd characters never means more than itself.
 */
import { certificateFits } from '../../../src/auth/certificate-users.ts'
import type { Target } from '../../support/fuzz.ts'
import type { Draw } from '../../support/fuzz-draw.ts'

interface Case {
  commonName: string | undefined
  names: string[]
  user: string
  rules: { name: string; user: string | undefined }[]
}

const SHARDS = [
  'alice',
  'bob',
  '.',
  '@corp',
  '*',
  '$&',
  "$'",
  '$1',
  '\\',
  'a',
  '',
  '(',
  '\0',
  'é',
  ' ',
]

function make(draw: Draw): Case {
  const name = () => draw.text(4, SHARDS)
  const oneStar = (text: string) => {
    const [first = '', ...more] = text.split('*')
    return more.length === 0 ? first : `${first}*${more.join('')}`
  }
  const commonName = draw.maybe(85) ? name() : undefined
  /** A pattern that fits what the certificate says. */
  const fitting = () => {
    const all = commonName ?? ''
    const from = draw.upTo(all.length)
    return `${all.slice(0, from)}*${all.slice(from + 1 + draw.upTo(all.length))}`
  }
  return {
    commonName,
    names: draw.list(3, name),
    user: draw.maybe(40) ? (commonName ?? '').slice(draw.upTo(3)) : name(),
    rules: draw.list(3, () => ({
      name: oneStar(draw.maybe(60) ? fitting() : name()),
      user: draw.maybe(70) ? draw.text(3, ['*', 'alice', '$&', 'x']) : undefined,
    })),
  }
}

function quoted(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

function check({ commonName, names, user, rules }: Case): string {
  const peer = { commonName, names, fingerprint: '', subject: '' }
  const seen = certificateFits(peer as never, user, rules)
  const all = commonName === undefined ? names : [commonName, ...names]
  const due =
    rules.length === 0
      ? commonName !== undefined && commonName === user
      : rules.some((rule) =>
          all.some((name) => {
            const [before = '', after] = rule.name.split('*')
            if (after === undefined) {
              return name === rule.name && (rule.user === undefined || rule.user === user)
            }
            const match = new RegExp(`^${quoted(before)}([^]+)${quoted(after)}$`).exec(name)
            if (match === null) return false
            return rule.user === undefined || rule.user.replaceAll('*', () => match[1]!) === user
          }),
        )
  if (seen !== due)
    throw new Error(`${seen ? 'fits' : 'does not fit'}, and should ${due ? '' : 'not '}fit`)
  return `${seen ? 'fits' : 'fits not'}, ${Math.min(rules.length, 1)}`
}

export const certificateNames: Target<Case> = {
  name: 'certificate-names',
  promise: 'a certificate opens the door to the users its list names, and to nobody else',
  runs: 20_000,
  make,
  check,
}
