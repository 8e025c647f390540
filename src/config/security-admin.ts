/** Weaknesses of what is seen and written down: admin, audit, log. */
import { isLoopback } from './check.ts'
import type { Examined, Found, Rule } from './security-rule.ts'

export const ADMIN_RULES: readonly Rule[] = [
  { name: 'admin-without-users', find: withoutUsers },
  { name: 'admin-in-clear', find: inClear },
  { name: 'admin-open', find: open },
  { name: 'audit-off', find: auditOff },
  { name: 'audit-statements', find: auditStatements },
  { name: 'log-debug', find: logDebug },
]

function withoutUsers({ settings: { admin } }: Examined): Found[] {
  if (!admin.enabled || (admin.users ?? []).length > 0) return []
  return [
    {
      level: isLoopback(admin.host) ? 'medium' : 'high',
      path: ['admin'],
      is: 'has no users',
      why: 'Every program and every user of this machine may pause endpoints and move the writer.',
      set: 'admin.users: [{ name, role: operate, passwordFile }], or admin.enabled: false.',
    },
  ]
}

function inClear({ settings: { admin } }: Examined): Found[] {
  if (!admin.enabled || isLoopback(admin.host) || admin.tls !== undefined) return []
  return [
    {
      level: 'high',
      path: ['admin', 'host'],
      is: `is ${admin.host}, without admin.tls`,
      why: 'Passwords and tokens of admin users travel in clear.',
      set: 'admin.tls: { certFile, keyFile }, or admin.host: 127.0.0.1.',
    },
  ]
}

function open({ settings: { admin } }: Examined): Found[] {
  if (!admin.enabled || isLoopback(admin.host)) return []
  const told = (admin.open ?? []).filter((what) => what === 'status' || what === 'metrics')
  if (told.length === 0) return []
  return [
    {
      level: 'medium',
      path: ['admin', 'open'],
      is: `has ${told.join(' and ')}`,
      why: 'Whoever reaches the port learns the nodes, users, databases and statements that pin.',
      set: 'admin.open: [healthz, readyz]. Monitoring gets a user with role view and a tokenFile.',
    },
  ]
}

function auditOff({ settings: { audit } }: Examined): Found[] {
  if (audit.to !== 'off') {
    const lacking = (['login', 'command', 'change'] as const).filter(
      (kind) => !audit.events.includes(kind),
    )
    if (lacking.length === 0) return []
    return [
      {
        level: 'low',
        path: ['audit', 'events'],
        is: `has no ${lacking.join(', ')}`,
        why: 'Afterwards nobody can say who came in, or who changed what.',
        set: 'audit.events: at least [login, command, change].',
      },
    ]
  }
  return [
    {
      level: 'low',
      path: ['audit', 'to'],
      is: 'is off',
      why: 'Afterwards nobody can say who came in, from where, and who was refused.',
      set: 'audit.to: file, with audit.file; or stdout where something collects it.',
    },
  ]
}

function auditStatements({ settings: { audit } }: Examined): Found[] {
  if (audit.to === 'off' || audit.statements !== 'text') return []
  return [
    {
      level: 'low',
      path: ['audit', 'statements'],
      is: 'is text',
      why: 'Texts of statements tell the schema, and sometimes more, to whoever may read the audit log.',
      set: 'audit.statements: digest.',
    },
  ]
}

function logDebug({ settings: { log } }: Examined): Found[] {
  if (log.level !== 'trace' && log.level !== 'debug') return []
  return [
    {
      level: 'low',
      path: ['log', 'level'],
      is: `is ${log.level}`,
      why: 'Such a log tells each user and database that comes in, and fills disks when somebody makes noise.',
      set: 'log.level: info.',
    },
  ]
}
