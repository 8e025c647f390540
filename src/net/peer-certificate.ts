/**
 * What a certificate says of who shows it. Rule: whatever could be read in two ways is no name: several
 * common names, control characters, a zero byte.
 */
import type { X509Certificate } from 'node:crypto'
import type { PeerCertificate } from '../core/secure-channel.ts'

/** Kinds of alternative names that may stand for a user. */
const KINDS = ['DNS:', 'email:', 'URI:'] as const
/** C0, DEL and C1: nothing that belongs into a name, a log or a terminal. */
const CONTROLS = /\p{Cc}/u
const CONTROLS_ALL = /\p{Cc}/gu

export function peerOf(certificate: X509Certificate): PeerCertificate {
  const { CN } = certificate.toLegacyObject().subject as { CN?: string | string[] }
  return {
    commonName: typeof CN === 'string' && isPlain(CN) ? CN : undefined,
    names: alternativeNames(certificate.subjectAltName ?? ''),
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    subject: oneLine(certificate.subject ?? ''),
  }
}

function isPlain(name: string): boolean {
  return name !== '' && !CONTROLS.test(name)
}

/** Node writes one attribute a line, each with what is special in it escaped by a backslash. */
function oneLine(subject: string): string {
  return subject
    .replaceAll('\n', ', ')
    .replaceAll(CONTROLS_ALL, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

/**
 * Reads `DNS:a, email:b@c, URI:"x\u002cy"`: Node quotes as JSON whatever holds a comma, a quote or
 * something unprintable, so a comma outside of quotes always divides.
 */
export function alternativeNames(text: string): string[] {
  const names: string[] = []
  let at = 0
  while (at < text.length) {
    const kind = KINDS.find((prefix) => text.startsWith(prefix, at))
    const start = at + (kind?.length ?? 0)
    const quoted = kind !== undefined && text[start] === '"'
    const end = quoted ? endOfQuoted(text, start) : endOfPlain(text, start)
    if (kind !== undefined) {
      const name = quoted ? unquoted(text.slice(start, end)) : text.slice(start, end)
      if (name !== undefined && isPlain(name)) names.push(name)
    }
    const comma = text.indexOf(', ', end)
    at = comma < 0 ? text.length : comma + 2
  }
  return names
}

function endOfPlain(text: string, start: number): number {
  const comma = text.indexOf(', ', start)
  return comma < 0 ? text.length : comma
}

function endOfQuoted(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return Math.min(at + 1, text.length)
}

function unquoted(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  }
}
