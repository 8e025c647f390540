/** Weaknesses of the doors: encryption towards clients, and who can reach them. */
import type { Examined, Found, Rule } from './security-rule.ts'

const LAB = 'weir cert makes a certificate for a lab'

/** Whether a list of networks has one that is everybody, or nearly so. */
export function isEverybody(networks: readonly string[]): boolean {
  return networks.some((network) => {
    const [, bits] = network.split('/')
    return bits !== undefined && Number(bits) < 4
  })
}

export const DOOR_RULES: readonly Rule[] = [
  { name: 'tls-off', find: tlsOff },
  { name: 'tls-optional', find: tlsOptional },
  { name: 'tls-old', find: tlsOld },
  { name: 'open-to-all', find: openToAll },
  { name: 'relays-of-all', find: relaysOfAll },
]

function tlsOff({ settings: { tls }, reachable }: Examined): Found[] {
  if (tls.mode !== 'off') return []
  return [
    {
      level: reachable ? 'high' : 'low',
      path: ['tls', 'mode'],
      is: 'is off',
      why: 'Whoever listens between a client and Weir reads every statement and row, can change them, and can take over a session that has logged in.',
      set: `tls.mode: required, with tls.certFile and tls.keyFile (${LAB}).`,
    },
  ]
}

function tlsOptional({ settings: { tls }, reachable }: Examined): Found[] {
  if (tls.mode !== 'allowed') return []
  return [
    {
      level: reachable ? 'high' : 'low',
      path: ['tls', 'mode'],
      is: 'is allowed',
      why: 'A client that does not ask for TLS gets none, and somebody between can see to it that it does not: sslmode=prefer, the default of libpq, gives in.',
      set: 'tls.mode: required. Clients should use sslmode=verify-full.',
    },
  ]
}

function tlsOld({ settings: { tls } }: Examined): Found[] {
  if (tls.mode === 'off' || tls.minVersion === 'TLSv1.3') return []
  return [
    {
      level: 'low',
      path: ['tls', 'minVersion'],
      is: `is ${tls.minVersion}`,
      why: 'TLS 1.2 shows client certificates in clear and has settings that can be chosen badly; every driver of the last years speaks 1.3.',
      set: 'tls.minVersion: TLSv1.3, unless a client is older than OpenSSL 1.1.1 or Java 11.',
    },
  ]
}

function openToAll({ settings: { listen, endpoints }, reachable }: Examined): Found[] {
  if (!reachable) return []
  if (listen.allow !== undefined) {
    if (!isEverybody(listen.allow)) return []
    return [
      {
        level: 'medium',
        path: ['listen', 'allow'],
        is: 'has a network of everybody',
        why: 'Such a list keeps nobody out.',
        set: 'The networks your clients are in.',
      },
    ]
  }
  return endpoints.flatMap(({ port, allow }, i): Found[] => {
    if (port === undefined || (allow !== undefined && !isEverybody(allow))) return []
    return [
      {
        level: 'high',
        path: ['endpoints', i],
        is: `takes clients from everywhere at ${listen.host}`,
        why: 'Whoever can reach the port may guess passwords and use up logins; RDS Proxy is never reachable from outside its network.',
        set: 'listen.allow: the networks your clients are in (or endpoints[].allow for one endpoint), besides the firewall.',
      },
    ]
  })
}

function relaysOfAll({ settings: { listen } }: Examined): Found[] {
  const { proxyProtocol, proxyTrusted = [] } = listen
  if (proxyProtocol === 'off' || !isEverybody(proxyTrusted)) return []
  return [
    {
      level: 'high',
      path: ['listen', 'proxyTrusted'],
      is: 'has a network of everybody',
      why: 'Every client can then say that it comes from any address, and so pass allow lists and bounds on failures.',
      set: 'The addresses of your load balancers alone.',
    },
  ]
}
