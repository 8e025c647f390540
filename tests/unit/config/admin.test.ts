/** Settings of admin and audit: what must fit together for the admin port to be safe. */
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { withoutSecrets } from '../../../src/config/settings.ts'
import { LEAST, load, problemsOf } from './scratch-file.ts'

const HASH = `sha256:${'ab'.repeat(32)}`
const USER = `{ name: alice, tokenHash: "${HASH}" }`
const PUBLIC = 'host: 0.0.0.0, allowPublic: true'

const problems = (admin: string): string[] => problemsOf(`${LEAST}admin: { ${admin} }\n`)

test('admin that other machines reach needs users, or says what is open', () => {
  expect(problems(PUBLIC)).toEqual([
    expect.stringContaining('admin.users: got none, want at least one user, or admin.open'),
  ])
  expect(problems(`${PUBLIC}, open: [healthz, metrics]`)).toEqual([])
  expect(problems(`${PUBLIC}, enabled: false`)).toEqual([])
  expect(problems('host: 127.0.0.1')).toEqual([])
})

test('users need TLS where other machines are', () => {
  expect(problems(`${PUBLIC}, users: [${USER}]`)).toEqual([
    expect.stringContaining('admin.tls: got nothing, want a certFile and a keyFile'),
  ])
  expect(problems(`users: [${USER}]`)).toEqual([])
})

test('a user has exactly one way to prove itself, and a name of its own', () => {
  expect(problems('users: [{ name: alice }]')).toEqual([
    expect.stringContaining('admin.users.alice: got none, want one of password'),
  ])
  const both = `{ name: alice, tokenHash: "${HASH}", passwordFile: weir.yaml }`
  expect(problems(`users: [${both}]`)).toEqual([
    expect.stringContaining('got passwordFile and tokenHash'),
  ])
  expect(problems(`users: [${USER}, ${USER}]`)).toEqual([
    expect.stringContaining('a name that no other admin user has'),
  ])
  expect(problems('users: [{ name: a, passwordFile: nowhere }]')).toEqual([
    expect.stringContaining('nowhere, which does not exist'),
  ])
})

test('a password in clear is no verifier, and is not repeated', () => {
  const [problem = ''] = problems('users: [{ name: alice, password: hunter2 }]')
  expect(problem).toContain('scrypt$ or SCRAM-SHA-256$')
  expect(problem).not.toContain('hunter2')
})

test('what proves an admin user is not shown', () => {
  const shown = withoutSecrets(load(`${LEAST}admin: { users: [${USER}] }\n`))
  expect(JSON.stringify(shown)).not.toContain(HASH)
  expect(shown.admin.users?.[0]?.name).toBe('alice')
})

test('the audit log lies beside the configuration, off unless it is asked for', () => {
  const settings = load(`${LEAST}audit: { to: file, file: log/audit.log }\n`)
  expect(settings.audit.file.endsWith('/log/audit.log')).toBe(true)
  expect(resolve(settings.audit.file)).toBe(settings.audit.file)
  expect(load(LEAST).audit.to).toBe('off')
  expect(problemsOf(`${LEAST}audit: { required: true }\n`)).toEqual([
    expect.stringContaining('audit.required'),
  ])
})
