/**
 * What the settings of TLS ask of each other and of the files they name. Rule: whether a key fits its
 * certificate is for whoever loads them; here a file must be there and look like PEM.
 */
import { dirname, resolve } from 'node:path'
import type { Draft, Report } from './draft.ts'
import { readable } from './secret-file.ts'
import { NODE_TLS_FILES, TLS_FILES } from './settings-tls.ts'
import type { Path } from './walk.ts'

const PEM = 'the name of a PEM file'

export function checkTls({ tls, auth }: Draft, file: string, report: Report): void {
  const { mode, clientCertificates, certificates, certificateUsers } = tls
  for (const key of ['certFile', 'keyFile'] as const) {
    if (tls[key] === undefined && mode !== 'off') {
      report(['tls', key], `${PEM}, since tls.mode is ${mode}`)
    }
  }
  for (const key of TLS_FILES) checkPem(['tls', key], tls[key], file, report)
  for (const [i, pair] of certificates.entries()) {
    for (const key of ['certFile', 'keyFile'] as const) {
      checkPem(['tls', 'certificates', i, key], pair[key], file, report)
    }
  }
  if (clientCertificates !== 'off') {
    if (mode === 'off') report(['tls', 'clientCertificates'], 'off, since tls.mode is off')
    else if (clientCertificates === 'required' && mode !== 'required') {
      report(['tls', 'mode'], 'required, since tls.clientCertificates is required')
    }
    if (tls.clientCaFile === undefined) {
      report(
        ['tls', 'clientCaFile'],
        `${PEM}, since tls.clientCertificates is ${clientCertificates}`,
      )
    }
  }
  const single = (auth.users ?? []).flatMap(({ methods = [] }) => methods)
  if ([...auth.methods, ...single].includes('cert') && clientCertificates === 'off') {
    report(['tls', 'clientCertificates'], 'optional or required, since cert is among the methods')
  }
  for (const [i, { name, user }] of certificateUsers.entries()) {
    const stars = name.split('*').length - 1
    if (stars > 1) report(['tls', 'certificateUsers', i, 'name'], 'a name with at most one *')
    if (stars === 0 && user?.includes('*') === true) {
      report(
        ['tls', 'certificateUsers', i, 'user'],
        'a user without *, since there is none in name',
      )
    }
  }
}

/** The sections say the same of all nodes and of one, by other names. */
export function checkNodesTls({ tls, nodes }: Draft, file: string, report: Report): void {
  const { nodesNegotiation, nodesCertFile, nodesKeyFile } = tls
  const all = { cert: nodesCertFile, key: nodesKeyFile }
  checkPair(['tls', 'nodesKeyFile'], ['tls', 'nodesCertFile'], all, report)
  if (tls.nodesChannelBinding === 'require') {
    checkBinding(['tls', 'nodesChannelBinding'], tls.nodes, report)
  }
  if (nodesNegotiation === 'direct') checkDirect(['tls', 'nodesNegotiation'], tls.nodes, report)
  for (const [i, node] of (nodes ?? []).entries()) {
    const own = node?.tls
    if (own === undefined) continue
    const at = ['nodes', i, 'tls']
    for (const key of NODE_TLS_FILES) checkPem([...at, key], own[key], file, report)
    const pair = { cert: own.certFile, key: own.keyFile }
    checkPair([...at, 'keyFile'], [...at, 'certFile'], pair, report)
    const bound = (own.channelBinding ?? tls.nodesChannelBinding) === 'require'
    if (bound && (own.mode ?? own.channelBinding) !== undefined) {
      checkBinding([...at, 'channelBinding'], own.mode ?? tls.nodes, report)
    }
    if (own.mode === undefined && own.negotiation === undefined) continue
    const direct = (own.negotiation ?? nodesNegotiation) === 'direct'
    if (direct) checkDirect([...at, 'negotiation'], own.mode ?? tls.nodes, report)
  }
}

/** There is nothing to bind to without TLS. */
function checkBinding(at: Path, mode: string, report: Report): void {
  if (mode !== 'disable' && mode !== 'allow') return
  report(at, `prefer or disable, since the mode is ${mode}; require needs TLS`)
}

function checkPair(
  key: Path,
  cert: Path,
  pair: { readonly cert: string | undefined; readonly key: string | undefined },
  report: Report,
): void {
  if ((pair.cert === undefined) === (pair.key === undefined)) return
  report(pair.key === undefined ? key : cert, `${PEM}, since its other half is there`, 'nothing')
}

/** Nothing could be asked for and refused, so there would be no other way to fall back to. */
function checkDirect(at: Path, mode: string, report: Report): void {
  if (mode === 'require' || mode.startsWith('verify')) return
  report(at, `postgres, since the mode is ${mode}; direct needs require, verify-ca or verify-full`)
}

function checkPem(path: Path, name: string | undefined, file: string, report: Report): void {
  if (name === undefined) return
  const read = readable(resolve(dirname(file), name))
  if ('got' in read) report(path, read.want, read.got)
  else if (!read.text.includes('-----BEGIN ')) {
    report(path, 'a PEM file', `${name}, which is no PEM file`)
  }
}
